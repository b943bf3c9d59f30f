//! A route: a named policy over its candidates.

use std::time::Duration;

use super::Candidate;

/// A named policy and the models that it may use, in order.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name; `None` for one model named directly.
    pub name: Option<String>,
    /// The candidates, best first.
    pub candidates: Vec<Candidate>,
    /// How failures are met.
    pub policy: Policy,
}

/// How failures are met, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Timers of the call and of each attempt.
    pub deadlines: Deadlines,
    /// Again on the same candidate.
    pub retry: Retry,
    /// When a shown answer breaks off.
    pub on_midstream: Choice,
    /// When a filter refuses.
    pub on_content_policy: Choice,
    /// When the request itself is refused.
    pub on_bad_request: Choice,
    /// When nobody can say what happened.
    pub on_unknown: Choice,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            deadlines: Deadlines::default(),
            retry: Retry::default(),
            on_midstream: Choice::Stop,
            on_content_policy: Choice::Stop,
            on_bad_request: Choice::Stop,
            on_unknown: Choice::GoOn,
        }
    }
}

/// What to do where both ways make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// End the call.
    Stop,
    /// Fail over; for an answer that broke off while it was shown: begin anew.
    GoOn,
}

/// Timers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until the first content of the whole call; no attempt starts after it.
    pub call: Duration,
    /// Until the first content of one attempt; `None` leaves it to the kind of model.
    pub first_token: Option<Duration>,
    /// Between two pieces of content.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { call: Duration::from_secs(120), first_token: None, idle: Duration::from_secs(30) }
    }
}

/// Retries on the same candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts may come after a candidate's first one; 0 turns retries off.
    pub retries: u32,
    /// When they come.
    pub when: RetryWhen,
    /// The first back-off's upper end.
    pub base: Duration,
    /// No back-off is longer.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            retries: 1,
            when: RetryWhen::Alone,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
        }
    }
}

/// When a candidate is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryWhen {
    /// Only when no other candidate is ready.
    Alone,
    /// Before failing over: the same model or none.
    First,
}
