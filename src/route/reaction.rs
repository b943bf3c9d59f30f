//! What a class of failure leads to. The table of docs/architecture.md, in code.

use std::time::Duration;

use super::{HealthSignal, RoutePolicy, StopOrContinue};
use crate::chat::FailureClass;

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailureReaction {
    /// Whether the same candidate may be tried again.
    pub can_retry: bool,
    /// Whether the next candidate may be tried.
    pub can_fail_over: bool,
    /// What the failure says about the days to come.
    pub cooldown: Cooldown,
    /// What it says of the model's health.
    pub health_signal: HealthSignal,
}

/// For how long a failure speaks against whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cooldown {
    /// Against nobody.
    None,
    /// Against every model behind this key.
    Key(Duration),
    /// Against this model behind this key.
    Model(Duration),
}

const MINUTE: Duration = Duration::from_secs(60);

/// The reaction to a class under a policy. `gone` says that the provider named the model as gone for good.
pub fn reaction_to(class: FailureClass, policy: &RoutePolicy, gone: bool) -> FailureReaction {
    let goes_on = |choice: StopOrContinue| choice == StopOrContinue::Continue;
    let (retry, fail_over, block) = match class {
        FailureClass::Unreachable
        | FailureClass::ServerError
        | FailureClass::RateLimited
        | FailureClass::Malformed
        | FailureClass::Truncated
        | FailureClass::Empty => (true, true, Cooldown::None),
        // A model that let its timer run out once would only use up the rest of the deadline; a prompt that
        // overflowed its window does so again.
        FailureClass::Timeout | FailureClass::ContextOverflow => (false, true, Cooldown::None),
        FailureClass::QuotaExhausted => (false, true, Cooldown::Key(15 * MINUTE)),
        FailureClass::Auth => (false, true, Cooldown::Key(5 * MINUTE)),
        FailureClass::ModelUnavailable => {
            (false, true, Cooldown::Model(if gone { 24 * 60 * MINUTE } else { 10 * MINUTE }))
        }
        FailureClass::ContentPolicy => (false, goes_on(policy.on_content_policy), Cooldown::None),
        // Burning the chain on a malformed request wastes money.
        FailureClass::BadRequest => (false, goes_on(policy.on_bad_request), Cooldown::None),
        FailureClass::Cancelled => (false, false, Cooldown::None),
        FailureClass::Unknown => (false, goes_on(policy.on_unknown), Cooldown::None),
    };
    FailureReaction {
        can_retry: retry,
        can_fail_over: fail_over,
        cooldown: block,
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
        // The key's or the request's fault, not the model's.
        FailureClass::QuotaExhausted
        | FailureClass::Auth
        | FailureClass::ModelUnavailable
        | FailureClass::ContextOverflow
        | FailureClass::ContentPolicy
        | FailureClass::BadRequest
        | FailureClass::Cancelled => HealthSignal::Neutral,
    }
}
