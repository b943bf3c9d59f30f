//! What an attempt says about a model's health, and what it changes.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HealthSignal {
    /// A complete answer.
    Success,
    /// A failure of the model; the weight is 1, or 0.5 for classes that are weaker evidence.
    Failure(f64),
    /// Rate limited: the model is demoted, but the breaker does not open.
    Throttled,
    /// A failure that says nothing about the model.
    Neutral,
}

/// Why a model is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptRole {
    /// It was available.
    Ordinary,
    /// The single probe of a half-open breaker.
    Probe,
    /// It was unavailable, and so was every other candidate.
    LastResort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerTransition {
    /// It stays open for this long.
    Opened(Duration),
    Closed,
}
