//! Which run is gone on with.

use super::baseline::LEDGER_HINT;
use super::run_spec::CaseSelection;
use super::{BaselineSource, CommandContext, CommandError, RunSpec};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::eval::GoldenSet;
use crate::ledger::RunRow;

/// At most so many runs are listed.
const MAX_LISTED_RUNS: usize = 5;

/// The path by which the ledger knows a set.
pub(super) fn canonical_set_path(set: &GoldenSet) -> String {
    let path = std::fs::canonicalize(&set.path).unwrap_or_else(|_| (&set.path).into());
    path.to_string_lossy().into_owned()
}

/// Finds the run to go on with, and has what it was begun with in place of what was typed.
pub(super) fn find_resumable_run(
    context: &CommandContext,
    args: &EvalArgs,
    id: &str,
    set: &GoldenSet,
    choice: &mut RunSpec,
) -> Result<RunRow, CommandError> {
    let health = context.open_health();
    let ledger = health.ledger();
    let path = canonical_set_path(set);
    let (unfinished, named) = ledger.read(|rows| Ok((rows.unfinished_runs(&path)?, rows.run(id)?)));
    if let Some(trouble) = context.take_ledger_error() {
        return Err(
            CommandError::usage(format!("no run can be gone on with: {trouble}")).with_hint(LEDGER_HINT)
        );
    }
    let same = |run: &RunRow| run_subjects(run) == choice.subjects;
    let list = || {
        let line = |run: &RunRow| {
            let begun = jiff::Timestamp::from_millisecond(run.started_at).unwrap_or_default();
            let scored = ledger.read(|rows| rows.count_scored_results(&run.id));
            let subjects = run_subjects(run).join(", ");
            format!("\n  {} begun {begun:.0}, {}, of {subjects}", run.id, pluralize(scored, "result"))
        };
        match unfinished.as_slice() {
            [] => format!("every run of {} is finished; leave out --resume to begin one", set.path),
            runs => {
                let lines: String = runs.iter().take(MAX_LISTED_RUNS).map(line).collect();
                format!("its unfinished runs, to be named behind --resume, are{lines}")
            }
        }
    };
    let wrong = |message: String| Err(CommandError::usage(message).with_hint(list()));
    let run = match (id, named) {
        ("", _) => match unfinished.iter().find(|run| same(run)) {
            Some(run) => run.clone(),
            None => {
                let subjects = choice.subjects.join(", ");
                return wrong(format!("{} has no unfinished run of {subjects}", set.path));
            }
        },
        (id, None) => return wrong(format!("there is no run {id}")),
        (id, Some(run)) if run.set_path != path => {
            return wrong(format!("the run {id} is one of {}, not of {}", run.set_path, set.path));
        }
        (id, Some(run)) if run.finished_at > 0 => {
            return wrong(format!("the run {id} is finished: each of its cases has its result"));
        }
        (id, Some(run)) if !args.models.is_empty() && !same(&run) => {
            return wrong(format!("the run {id} is one of {}", run_subjects(&run).join(", ")));
        }
        (_, Some(run)) => run,
    };
    let Ok(selection) = serde_json::from_str::<CaseSelection>(&run.options) else {
        return wrong(format!("the run {} was begun by another version of slalom", run.id));
    };
    if let Some(flag) = selection.conflicting_flag(args) {
        let message = format!("the run {} was begun with another {flag}", run.id);
        return Err(
            CommandError::usage(message).with_hint(format!("leave out {flag}: the run goes on as it began"))
        );
    }
    let own = choice.baseline.as_ref().and_then(BaselineSource::subject_in_run);
    if let Some(own) = own.filter(|own| !run_subjects(&run).iter().any(|subject| subject == own)) {
        return wrong(format!("the run {} has no subject {own} to compare with", run.id));
    }
    choice.has_set_subjects &= run_subjects(&run) == choice.subjects;
    choice.subjects = run_subjects(&run);
    choice.selection = selection;
    Ok(run)
}

fn run_subjects(run: &RunRow) -> Vec<String> {
    serde_json::from_str(&run.subjects).unwrap_or_default()
}
