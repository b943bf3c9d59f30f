//! Which run is gone on with.

use super::baseline::LEDGER;
use super::choice::Selection;
use super::{Against, Choice, CommandError, Context};
use crate::chat::counted;
use crate::cli::EvalArgs;
use crate::eval::Set;
use crate::ledger::RunRow;

/// At most so many runs are listed.
const LISTED: usize = 5;

/// The path by which the ledger knows a set.
pub(super) fn path_of(set: &Set) -> String {
    let path = std::fs::canonicalize(&set.path).unwrap_or_else(|_| (&set.path).into());
    path.to_string_lossy().into_owned()
}

/// Finds the run to go on with, and has what it was begun with in place of what was typed.
pub(super) fn find(
    context: &Context,
    args: &EvalArgs,
    id: &str,
    set: &Set,
    choice: &mut Choice,
) -> Result<RunRow, CommandError> {
    let health = context.health();
    let ledger = health.ledger();
    let path = path_of(set);
    let (unfinished, named) = ledger.read(|rows| Ok((rows.unfinished_runs(&path)?, rows.run(id)?)));
    if let Some(trouble) = context.ledger_trouble() {
        return Err(CommandError::usage(format!("no run can be gone on with: {trouble}")).hint(LEDGER));
    }
    let same = |run: &RunRow| subjects_of(run) == choice.subjects;
    let list = || {
        let line = |run: &RunRow| {
            let begun = jiff::Timestamp::from_millisecond(run.begun).unwrap_or_default();
            let scored = ledger.read(|rows| rows.scored_results(&run.id));
            let subjects = subjects_of(run).join(", ");
            format!("\n  {} begun {begun:.0}, {}, of {subjects}", run.id, counted(scored, "result"))
        };
        match unfinished.as_slice() {
            [] => format!("every run of {} is finished; leave out --resume to begin one", set.path),
            runs => {
                let lines: String = runs.iter().take(LISTED).map(line).collect();
                format!("its unfinished runs, to be named behind --resume, are{lines}")
            }
        }
    };
    let wrong = |message: String| Err(CommandError::usage(message).hint(list()));
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
        (id, Some(run)) if run.finished > 0 => {
            return wrong(format!("the run {id} is finished: each of its cases has its result"));
        }
        (id, Some(run)) if !args.models.is_empty() && !same(&run) => {
            return wrong(format!("the run {id} is one of {}", subjects_of(&run).join(", ")));
        }
        (_, Some(run)) => run,
    };
    let Ok(selection) = serde_json::from_str::<Selection>(&run.options) else {
        return wrong(format!("the run {} was begun by another version of slalom", run.id));
    };
    if let Some(flag) = selection.contradicted_by(args) {
        let message = format!("the run {} was begun with another {flag}", run.id);
        return Err(
            CommandError::usage(message).hint(format!("leave out {flag}: the run goes on as it began"))
        );
    }
    let own = choice.against.as_ref().and_then(Against::subject);
    if let Some(own) = own.filter(|own| !subjects_of(&run).iter().any(|subject| subject == own)) {
        return wrong(format!("the run {} has no subject {own} to compare with", run.id));
    }
    choice.of_set &= subjects_of(&run) == choice.subjects;
    choice.subjects = subjects_of(&run);
    choice.selection = selection;
    Ok(run)
}

fn subjects_of(run: &RunRow) -> Vec<String> {
    serde_json::from_str(&run.subjects).unwrap_or_default()
}
