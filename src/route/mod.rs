//! Which model, and what if it fails: the plan, and the walk along it.
//!
//! The class of a failure alone decides whether to retry, to fail over or to stop ([`reaction`]); nothing here looks at
//! a status or a vendor's word. One loop serves streamed and whole answers ([`Router::call`]). Time comes from the
//! runtime's clock, chance from a generator that is handed in, so everything is tested without waiting.

mod backoff;
mod believed;
mod breaker;
mod budget;
#[cfg(test)]
mod class_table_tests;
mod estimate;
#[cfg(test)]
mod fault_tests;
mod health;
mod limits;
mod listener;
mod order;
#[cfg(test)]
mod outage_tests;
mod plan;
mod planner;
#[cfg(test)]
mod planner_tests;
mod policy;
mod probe;
mod reaction;
mod record;
mod router;
#[cfg(test)]
mod shown_tests;
mod skip;
mod standing;
#[cfg(test)]
mod test_world;
mod walk;
#[cfg(test)]
mod walk_tests;
#[cfg(test)]
mod warm_tests;
mod weights;

pub use breaker::Sign;
pub use budget::{Budget, Exceeded};
pub use estimate::Estimate;
pub use health::{Clock, Health};
pub use limits::{Full, Over, Purse, Tell};
pub use listener::{Listener, Notice, Silent};
pub use plan::{Caller, Candidate, Plan, PlanStep};
pub use policy::{
    Choice, Conditions, Deadlines, Floors, Missing, Policy, QualityFloor, Retry, RetryWhen, Route, Strategy,
    Weigh,
};
pub use reaction::{Block, Reaction, reaction};
pub use record::{Answer, Attempt, CallRecord, NoAnswer, Why};
pub use router::{CallOptions, Opened, Router, Watch};
pub use skip::{NoScore, Skip, span};
pub use standing::{Away, Report, Standing};
pub use walk::{cost_of, most_attempts};

/// A span as times of the ledger are reckoned.
fn milliseconds(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2)
}
