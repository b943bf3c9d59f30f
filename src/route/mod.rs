//! Decides which candidate to call and what to do when it fails: planning, ranking, limits, circuit breakers,
//! retries, and failover. Depends on `catalog`, `chat`, `dialect`, `ledger`, and `provider`.
//!
//! Only the class of a failure decides between retry, failover, and stop ([`failure_reaction`]); nothing here looks
//! at an HTTP status or a provider's error text. One loop handles both streamed and complete answers
//! ([`Router::run`]). Tests pass in the clock and the random number generator, so they never wait.

mod availability;
mod backoff;
mod breaker;
mod call_options;
mod call_record;
mod candidate_estimate;
#[cfg(test)]
mod class_table_tests;
mod clock_skew;
mod daily_budget;
mod execute;
#[cfg(test)]
mod execute_tests;
mod failure_reaction;
#[cfg(test)]
mod fault_tests;
mod health_store;
mod limits;
#[cfg(test)]
mod midstream_tests;
mod observer;
#[cfg(test)]
mod outage_tests;
mod plan;
mod planner;
#[cfg(test)]
mod planner_tests;
mod policy;
#[cfg(test)]
mod preconnect_tests;
mod probe;
mod ranking;
#[cfg(test)]
mod route_fixture;
mod router;
mod skip_reason;
mod weights;

pub use availability::{Availability, HealthReport, Unavailable};
pub(crate) use breaker::HealthSignal;
pub use call_options::CallOptions;
pub(crate) use call_record::{Attempt, CallAnswer, CallError, CallRecord, StopReason};
pub(crate) use candidate_estimate::CandidateEstimate;
pub use daily_budget::{DailyBudget, OnExceeded};
pub(crate) use execute::{max_attempts, usage_cost};
pub(crate) use failure_reaction::{Cooldown, FailureReaction, reaction_to};
pub use health_store::{Clock, HealthStore};
pub(crate) use limits::{BudgetExceeded, BudgetWarning, CapacityLimit, RunBudget};
pub use observer::{CallEvent, Observer, SilentObserver};
pub use plan::{Candidate, RoutingHints};
pub(crate) use plan::{Plan, PlanStep};
pub use policy::{
    BalanceWeights, CandidateConditions, OnMissingPassRate, QualityFloor, RetryWhen, Route, RoutePolicy,
    StopOrContinue, Strategy,
};
pub(crate) use policy::{CallTimeouts, CandidateRequirements, RetryPolicy};
pub(crate) use router::BreakerOpened;
pub use router::Router;
pub(crate) use skip_reason::{MissingPassRate, SkipReason, format_duration};

/// A duration in milliseconds, capped at half of `i64::MAX` so that adding it to a ledger timestamp cannot
/// overflow.
fn to_millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
