//! Events of a call, in words.

use super::reasons::{describe_adjustment, describe_budget_exceeded, describe_limit, describe_skip};
use crate::eval::RunEvent;
use crate::route::{BudgetWarning, CallEvent};

/// The message for an event that the user should see; `None` for a piece of the answer.
pub(crate) fn describe_call_event(event: &CallEvent<'_>) -> Option<String> {
    Some(match event {
        CallEvent::Stream(_) => return None,
        CallEvent::AttemptFailed { model, failure } => format!("{model}: {failure}"),
        CallEvent::LastResort { model, skip, wait } => {
            let when = match wait.is_zero() {
                true => "now".to_owned(),
                false => format!("in {:.1} s", wait.as_secs_f64()),
            };
            let skip = describe_skip(skip);
            format!("{model}: {skip}; trying it {when} because no alternative is ready")
        }
        CallEvent::Skipped { model, skip } => format!("skipping {model}: {}", describe_skip(skip)),
        CallEvent::RequestAdjusted { model, adjustment } => {
            format!("{model}: {}", describe_adjustment(*adjustment))
        }
        CallEvent::WaitingToRetry { model, wait } => {
            format!("waiting {:.0} s before the next attempt at {model}", wait.as_secs_f64())
        }
        CallEvent::WaitingForLimit { model, full } => {
            format!("waiting for {model}: {}", describe_limit(full))
        }
        CallEvent::AnswerRestarted { model } => {
            format!("the stream from {model} broke; restarting the answer")
        }
        CallEvent::BreakerOpened(opened) => {
            let seconds = opened.duration.as_secs_f64();
            format!(
                "circuit breaker for {} opened ({}); skipping it for {seconds:.0} s",
                opened.model, opened.class
            )
        }
        CallEvent::BudgetWarning(BudgetWarning::Exceeded(exceeded)) => {
            let exceeded = describe_budget_exceeded(exceeded);
            format!("{exceeded}; calling anyway (`on_exceeded: warn`)")
        }
        CallEvent::BudgetWarning(BudgetWarning::PriceUnknown(model)) => format!(
            "calls to {model} do not count toward the budget: unknown price; set it under `models:` in routes.yaml"
        ),
    })
}

/// The message for an event of a run that the user should see; `None` if it concerns only one case.
pub(crate) fn describe_run_event(event: &RunEvent<'_>) -> Option<String> {
    match event {
        RunEvent::Call(event @ (CallEvent::BreakerOpened(_) | CallEvent::BudgetWarning(_))) => {
            describe_call_event(event)
        }
        RunEvent::Call(_) | RunEvent::Result { .. } => None,
        RunEvent::RateLimited { model, failure } => {
            Some(format!("{model} is rate limited ({failure}); queuing its cases and reducing concurrency"))
        }
        RunEvent::CasesLost { subject } => Some(format!(
            "{subject}: cannot read some cases back from the temporary folder, so they have no result; use --resume to run them"
        )),
    }
}
