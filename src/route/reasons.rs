//! Why a call cannot start now: limits, budgets, and unavailable models.

use crate::chat::{NanoDollars, TokenCount};
use crate::provider::ModelRef;

/// The limit that keeps a call from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapacityLimit {
    /// The configured maximum of calls in flight.
    Concurrency(u64),
    /// The maximum of calls in flight since the provider last answered with 429.
    AdaptiveConcurrency(u64),
    /// The maximum of calls in flight while the model recovers after its breaker closed.
    RecoveryConcurrency(u64),
    RequestsPerMinute(u64),
    TokensPerMinute(TokenCount),
    /// The budget is not spent, but calls in flight have reserved the rest.
    BudgetReserved,
    /// Other calls of this process are already queued.
    QueueOccupied,
}

impl CapacityLimit {
    /// Whether calls waiting for this limit queue across processes.
    pub(super) fn has_shared_queue(&self) -> bool {
        match self {
            Self::Concurrency(_)
            | Self::AdaptiveConcurrency(_)
            | Self::RequestsPerMinute(_)
            | Self::TokensPerMinute(_) => true,
            Self::RecoveryConcurrency(_) | Self::BudgetReserved | Self::QueueOccupied => false,
        }
    }
}

/// The cost of a call would exceed a budget, so the call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExceeded {
    pub spent: NanoDollars,
    pub limit: NanoDollars,
    /// Estimated cost of the call; `None` if unknown.
    pub cost: Option<NanoDollars>,
    /// Whether the amounts are simulated money.
    pub is_simulated: bool,
    /// Whether it is the daily budget, not the run's.
    pub is_daily: bool,
}

/// The daily budget does not stop a call, although it should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetWarning {
    /// The budget is exceeded, but the call is made because of `on_exceeded: warn`.
    Exceeded(BudgetExceeded),
    /// Calls to this model do not count, because its price is unknown.
    PriceUnknown(ModelRef),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    BreakerOpen,
    /// The breaker is half-open, and another call is probing it.
    BreakerProbing,
    /// The provider requested a delay before the next call.
    RetryAfter,
    /// Cooldown of the key or the model, with the class of the failure.
    Cooldown(String),
    /// A concurrency limit, rate limit, or budget is used up.
    AtLimit(CapacityLimit),
}

impl Unavailable {
    /// The value in JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BreakerOpen => "breaker_open",
            Self::BreakerProbing => "breaker_probing",
            Self::RetryAfter => "not_before",
            Self::Cooldown(_) => "blocked",
            Self::AtLimit(_) => "limited",
        }
    }
}
