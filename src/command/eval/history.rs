//! Earlier runs in the ledger, as baselines.

use std::collections::HashMap;

use super::{CommandContext, CommandError};
use crate::chat::pluralize;
use crate::eval::statistics::RepeatOutcome;
use crate::eval::store::{ResultSummaryRow, RunRow};
use crate::eval::{
    Baseline, BaselineOrigin, CaseMetadata, CaseOutcomes, CasePairing, Digest, GoldenSet, Verdict,
};
use crate::route::store::StoreError;

pub(super) const LEDGER_HINT: &str =
    "check the ledger file (--ledger, $SLALOM_LEDGER, or ledger.db in the state folder)";

/// Maximum number of earlier runs in the history: enough to estimate the usual results, but few enough that a
/// lasting change soon becomes the norm.
const MAX_HISTORY_RUNS: usize = 10;

/// Maximum number of runs of the set to search for that history.
const MAX_RUNS_SCANNED: u32 = 100;

/// The path that identifies a set in the ledger.
pub(super) fn canonical_set_path(set: &GoldenSet) -> String {
    let path = std::fs::canonicalize(&set.path).unwrap_or_else(|_| (&set.path).into());
    path.to_string_lossy().into_owned()
}

/// What was read, or why the ledger cannot be used, in words.
pub(super) fn read_or_ledger_error<T>(
    context: &CommandContext,
    read: Result<T, StoreError>,
) -> Result<T, String> {
    match (context.take_ledger_error(), read) {
        (Some(error), _) => Err(error.to_owned()),
        (None, read) => read.map_err(|error| format!("cannot read the ledger: {error}")),
    }
}

/// `None` if the stored list is unreadable.
pub(super) fn run_subjects(run: &RunRow) -> Option<Vec<String>> {
    serde_json::from_str(&run.subjects).ok()
}

/// Loads the results of one subject of an earlier run.
pub(super) fn load_run_baseline(
    context: &CommandContext,
    id: &str,
    subject: Option<&str>,
) -> Result<Baseline, CommandError> {
    let store = context.open_run_store();
    let unreadable = |error: String| {
        CommandError::usage(format!("cannot compare with an earlier run: {error}")).with_hint(LEDGER_HINT)
    };
    let run = read_or_ledger_error(context, store.run(id)).map_err(unreadable)?;
    let hint = "use the run ID from the first line of `slalom eval` output";
    let run = run.ok_or_else(|| CommandError::usage(format!("unknown run `{id}`")).with_hint(hint))?;
    let subjects = run_subjects(&run).ok_or_else(|| {
        let message = format!("cannot read run {id}: it was started by another version of slalom");
        CommandError::usage(message).with_hint("run the baseline again")
    })?;
    let list = subjects.join(", ");
    let subject = match (subject, subjects.as_slice()) {
        (None, [only]) => only,
        (Some(name), _) => subjects.iter().find(|subject| *subject == name).ok_or_else(|| {
            let message = format!("unknown subject `{name}` in run {id}");
            CommandError::usage(message).with_hint(format!("use one of {list}"))
        })?,
        (None, _) => {
            return Err(CommandError::usage(format!("run {id} has several subjects"))
                .with_hint(format!("use {id}:SUBJECT, where SUBJECT is one of {list}")));
        }
    };
    let summaries = store.result_summaries(id, subject, true);
    let rows = read_or_ledger_error(context, summaries).map_err(unreadable)?;
    if run.finished_at == 0 {
        context.console.warn(format_args!(
            "run {id} is incomplete; comparing only the {} that it has",
            pluralize(rows.len(), "result")
        ));
    }
    Ok(Baseline {
        subject: subject.clone(),
        origin: BaselineOrigin::Run(id.to_owned()),
        cases: group_by_case(&rows),
    })
}

/// Collects the subject's results for these cases in its latest runs; `None` if there are none.
///
/// # Errors
/// If they cannot be read.
pub(super) fn load_history(
    context: &CommandContext,
    set: &GoldenSet,
    cases: &[CaseMetadata],
    run: &str,
    subject: &str,
) -> Result<Option<Baseline>, StoreError> {
    let (store, path) = (context.open_run_store(), canonical_set_path(set));
    let mut runs = 0;
    let mut all: HashMap<&str, CaseOutcomes> = HashMap::new();
    for earlier in store.recent_runs(&path, run, MAX_RUNS_SCANNED)? {
        let rows = store.result_summaries(&earlier.id, subject, false)?;
        let baseline = Baseline {
            subject: subject.to_owned(),
            origin: BaselineOrigin::History(1),
            cases: group_by_case(&rows),
        };
        let scored =
            |own: &CaseOutcomes| own.outcomes.iter().any(|outcome| outcome.verdict != Verdict::Unscored);
        let pairing = CasePairing::match_cases(cases, &baseline);
        // Unscored results, for example from an outage, say nothing about the usual results.
        let pairs: Vec<_> = pairing.pairs.into_iter().filter(|(_, own)| scored(own)).collect();
        if pairs.is_empty() {
            continue;
        }
        for (case, own) in pairs {
            let empty =
                || CaseOutcomes { case_id: case.id.clone(), digest: case.digest, outcomes: Vec::new() };
            all.entry(&case.id).or_insert_with(empty).outcomes.extend(&own.outcomes);
        }
        runs += 1;
        if runs == MAX_HISTORY_RUNS {
            break;
        }
    }
    let origin = BaselineOrigin::History(runs);
    let answered = cases.iter().filter_map(|case| all.remove(&*case.id)).collect();
    Ok((runs > 0).then(|| Baseline { subject: subject.to_owned(), origin, cases: answered }))
}

/// Groups ledger rows by case.
fn group_by_case(rows: &[ResultSummaryRow]) -> Vec<CaseOutcomes> {
    let mut all: Vec<CaseOutcomes> = Vec::new();
    let mut indexes: HashMap<(&str, Digest), usize> = HashMap::new();
    for row in rows {
        let read = Verdict::from_name(&row.verdict).zip(row.case_digest.parse().ok());
        let Some((verdict, digest)) = read else { continue };
        let index = *indexes.entry((&row.case_id, digest)).or_insert_with(|| {
            all.push(CaseOutcomes { case_id: row.case_id.as_str().into(), digest, outcomes: Vec::new() });
            all.len() - 1
        });
        all[index].outcomes.push(RepeatOutcome { verdict, score: row.score });
    }
    all
}
