//! Which model, and what if it fails: the plan, and the walk along it.
//!
//! The class of a failure alone decides whether to retry, to fail over or to stop ([`reaction`]); nothing here looks at
//! a status or a vendor's word. One loop serves streamed and whole answers ([`Router::call`]). Time comes from the
//! runtime's clock, chance from a generator that is handed in, so everything is tested without waiting.

mod backoff;
mod breaker;
mod budget;
mod health;
mod limits;
mod listener;
mod plan;
mod policy;
mod reaction;
mod record;
#[cfg(test)]
mod shown_tests;
#[cfg(test)]
mod test_world;
mod walk;
#[cfg(test)]
mod walk_tests;

pub use breaker::Sign;
pub use budget::{Budget, Exceeded};
pub use health::{Away, Clock, Health, Report, Standing};
pub use limits::{Full, Over, Purse, Tell};
pub use listener::{Listener, Notice, Silent};
pub use plan::{Candidate, Plan, PlanStep, Skip};
pub use policy::{
    Choice, Conditions, Deadlines, Floors, Missing, Policy, QualityFloor, Retry, RetryWhen, Route, Strategy,
    Weigh,
};
pub use reaction::{Block, Reaction, reaction};
pub use record::{Answer, Attempt, CallRecord, NoAnswer, Why};
pub use walk::{CallOptions, Opened, Router, Watch, cost_of};
