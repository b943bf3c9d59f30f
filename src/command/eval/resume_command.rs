//! The command that completes a run, and the limits that would stop it again.

use super::PreparedRun;
use super::finished_run::FinishedRun;
use crate::cli::EvalArgs;
use crate::eval::{LimitHit, RunStopReason};
use crate::view::EffectiveLimit;

/// The command that resumes a run: the original command line with the run's ID, so that the gate stays the
/// same.
pub(super) fn resume_command_line(args: &EvalArgs, prepared: &PreparedRun, run: &FinishedRun) -> String {
    let set_path = &prepared.set.path;
    let is_set = |argument: &str| args.sets.iter().any(|set| set.to_string_lossy() == argument);
    let mut arguments =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).peekable();
    let mut command = vec!["slalom".to_owned()];
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "eval" if !command.contains(set_path) => {
                command.extend([argument, set_path.clone(), "--resume".to_owned(), run.id.clone()]);
            }
            // The original command may itself have been a resume, with or without an ID.
            "--resume" => drop(arguments.next_if(|next| ulid::Ulid::from_string(next).is_ok())),
            argument if argument.starts_with("--resume=") || is_set(argument) => {}
            _ => command.push(argument),
        }
    }
    shell_words::join(command)
}

/// The limits of the command line that left results of this run missing. They stay in the printed command,
/// because a command without them could cost more than the user allowed.
pub(super) fn limits_to_raise<'a>(
    args: &'a EvalArgs,
    run: &FinishedRun,
    stop_reason: Option<RunStopReason>,
) -> Vec<EffectiveLimit<'a>> {
    let has_hit = |limit| run.results.iter().any(|results| results.count_limit_hits(limit) > 0);
    let max_cost = args.max_cost.as_deref().filter(|_| has_hit(LimitHit::Cost));
    let timeout = args.timeout.as_deref().filter(|_| has_hit(LimitHit::Time));
    let max_errors = args.max_errors.filter(|_| matches!(stop_reason, Some(RunStopReason::TooManyErrors(_))));
    let limits = [
        max_cost.map(EffectiveLimit::MaxCost),
        timeout.map(EffectiveLimit::Timeout),
        max_errors.map(EffectiveLimit::MaxErrors),
    ];
    limits.into_iter().flatten().collect()
}
