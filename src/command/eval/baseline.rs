//! Baselines of an eval: where they come from, comparing with them, and saving them.

use std::collections::HashMap;
use std::path::Path;

use super::execute::FinishedRun;
use super::{CommandContext, CommandError, PreparedRun, drift};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::config::{BaselineSubject, load_baseline, render_baseline};
use crate::eval::statistics::{MinPass, RepeatOutcome};
use crate::eval::{
    Baseline, BaselineComparison, BaselineOrigin, CaseMetadata, CaseOutcomes, CasePairing, ComparisonContext,
    Digest, EvalSubject, GoldenSet, SubjectResults, SubjectSummary, Verdict,
};
use crate::ledger::ResultSummaryRow;
use crate::view::{ReportFormat, replace_file};

pub(super) const LEDGER_HINT: &str =
    "check the ledger file (--ledger, $SLALOM_LEDGER, or ledger.db in the state folder)";

pub(super) const BASELINE_HINT: &str =
    "use provider/model, route:NAME, a run ID, or a file from --save-baseline";

/// The value of `--baseline` names nothing to compare with.
pub(super) fn invalid_baseline_error(text: &str) -> CommandError {
    CommandError::usage(format!(
        "invalid --baseline `{text}`: expected a .json file, a run ID, a model, or a route"
    ))
}

/// The source of the results that subjects are compared with.
#[derive(Clone, Debug)]
pub(super) enum BaselineSource {
    /// A subject of the same run, by name.
    Subject(String),
    /// Results from a file or an earlier run.
    Saved(Baseline),
    /// Every subject's own earlier runs, for `--drift`.
    History,
}

impl BaselineSource {
    /// Parses the value of `--baseline`: a JSON file, a run ID, or otherwise a model or route.
    pub(super) fn parse(context: &CommandContext, text: &str, set: &GoldenSet) -> Result<Self, CommandError> {
        let (first, subject) = match text.split_once(':') {
            Some((first, subject)) => (first, Some(subject)),
            None => (text, None),
        };
        let is_file = |name: &str| {
            Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        };
        if is_file(text) {
            Ok(Self::Saved(load_baseline(Path::new(text), None)?))
        } else if is_file(first) {
            Ok(Self::Saved(load_baseline(Path::new(first), subject)?))
        } else if ulid::Ulid::from_string(first).is_ok() {
            load_run_baseline(context, first, subject).map(Self::Saved)
        } else if ReportFormat::from_path(Path::new(text)).is_some() || text.starts_with(['.', '/', '~']) {
            Err(invalid_baseline_error(text)
                .with_hint("create one with `slalom eval SET --save-baseline FILE.json`"))
        } else {
            let mut names = set.expand_subject(text).map_err(CommandError::usage)?;
            match (names.pop(), names.is_empty()) {
                (Some(name), true) => Ok(Self::Subject(name)),
                (last, _) => {
                    names.extend(last);
                    let message = format!("ambiguous baseline: {} has several prompts for {text}", set.path);
                    Err(CommandError::usage(message).with_hint(format!("use {}", names.join(" or "))))
                }
            }
        }
    }

    /// Uses the ledger's earlier runs. Fails if the ledger is unavailable.
    pub(super) fn from_history(context: &CommandContext) -> Result<Self, CommandError> {
        // The ledger opens on its first read.
        context.open_health().ledger().read(|rows| rows.run(""));
        match context.take_ledger_error() {
            None => Ok(Self::History),
            Some(error) => {
                Err(CommandError::usage(format!("cannot use --drift: {error}")).with_hint(LEDGER_HINT))
            }
        }
    }

    /// The name of the baseline subject, if it is part of the run.
    pub(super) fn subject_in_run(&self) -> Option<&str> {
        match self {
            Self::Subject(name) => Some(name),
            Self::Saved(_) | Self::History => None,
        }
    }

    /// Checks, before any call is paid for, that a saved baseline is comparable with the cases.
    pub(super) fn check_comparable(
        &self,
        set: &GoldenSet,
        cases: &[CaseMetadata],
        min_pass: Option<MinPass>,
    ) -> Result<(), CommandError> {
        let Self::Saved(baseline) = self else { return Ok(()) };
        let pairing = CasePairing::match_cases(cases, baseline);
        let answer_count = |own: &CaseOutcomes| u32::try_from(own.outcomes.len()).unwrap_or(u32::MAX);
        let find_mismatch = |of: u32| pairing.pairs.iter().find(move |(_, own)| answer_count(own) != of);
        if let Some((quorum, (case, own))) =
            min_pass.and_then(|quorum| Some((quorum, find_mismatch(quorum.repeats)?)))
        {
            return Err(CommandError::usage(format!(
                "{}: min_pass needs the same number of answers on both sides; the baseline has {} for case `{}`, but this run has {}",
                set.path,
                answer_count(own),
                case.id,
                quorum.repeats
            ))
            .with_hint("rerun the baseline with the same --repeat and --min-pass"));
        }
        if pairing.pairs.is_empty() {
            return Err(CommandError::usage(format!(
                "{}: none of the {} is in the baseline: it is from another set, or every prompt, reference, or assertion has changed",
                set.path,
                pluralize(cases.len(), "case")
            ))
            .with_hint("rerun the baseline: pass its model to --baseline, or write a new file with --save-baseline"));
        }
        Ok(())
    }
}

/// Loads the results of one subject of an earlier run.
fn load_run_baseline(
    context: &CommandContext,
    id: &str,
    subject: Option<&str>,
) -> Result<Baseline, CommandError> {
    let health = context.open_health();
    let ledger = health.ledger();
    let run = ledger.read(|rows| rows.run(id));
    if let Some(error) = context.take_ledger_error() {
        let message = format!("cannot compare with an earlier run: {error}");
        return Err(CommandError::usage(message).with_hint(LEDGER_HINT));
    }
    let hint = "use the run ID from the first line of `slalom eval` output";
    let run = run.ok_or_else(|| CommandError::usage(format!("unknown run `{id}`")).with_hint(hint))?;
    let subjects: Vec<String> = serde_json::from_str(&run.subjects).unwrap_or_default();
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
    let rows = ledger.read(|rows| rows.result_summaries(id, subject, true));
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

/// Groups ledger rows by case.
pub(super) fn group_by_case(rows: &[ResultSummaryRow]) -> Vec<CaseOutcomes> {
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

/// Compares the other subjects with the baseline. If the baseline is the only subject, it is compared with
/// itself.
pub(super) fn compare_with_baseline(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Vec<BaselineComparison> {
    let Some(source) = &prepared.spec.baseline else { return Vec::new() };
    let own = source.subject_in_run();
    let is_alone = prepared.subjects.iter().all(|subject| own == Some(&*subject.name));
    let is_other = |subject: &EvalSubject| is_alone || own != Some(&*subject.name);
    let challengers = prepared.subjects.iter().filter(|subject| is_other(subject)).count();
    let measured = |name: &str| {
        let at = prepared.subjects.iter().position(|subject| subject.name == name)?;
        let metadata = prepared.case_metadata_for(prepared.subjects.get(at)?);
        let answered = CaseOutcomes::group_by_case(&metadata, &results.get(at)?.stats);
        Some(Baseline { subject: name.to_owned(), origin: BaselineOrigin::SameRun, cases: answered })
    };
    let baseline = match source {
        BaselineSource::Subject(name) => measured(name),
        BaselineSource::Saved(baseline) => Some(baseline.clone()),
        BaselineSource::History => return drift::compare_with_history(context, prepared, run, results),
    };
    let Some(baseline) = baseline else { return Vec::new() };
    let subjects = prepared.subjects.iter().zip(results).filter(|(subject, _)| is_other(subject));
    subjects
        .map(|(subject, results)| {
            let metadata = prepared.case_metadata_for(subject);
            let comparison = ComparisonContext {
                cases: &metadata,
                is_whole_set: prepared.is_whole_set,
                min_pass: prepared.min_pass,
                gate: &prepared.gate,
                challengers,
            };
            comparison.compare(
                &baseline,
                &subject.name,
                &CaseOutcomes::group_by_case(&metadata, &results.stats),
            )
        })
        .collect()
}

/// Why a baseline was not saved.
#[derive(Debug)]
pub(super) enum SaveBaselineError {
    /// The results must not serve as a baseline.
    Rejected(String),
    WriteFailed(String),
}

/// Saves the results for `--save-baseline`. Rejects runs with too many unscored cases, and runs that just
/// failed the gate against a baseline, because they would lower the bar for the next run.
pub(super) fn save_baseline(
    context: &CommandContext,
    args: &EvalArgs,
    prepared: &PreparedRun,
    run: &FinishedRun,
) -> Result<(), SaveBaselineError> {
    let Some(path) = &args.gate.save_baseline else { return Ok(()) };
    let name = path.display();
    if !run.gate.inconclusive.is_empty() {
        let why = format!("{name} was not written: too many cases are unscored");
        return Err(SaveBaselineError::Rejected(why));
    }
    let own = prepared.spec.baseline.as_ref().and_then(BaselineSource::subject_in_run);
    if prepared.spec.baseline.is_some() && !run.gate.is_passed() {
        let why = format!("{name} was not written: the gate failed against the baseline");
        return Err(SaveBaselineError::Rejected(why));
    }
    let all = prepared.subjects.iter().zip(&run.summaries).zip(&run.results);
    let is_saved = |summary: &SubjectSummary| run.summaries.len() == 1 || own != Some(&*summary.subject);
    let answered: Vec<(&SubjectSummary, &SubjectResults, Vec<CaseOutcomes>)> = all
        .filter(|((_, summary), _)| is_saved(summary))
        .map(|((subject, summary), results)| {
            (
                summary,
                results,
                CaseOutcomes::group_by_case(&prepared.case_metadata_for(subject), &results.stats),
            )
        })
        .collect();
    let subjects: Vec<BaselineSubject<'_>> = answered
        .iter()
        .map(|(summary, results, answered)| BaselineSubject {
            summary,
            served_by: results.count_by_model(),
            answered,
        })
        .collect();
    let saved = jiff::Timestamp::from_millisecond(context.open_health().now()).unwrap_or_default();
    let set = (prepared.set.name.as_str(), prepared.set.digest.as_str());
    let text = render_baseline(set, &format!("{saved:.0}"), &subjects).map_err(std::io::Error::from);
    text.and_then(|text| replace_file(path, |out| out.write_all(text.as_bytes())))
        .map_err(|error| SaveBaselineError::WriteFailed(format!("cannot write {name}: {error}")))
}
