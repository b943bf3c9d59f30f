//! Finds the run that `--resume` continues.

use super::history::{LEDGER_HINT, canonical_set_path, read_or_ledger_error, run_subjects};
use super::saved_options::SavedRunOptions;
use super::{BaselineSource, CommandContext, CommandError, RunSpec};
use crate::chat::pluralize;
use crate::cli::EvalArgs;
use crate::eval::GoldenSet;
use crate::eval::store::RunRow;

const MAX_LISTED_RUNS: usize = 5;

/// Finds the run to resume and replaces the options of `spec` with those it was started with.
pub(super) fn find_resumable_run(
    context: &CommandContext,
    args: &EvalArgs,
    id: &str,
    set: &GoldenSet,
    spec: &mut RunSpec,
) -> Result<RunRow, CommandError> {
    let (store, path) = (context.open_run_store(), canonical_set_path(set));
    let read = store.unfinished_runs(&path).and_then(|unfinished| Ok((unfinished, store.run(id)?)));
    let (unfinished, named) = read_or_ledger_error(context, read)
        .map_err(|error| CommandError::usage(format!("cannot resume: {error}")).with_hint(LEDGER_HINT))?;
    let same = |run: &RunRow| run_subjects(run).as_ref() == Some(&spec.subjects);
    let list = || {
        let line = |run: &RunRow| {
            let started = jiff::Timestamp::from_millisecond(run.started_at)
                .map_or_else(|_| "at an unknown time".to_owned(), |started| format!("{started:.0}"));
            let results = match store.count_scored_results(&run.id) {
                Ok(scored) => pluralize(scored, "result"),
                Err(_) => "unknown number of results".to_owned(),
            };
            format!("\n  {} started {started}, {results}, subjects: {}", run.id, describe_subjects(run))
        };
        match unfinished.as_slice() {
            [] if id.is_empty() => "drop --resume to start a new run".to_owned(),
            [] => format!("drop --resume to start a new run ({} has no unfinished run)", set.path),
            runs => {
                let lines: String = runs.iter().take(MAX_LISTED_RUNS).map(line).collect();
                format!("pass the ID of an unfinished run to --resume:{lines}")
            }
        }
    };
    let reject = |message: String| Err(CommandError::usage(message).with_hint(list()));
    let run = match (id, named) {
        ("", _) => match unfinished.iter().find(|run| same(run)) {
            Some(run) => run.clone(),
            None => {
                let subjects = spec.subjects.join(", ");
                return reject(format!("cannot resume: {} has no unfinished run of {subjects}", set.path));
            }
        },
        (id, None) => return reject(format!("unknown run `{id}`")),
        (id, Some(run)) if run.set_path != path => {
            return reject(format!("run {id} belongs to {}, not to {}", run.set_path, set.path));
        }
        (id, Some(run)) if run.finished_at > 0 => {
            return reject(format!("run {id} is already complete"));
        }
        (id, Some(run)) if !args.models.is_empty() && !same(&run) => {
            return reject(format!("run {id} has other subjects: {}", describe_subjects(&run)));
        }
        (_, Some(run)) => run,
    };
    let options = serde_json::from_str::<SavedRunOptions>(&run.options).ok();
    let Some((options, subjects)) = options.zip(run_subjects(&run)) else {
        return reject(format!("cannot resume run {}: it was started by another version of slalom", run.id));
    };
    if let Some(flag) = options.conflicting_flag(args) {
        let message = format!("cannot resume run {}: it was started with a different {flag}", run.id);
        return Err(CommandError::usage(message)
            .with_hint(format!("remove {flag}: a resumed run keeps its original options")));
    }
    let baseline = spec.baseline.as_ref().and_then(BaselineSource::subject_in_run);
    if let Some(baseline) = baseline.filter(|baseline| !subjects.iter().any(|subject| subject == baseline)) {
        return reject(format!("run {} has no subject {baseline} to compare with", run.id));
    }
    spec.has_set_subjects &= subjects == spec.subjects;
    spec.subjects = subjects;
    options.apply_to(spec);
    Ok(run)
}

fn describe_subjects(run: &RunRow) -> String {
    run_subjects(run).map_or_else(|| "unknown".to_owned(), |subjects| subjects.join(", "))
}
