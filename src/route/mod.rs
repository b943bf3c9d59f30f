//! Decides which candidate to call and what to do when it fails: planning, ranking, limits, circuit breakers,
//! retries, and failover. Depends on `catalog`, `chat`, `dialect`, and `provider`. The data that
//! processes share comes from a [`store::CallStore`].
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
mod health_signal;
mod health_store;
mod keys;
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
mod provider_load;
mod reasons;
#[cfg(test)]
mod route_fixture;
mod router;
mod skip_reason;
mod spans;
pub mod store;
mod strategy;
mod weights;

pub use availability::{Availability, HealthReport};
pub use call_options::{CallOptions, RoutingHints};
pub(crate) use call_record::{Attempt, CallAnswer, CallError, CallRecord, StopReason};
pub(crate) use candidate_estimate::CandidateEstimate;
pub use daily_budget::{DailyBudget, OnExceeded};
pub(crate) use execute::{max_attempts, usage_cost};
pub(crate) use failure_reaction::{Cooldown, FailureReaction, reaction_to};
pub use health_signal::BreakerTransition;
pub use health_store::HealthStore;
pub(crate) use limits::RunBudget;
pub(crate) use observer::BreakerOpened;
pub use observer::{CallEvent, Observer, SilentObserver};
pub use plan::{Candidate, Route};
pub(crate) use plan::{Plan, PlanStep};
pub(crate) use policy::{CallTimeouts, CandidateRequirements, RetryPolicy};
pub use policy::{
    CandidateConditions, OnMissingPassRate, QualityFloor, RetryWhen, RoutePolicy, StopOrContinue,
};
pub use provider_load::ProviderLoad;
pub use reasons::Unavailable;
pub(crate) use reasons::{BudgetExceeded, BudgetWarning, CapacityLimit};
pub use router::Router;
pub(crate) use skip_reason::{MissingPassRate, SkipReason, UnmetCondition};
pub use spans::Clock;
pub use strategy::RouteStrategy;
pub(crate) use strategy::{
    LocatedOption, OptionContent, OptionForm, OptionProblem, OptionValue, StrategyOption, StrategyOptions,
    WEIGHT_HINT, is_valid_weight, parse_strategy, strategies_with_weights, strategy_options,
};

/// The pure functions that a [`store`] applies in its transactions.
pub(crate) mod store_logic {
    pub(crate) use super::clock_skew::{
        latest_cooldown_end, latest_past_time, live_lease_ends, seconds_since,
    };
    pub(crate) use super::keys::{RESERVATION_SCOPES, all_scopes};
    pub(crate) use super::limits::{
        WINDOW_SECS, counted_scope, decide_admission, limit_after_429, limit_after_success, plausible_limit,
        settle_expired_reservation,
    };
    pub(crate) use super::spans::utc_day;
}
