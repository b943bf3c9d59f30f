//! Which model, and what if it fails: the plan, and the walk along it.
//!
//! The class of a failure alone decides whether to retry, to fail over or to stop ([`reaction`]); nothing here looks at
//! a status or a vendor's word. One loop serves streamed and whole answers ([`Router::call`]). Time comes from the
//! runtime's clock, chance from a generator that is handed in, so everything is tested without waiting.

mod availability;
mod backoff;
mod breaker;
mod call_record;
mod candidate_estimate;
#[cfg(test)]
mod class_table_tests;
mod clock_skew;
mod daily_budget;
mod execute;
#[cfg(test)]
mod execute_tests;
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
mod reaction;
mod reasons;
#[cfg(test)]
mod route_fixture;
mod router;
mod weights;

pub use availability::{Availability, HealthReport, Unavailable};
pub use breaker::HealthSignal;
pub use call_record::{Attempt, CallAnswer, CallError, CallRecord, StopReason};
pub use candidate_estimate::CandidateEstimate;
pub use daily_budget::{DailyBudget, OnExceeded};
pub use execute::{max_attempts, usage_cost};
pub use health_store::{Clock, HealthStore};
pub use limits::{BudgetExceeded, CapacityLimit, RunBudget, WarningFn};
pub use observer::{CallNotice, CallObserver, SilentObserver};
pub use plan::{Candidate, Plan, PlanStep, RoutingHints};
pub use policy::{
    BalanceWeights, CallTimeouts, CandidateConditions, CandidateRequirements, OnMissingPassRate,
    QualityFloor, RetryPolicy, RetryWhen, Route, RoutePolicy, StopOrContinue, Strategy,
};
pub use reaction::{Cooldown, FailureReaction, reaction_to};
pub use reasons::{MissingPassRate, SkipReason, format_duration};
pub use router::{BreakerOpened, BreakerOpenedFn, CallOptions, Router};

/// A span as times of the ledger are reckoned.
fn to_millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2)
}
