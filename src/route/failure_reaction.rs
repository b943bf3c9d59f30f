//! The reaction to each failure class: the table in docs/architecture.md.

use std::time::Duration;

use super::health_signal::HealthSignal;
use super::policy::{RoutePolicy, StopOrContinue};
use crate::chat::FailureClass;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FailureReaction {
    /// Whether the same candidate may be tried again.
    pub can_retry: bool,
    pub can_fail_over: bool,
    pub cooldown: Cooldown,
    pub health_signal: HealthSignal,
}

/// What not to call after a failure, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cooldown {
    None,
    /// Every model behind this key.
    Key(Duration),
    /// This model behind this key.
    Model(Duration),
}

const MINUTE: Duration = Duration::from_secs(60);

/// The reaction to a class under a policy. `is_retired` means that the provider reported the model as
/// permanently removed.
pub(crate) fn reaction_to(class: FailureClass, policy: &RoutePolicy, is_retired: bool) -> FailureReaction {
    let continues = |choice: StopOrContinue| choice == StopOrContinue::Continue;
    let (retry, fail_over, cooldown) = match class {
        FailureClass::Unreachable
        | FailureClass::ServerError
        | FailureClass::RateLimited
        | FailureClass::Malformed
        | FailureClass::Truncated
        | FailureClass::Empty => (true, true, Cooldown::None),
        // Another attempt would use up the rest of the deadline, or overflow the context window again.
        FailureClass::Timeout | FailureClass::ContextOverflow => (false, true, Cooldown::None),
        FailureClass::QuotaExhausted => (false, true, Cooldown::Key(15 * MINUTE)),
        FailureClass::Auth => (false, true, Cooldown::Key(5 * MINUTE)),
        FailureClass::ModelUnavailable => {
            (false, true, Cooldown::Model(if is_retired { 24 * 60 * MINUTE } else { 10 * MINUTE }))
        }
        FailureClass::ContentPolicy => (false, continues(policy.on_content_policy), Cooldown::None),
        // Trying every candidate with a malformed request wastes money.
        FailureClass::BadRequest => (false, continues(policy.on_bad_request), Cooldown::None),
        FailureClass::Cancelled => (false, false, Cooldown::None),
        FailureClass::Unknown => (false, continues(policy.on_unknown), Cooldown::None),
    };
    FailureReaction {
        can_retry: retry,
        can_fail_over: fail_over,
        cooldown,
        health_signal: health_signal(class),
    }
}

fn health_signal(class: FailureClass) -> HealthSignal {
    match class {
        FailureClass::Unreachable
        | FailureClass::ServerError
        | FailureClass::Timeout
        | FailureClass::Malformed
        | FailureClass::Truncated => HealthSignal::Failure(1.0),
        FailureClass::Empty | FailureClass::Unknown => HealthSignal::Failure(0.5),
        FailureClass::RateLimited => HealthSignal::Throttled,
        // The cause is the key or the request, not the model.
        FailureClass::QuotaExhausted
        | FailureClass::Auth
        | FailureClass::ModelUnavailable
        | FailureClass::ContextOverflow
        | FailureClass::ContentPolicy
        | FailureClass::BadRequest
        | FailureClass::Cancelled => HealthSignal::Neutral,
    }
}
