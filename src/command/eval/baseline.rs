//! What the other subjects are compared with.

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

/// Where earlier runs are.
pub(super) const LEDGER_HINT: &str =
    "the ledger is the file that --ledger or $SLALOM_LEDGER names, else ledger.db in the state folder";

/// What the other subjects are compared with.
#[derive(Clone, Debug)]
pub(super) enum BaselineSource {
    /// A subject of the same run.
    Subject(String),
    /// Answers that are there already.
    Saved(Baseline),
    /// How each of them did in earlier runs.
    History,
}

impl BaselineSource {
    /// What was typed behind `--baseline`: a file of JSON, a run by its id, else a model or route.
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
            Err(CommandError::usage(format!(
                "{text} is no baseline: that is a .json file, a run's id, a model or a route"
            ))
            .with_hint("`slalom eval SET --save-baseline FILE.json` writes one"))
        } else {
            let mut names = set.expand_subject(text).map_err(CommandError::usage)?;
            match (names.pop(), names.is_empty()) {
                (Some(name), true) => Ok(Self::Subject(name)),
                (last, _) => {
                    names.extend(last);
                    let message =
                        format!("{} asks {text} by several prompts, and a baseline is one of them", set.path);
                    Err(CommandError::usage(message).with_hint(format!("name {}", names.join(" or "))))
                }
            }
        }
    }

    /// What the ledger has of earlier runs.
    pub(super) fn from_history(context: &CommandContext) -> Result<Self, CommandError> {
        // It is opened by being asked for something.
        context.open_health().ledger().read(|rows| rows.run(""));
        match context.take_ledger_error() {
            None => Ok(Self::History),
            Some(trouble) => {
                Err(CommandError::usage(format!("--drift has no earlier runs: {trouble}"))
                    .with_hint(LEDGER_HINT))
            }
        }
    }

    /// The subject of the run that it is, if it is one.
    pub(super) fn subject_in_run(&self) -> Option<&str> {
        match self {
            Self::Subject(name) => Some(name),
            Self::Saved(_) | Self::History => None,
        }
    }

    /// Whether there is anything to compare, before anything is paid for.
    pub(super) fn check_comparable(
        &self,
        set: &GoldenSet,
        cases: &[CaseMetadata],
        min_pass: Option<MinPass>,
    ) -> Result<(), CommandError> {
        let Self::Saved(baseline) = self else { return Ok(()) };
        let pairing = CasePairing::match_cases(cases, baseline);
        let asked = |own: &CaseOutcomes| u32::try_from(own.outcomes.len()).unwrap_or(u32::MAX);
        let odd = |of: u32| pairing.pairs.iter().find(move |(_, own)| asked(own) != of);
        if let Some((quorum, (case, own))) = min_pass.and_then(|quorum| Some((quorum, odd(quorum.repeats)?)))
        {
            return Err(CommandError::usage(format!(
                "{}: with min_pass, a case has to have as many answers on both sides; the baseline has {} to case `{}`, \
                 and {} are asked for",
                set.path,
                asked(own),
                case.id,
                quorum.repeats
            ))
            .with_hint("measure the baseline with the same --repeat and --min-pass"));
        }
        if pairing.pairs.is_empty() {
            return Err(CommandError::usage(format!(
                "{}: the baseline has none of the {}: another set, or every prompt, reference or assertion changed",
                set.path,
                pluralize(cases.len(), "case")
            ))
            .with_hint("measure the baseline anew: name its model behind --baseline, or write it with --save-baseline"));
        }
        Ok(())
    }
}

/// The results of one subject of an earlier run.
fn load_run_baseline(
    context: &CommandContext,
    id: &str,
    subject: Option<&str>,
) -> Result<Baseline, CommandError> {
    let health = context.open_health();
    let ledger = health.ledger();
    let run = ledger.read(|rows| rows.run(id));
    if let Some(trouble) = context.take_ledger_error() {
        let message = format!("no earlier run can be compared with: {trouble}");
        return Err(CommandError::usage(message).with_hint(LEDGER_HINT));
    }
    let hint = "the first line that `slalom eval SET` prints has the id of its run";
    let run = run.ok_or_else(|| CommandError::usage(format!("there is no run {id}")).with_hint(hint))?;
    let subjects: Vec<String> = serde_json::from_str(&run.subjects).unwrap_or_default();
    let list = subjects.join(", ");
    let subject = match (subject, subjects.as_slice()) {
        (None, [only]) => only,
        (Some(name), _) => subjects.iter().find(|subject| *subject == name).ok_or_else(|| {
            let message = format!("the run {id} has no subject `{name}`");
            CommandError::usage(message).with_hint(format!("its subjects are {list}"))
        })?,
        (None, _) => {
            return Err(CommandError::usage(format!("the run {id} has several subjects"))
                .with_hint(format!("name one as {id}:SUBJECT; its subjects are {list}")));
        }
    };
    let rows = ledger.read(|rows| rows.result_summaries(id, subject, true));
    if run.finished_at == 0 {
        context.console.warn(format_args!(
            "the run {id} is not finished; what it has is compared ({})",
            pluralize(rows.len(), "result")
        ));
    }
    Ok(Baseline {
        subject: subject.clone(),
        origin: BaselineOrigin::Run(id.to_owned()),
        cases: group_by_case(&rows),
    })
}

/// Rows of the ledger, case by case.
pub(super) fn group_by_case(rows: &[ResultSummaryRow]) -> Vec<CaseOutcomes> {
    let mut all: Vec<CaseOutcomes> = Vec::new();
    let mut places: HashMap<(&str, Digest), usize> = HashMap::new();
    for row in rows {
        let read = Verdict::from_name(&row.verdict).zip(row.case_digest.parse().ok());
        let Some((verdict, digest)) = read else { continue };
        let place = *places.entry((&row.case_id, digest)).or_insert_with(|| {
            all.push(CaseOutcomes { case_id: row.case_id.as_str().into(), digest, outcomes: Vec::new() });
            all.len() - 1
        });
        all[place].outcomes.push(RepeatOutcome { verdict, score: row.score });
    }
    all
}

/// How each of the other subjects stands to the baseline, where there is one; where there are no others, how it stands to
/// itself.
pub(super) fn compare_with_baseline(
    context: &CommandContext,
    prepared: &PreparedRun,
    run: &str,
    results: &[SubjectResults],
) -> Vec<BaselineComparison> {
    let Some(against) = &prepared.spec.baseline else { return Vec::new() };
    let own = against.subject_in_run();
    let is_alone = prepared.subjects.iter().all(|subject| own == Some(&*subject.name));
    let is_other = |subject: &EvalSubject| is_alone || own != Some(&*subject.name);
    let challengers = prepared.subjects.iter().filter(|subject| is_other(subject)).count();
    let measured = |name: &str| {
        let at = prepared.subjects.iter().position(|subject| subject.name == name)?;
        let heads = prepared.case_metadata_for(prepared.subjects.get(at)?);
        let answered = CaseOutcomes::group_by_case(&heads, &results.get(at)?.stats);
        Some(Baseline { subject: name.to_owned(), origin: BaselineOrigin::SameRun, cases: answered })
    };
    let baseline = match against {
        BaselineSource::Subject(name) => measured(name),
        BaselineSource::Saved(baseline) => Some(baseline.clone()),
        BaselineSource::History => return drift::compare_with_history(context, prepared, run, results),
    };
    let Some(baseline) = baseline else { return Vec::new() };
    let subjects = prepared.subjects.iter().zip(results).filter(|(subject, _)| is_other(subject));
    subjects
        .map(|(subject, results)| {
            let heads = prepared.case_metadata_for(subject);
            let terms = ComparisonContext {
                cases: &heads,
                is_whole_set: prepared.is_whole_set,
                min_pass: prepared.min_pass,
                gate: &prepared.gate,
                challengers,
            };
            terms.compare(&baseline, &subject.name, &CaseOutcomes::group_by_case(&heads, &results.stats))
        })
        .collect()
}

/// Why a baseline was not written, in words.
#[derive(Debug)]
pub(super) enum SaveBaselineError {
    /// It would be none to compare with.
    Rejected(String),
    /// The file cannot be written.
    WriteFailed(String),
}

/// Keeps what a later gate compares with, where that is asked for: of a run that was measured soundly, and did not just fail
/// against a baseline, or the next one would be held to less.
pub(super) fn save_baseline(
    context: &CommandContext,
    args: &EvalArgs,
    prepared: &PreparedRun,
    run: &FinishedRun,
) -> Result<(), SaveBaselineError> {
    let Some(path) = &args.gate.save_baseline else { return Ok(()) };
    let name = path.display();
    if !run.gate.inconclusive.is_empty() {
        let why = format!("{name} was not written: too much of the run could not be scored");
        return Err(SaveBaselineError::Rejected(why));
    }
    let own = prepared.spec.baseline.as_ref().and_then(BaselineSource::subject_in_run);
    if prepared.spec.baseline.is_some() && !run.gate.is_passed() {
        let why = format!("{name} was not written: the gate against the baseline failed");
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
        .map_err(|error| SaveBaselineError::WriteFailed(format!("{name} cannot be written: {error}")))
}
