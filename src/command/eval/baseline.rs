//! What the other subjects are compared with.

use std::collections::HashMap;
use std::path::Path;

use super::execute::Finished;
use super::{CommandError, Context, Prepared, drift};
use crate::chat::counted;
use crate::cli::EvalArgs;
use crate::config::{SavedSubject, baseline_text, load_baseline};
use crate::eval::statistics::{Outcome, Quorum};
use crate::eval::{
    Answered, Baseline, CaseHead, Comparison, Digest, Match, Origin, Pairing, Results, Set, Subject, Summary,
    Verdict,
};
use crate::ledger::OutcomeRow;
use crate::view::{Form, replace_file};

/// Where earlier runs are.
pub(super) const LEDGER: &str =
    "the ledger is the file that --ledger or $SLALOM_LEDGER names, else ledger.db in the state folder";

/// What the other subjects are compared with.
#[derive(Clone, Debug)]
pub(super) enum Against {
    /// A subject of the same run.
    Subject(String),
    /// Answers that are there already.
    Kept(Baseline),
    /// How each of them did in earlier runs.
    History,
}

impl Against {
    /// What was typed behind `--baseline`: a file of JSON, a run by its id, else a model or route.
    pub(super) fn typed(context: &Context, text: &str, set: &Set) -> Result<Self, CommandError> {
        let (first, subject) = match text.split_once(':') {
            Some((first, subject)) => (first, Some(subject)),
            None => (text, None),
        };
        let is_file = |name: &str| {
            Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        };
        if is_file(text) {
            Ok(Self::Kept(load_baseline(Path::new(text), None)?))
        } else if is_file(first) {
            Ok(Self::Kept(load_baseline(Path::new(first), subject)?))
        } else if ulid::Ulid::from_string(first).is_ok() {
            of_run(context, first, subject).map(Self::Kept)
        } else if Form::of(Path::new(text)).is_some() || text.starts_with(['.', '/', '~']) {
            Err(CommandError::usage(format!(
                "{text} is no baseline: that is a .json file, a run's id, a model or a route"
            ))
            .hint("`slalom eval SET --save-baseline FILE.json` writes one"))
        } else {
            let mut names = set.subjects(text).map_err(CommandError::usage)?;
            match (names.pop(), names.is_empty()) {
                (Some(name), true) => Ok(Self::Subject(name)),
                (last, _) => {
                    names.extend(last);
                    let message =
                        format!("{} asks {text} by several prompts, and a baseline is one of them", set.path);
                    Err(CommandError::usage(message).hint(format!("name {}", names.join(" or "))))
                }
            }
        }
    }

    /// What the ledger has of earlier runs.
    pub(super) fn history(context: &Context) -> Result<Self, CommandError> {
        // It is opened by being asked for something.
        context.health().ledger().read(|rows| rows.run(""));
        match context.ledger_trouble() {
            None => Ok(Self::History),
            Some(trouble) => {
                Err(CommandError::usage(format!("--drift has no earlier runs: {trouble}")).hint(LEDGER))
            }
        }
    }

    /// The subject of the run that it is, if it is one.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::Subject(name) => Some(name),
            Self::Kept(_) | Self::History => None,
        }
    }

    /// Whether there is anything to compare, before anything is paid for.
    pub(super) fn check(
        &self,
        set: &Set,
        cases: &[CaseHead],
        min_pass: Option<Quorum>,
    ) -> Result<(), CommandError> {
        let Self::Kept(baseline) = self else { return Ok(()) };
        let pairing = Pairing::of(cases, baseline);
        let asked = |own: &Answered| u32::try_from(own.outcomes.len()).unwrap_or(u32::MAX);
        let odd = |of: u32| pairing.pairs.iter().find(move |(_, own)| asked(own) != of);
        if let Some((quorum, (case, own))) = min_pass.and_then(|quorum| Some((quorum, odd(quorum.of)?))) {
            return Err(CommandError::usage(format!(
                "{}: with min_pass, a case has to have as many answers on both sides; the baseline has {} to case `{}`, \
                 and {} are asked for",
                set.path,
                asked(own),
                case.id,
                quorum.of
            ))
            .hint("measure the baseline with the same --repeat and --min-pass"));
        }
        if pairing.pairs.is_empty() {
            return Err(CommandError::usage(format!(
                "{}: the baseline has none of the {}: another set, or every prompt, reference or assertion changed",
                set.path,
                counted(cases.len(), "case")
            ))
            .hint("measure the baseline anew: name its model behind --baseline, or write it with --save-baseline"));
        }
        Ok(())
    }
}

/// The results of one subject of an earlier run.
fn of_run(context: &Context, id: &str, subject: Option<&str>) -> Result<Baseline, CommandError> {
    let health = context.health();
    let ledger = health.ledger();
    let run = ledger.read(|rows| rows.run(id));
    if let Some(trouble) = context.ledger_trouble() {
        let message = format!("no earlier run can be compared with: {trouble}");
        return Err(CommandError::usage(message).hint(LEDGER));
    }
    let hint = "the first line that `slalom eval SET` prints has the id of its run";
    let run = run.ok_or_else(|| CommandError::usage(format!("there is no run {id}")).hint(hint))?;
    let subjects: Vec<String> = serde_json::from_str(&run.subjects).unwrap_or_default();
    let list = subjects.join(", ");
    let subject = match (subject, subjects.as_slice()) {
        (None, [only]) => only,
        (Some(name), _) => subjects.iter().find(|subject| *subject == name).ok_or_else(|| {
            let message = format!("the run {id} has no subject `{name}`");
            CommandError::usage(message).hint(format!("its subjects are {list}"))
        })?,
        (None, _) => {
            return Err(CommandError::usage(format!("the run {id} has several subjects"))
                .hint(format!("name one as {id}:SUBJECT; its subjects are {list}")));
        }
    };
    let rows = ledger.read(|rows| rows.outcomes(id, subject, true));
    if run.finished == 0 {
        context.console.warn(format_args!(
            "the run {id} is not finished; what it has is compared ({})",
            counted(rows.len(), "result")
        ));
    }
    Ok(Baseline { subject: subject.clone(), origin: Origin::Run(id.to_owned()), answered: answered(&rows) })
}

/// Rows of the ledger, case by case.
pub(super) fn answered(rows: &[OutcomeRow]) -> Vec<Answered> {
    let mut all: Vec<Answered> = Vec::new();
    let mut places: HashMap<(&str, Digest), usize> = HashMap::new();
    for row in rows {
        let read = Verdict::named(&row.verdict).zip(row.case_digest.parse().ok());
        let Some((verdict, digest)) = read else { continue };
        let place = *places.entry((&row.case_id, digest)).or_insert_with(|| {
            all.push(Answered { case: row.case_id.as_str().into(), digest, outcomes: Vec::new() });
            all.len() - 1
        });
        all[place].outcomes.push(Outcome { verdict, score: row.score });
    }
    all
}

/// How each of the other subjects stands to the baseline, where there is one; where there are no others, how it stands to
/// itself.
pub(super) fn compare(
    context: &Context,
    prepared: &Prepared,
    run: &str,
    results: &[Results],
) -> Vec<Comparison> {
    let Some(against) = &prepared.choice.against else { return Vec::new() };
    let own = against.subject();
    let is_alone = prepared.subjects.iter().all(|subject| own == Some(&*subject.name));
    let is_other = |subject: &Subject| is_alone || own != Some(&*subject.name);
    let challengers = prepared.subjects.iter().filter(|subject| is_other(subject)).count();
    let measured = |name: &str| {
        let at = prepared.subjects.iter().position(|subject| subject.name == name)?;
        let heads = prepared.heads_of(prepared.subjects.get(at)?);
        let answered = Answered::cases_of(&heads, &results.get(at)?.figures);
        Some(Baseline { subject: name.to_owned(), origin: Origin::Here, answered })
    };
    let baseline = match against {
        Against::Subject(name) => measured(name),
        Against::Kept(baseline) => Some(baseline.clone()),
        Against::History => return drift::compare(context, prepared, run, results),
    };
    let Some(baseline) = baseline else { return Vec::new() };
    let subjects = prepared.subjects.iter().zip(results).filter(|(subject, _)| is_other(subject));
    subjects
        .map(|(subject, results)| {
            let heads = prepared.heads_of(subject);
            let terms = Match {
                cases: &heads,
                is_whole_set: prepared.is_whole_set,
                min_pass: prepared.min_pass,
                gate: &prepared.gate,
                challengers,
            };
            terms.compare(&baseline, &subject.name, &Answered::cases_of(&heads, &results.figures))
        })
        .collect()
}

/// Why a baseline was not written, in words.
#[derive(Debug)]
pub(super) enum NotSaved {
    /// It would be none to compare with.
    Unfit(String),
    /// The file cannot be written.
    Unwritten(String),
}

/// Keeps what a later gate compares with, where that is asked for: of a run that was measured soundly, and did not just fail
/// against a baseline, or the next one would be held to less.
pub(super) fn save(
    context: &Context,
    args: &EvalArgs,
    prepared: &Prepared,
    run: &Finished,
) -> Result<(), NotSaved> {
    let Some(path) = &args.gate.save_baseline else { return Ok(()) };
    let name = path.display();
    if !run.gate.unsound.is_empty() {
        let why = format!("{name} was not written: too much of the run could not be scored");
        return Err(NotSaved::Unfit(why));
    }
    let own = prepared.choice.against.as_ref().and_then(Against::subject);
    if prepared.choice.against.is_some() && !run.gate.passed() {
        let why = format!("{name} was not written: the gate against the baseline failed");
        return Err(NotSaved::Unfit(why));
    }
    let all = prepared.subjects.iter().zip(&run.summaries).zip(&run.results);
    let is_saved = |summary: &Summary| run.summaries.len() == 1 || own != Some(&*summary.subject);
    let answered: Vec<(&Summary, &Results, Vec<Answered>)> = all
        .filter(|((_, summary), _)| is_saved(summary))
        .map(|((subject, summary), results)| {
            (summary, results, Answered::cases_of(&prepared.heads_of(subject), &results.figures))
        })
        .collect();
    let subjects: Vec<SavedSubject<'_>> = answered
        .iter()
        .map(|(summary, results, answered)| SavedSubject { summary, served_by: results.served(), answered })
        .collect();
    let saved = jiff::Timestamp::from_millisecond(context.health().now()).unwrap_or_default();
    let set = (prepared.set.name.as_str(), prepared.set.digest.as_str());
    let text = baseline_text(set, &format!("{saved:.0}"), &subjects).map_err(std::io::Error::from);
    text.and_then(|text| replace_file(path, |out| out.write_all(text.as_bytes())))
        .map_err(|error| NotSaved::Unwritten(format!("{name} cannot be written: {error}")))
}
