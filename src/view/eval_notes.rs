//! Notes and warnings after an eval: why it stopped, and how to complete it.

use std::path::Path;

use super::format::pluralize;
use super::reasons::describe_budget_exceeded;
use crate::eval::RunStopReason;
use crate::route::BudgetExceeded;

/// A limit on the command line that left results missing, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectiveLimit<'a> {
    MaxCost(&'a str),
    Timeout(&'a str),
    MaxErrors(u64),
}

impl EffectiveLimit<'_> {
    fn describe(self) -> String {
        match self {
            Self::MaxCost(value) => format!("--max-cost {value}"),
            Self::Timeout(value) => format!("--timeout {value}"),
            Self::MaxErrors(value) => format!("--max-errors {value}"),
        }
    }
}

pub(crate) fn stop_warning(reason: RunStopReason) -> String {
    match reason {
        RunStopReason::Interrupted => "interrupted; completed results are saved".to_owned(),
        RunStopReason::TooManyErrors(errors) => {
            format!("stopped by --max-errors after {}", pluralize(errors, "error"))
        }
    }
}

/// Why results must not serve as a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaselineRejection {
    TooManyUnscored,
    /// The gate failed against another baseline, so saving the results would lower the bar.
    GateFailed,
}

pub(crate) fn baseline_rejection_warning(path: &Path, rejection: BaselineRejection) -> String {
    let why = match rejection {
        BaselineRejection::TooManyUnscored => "too many cases are unscored",
        BaselineRejection::GateFailed => "the gate failed against the baseline",
    };
    format!("{} was not written: {why}", path.display())
}

/// `stopped` of `all` cases were not completed because of the cost limit.
pub(crate) fn cost_limit_warning(stopped: usize, all: usize, last: &BudgetExceeded) -> String {
    let were = if stopped == 1 { "was" } else { "were" };
    let last = describe_budget_exceeded(last);
    format!("{stopped} of {} {were} not completed: {last}", pluralize(all, "case"))
}

/// How to complete a run. The command repeats the limits of the run, so they must be raised first.
pub(crate) fn missing_results_note(missing: usize, limits: &[EffectiveLimit<'_>], command: &str) -> String {
    let missing = pluralize(missing, "result");
    if limits.is_empty() {
        return format!("{missing} missing; to complete the run: {command}");
    }
    let flags: Vec<String> = limits.iter().map(|limit| limit.describe()).collect();
    format!("{missing} missing; to complete the run, raise {}, then run: {command}", flags.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_results_note_names_the_limits_to_raise() {
        assert_eq!(missing_results_note(1, &[], "CMD"), "1 result missing; to complete the run: CMD");
        assert_eq!(
            missing_results_note(2, &[EffectiveLimit::MaxCost("$0.01")], "CMD"),
            "2 results missing; to complete the run, raise --max-cost $0.01, then run: CMD"
        );
        let two = [EffectiveLimit::Timeout("1s"), EffectiveLimit::MaxErrors(3)];
        assert_eq!(
            missing_results_note(2, &two, "CMD"),
            "2 results missing; to complete the run, raise --timeout 1s and --max-errors 3, then run: CMD"
        );
    }
}
