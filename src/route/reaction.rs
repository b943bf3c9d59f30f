//! What a class of failure leads to. The table of docs/architecture.md, in code.

use std::time::Duration;

use super::{Choice, Policy, Sign};
use crate::chat::FailureClass;

/// What a failure leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reaction {
    /// Whether the same candidate may be tried again.
    pub retry: bool,
    /// Whether the next candidate may be tried.
    pub fail_over: bool,
    /// What the failure says about the days to come.
    pub block: Block,
    /// What it says of the model's health.
    pub sign: Sign,
}

/// For how long a failure speaks against whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Against nobody.
    None,
    /// Against every model behind this key.
    Key(Duration),
    /// Against this model behind this key.
    Model(Duration),
}

const MINUTE: Duration = Duration::from_secs(60);

/// The reaction to a class under a policy. `gone` says that the provider named the model as gone for good.
pub fn reaction(class: FailureClass, policy: &Policy, gone: bool) -> Reaction {
    let goes_on = |choice: Choice| choice == Choice::GoOn;
    let (retry, fail_over, block) = match class {
        FailureClass::Unreachable
        | FailureClass::ServerError
        | FailureClass::RateLimited
        | FailureClass::Malformed
        | FailureClass::Truncated
        | FailureClass::Empty => (true, true, Block::None),
        // A model that let its timer run out once would only use up the rest of the deadline; a prompt that
        // overflowed its window does so again.
        FailureClass::Timeout | FailureClass::ContextOverflow => (false, true, Block::None),
        FailureClass::QuotaExhausted => (false, true, Block::Key(15 * MINUTE)),
        FailureClass::Auth => (false, true, Block::Key(5 * MINUTE)),
        FailureClass::ModelUnavailable => {
            (false, true, Block::Model(if gone { 24 * 60 * MINUTE } else { 10 * MINUTE }))
        }
        FailureClass::ContentPolicy => (false, goes_on(policy.on_content_policy), Block::None),
        // Burning the chain on a malformed request wastes money.
        FailureClass::BadRequest => (false, goes_on(policy.on_bad_request), Block::None),
        FailureClass::Cancelled => (false, false, Block::None),
        FailureClass::Unknown => (false, goes_on(policy.on_unknown), Block::None),
    };
    Reaction { retry, fail_over, block, sign: sign(class) }
}

fn sign(class: FailureClass) -> Sign {
    match class {
        FailureClass::Unreachable
        | FailureClass::ServerError
        | FailureClass::Timeout
        | FailureClass::Malformed
        | FailureClass::Truncated => Sign::Sick(1.0),
        FailureClass::Empty | FailureClass::Unknown => Sign::Sick(0.5),
        FailureClass::RateLimited => Sign::Throttled,
        // The key's or the request's fault, not the model's.
        FailureClass::QuotaExhausted
        | FailureClass::Auth
        | FailureClass::ModelUnavailable
        | FailureClass::ContextOverflow
        | FailureClass::ContentPolicy
        | FailureClass::BadRequest
        | FailureClass::Cancelled => Sign::None,
    }
}
