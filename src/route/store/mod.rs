//! The interface to the data that processes share about calls. The ledger implements it; the arithmetic of
//! breakers, limits, and budgets stays in `route`, as pure functions that the ledger applies.

mod admission;
mod changes;
mod health_row;
mod limit_rows;
mod route_rows;
mod snapshot;

use std::pin::Pin;
use std::sync::Arc;

use super::health_signal::BreakerTransition;
use super::spans::Clock;
pub use admission::{AdmissionDecision, AdmissionFacts, AdmissionGrant, AdmissionRequest};
pub(crate) use changes::set_probe_lease;
pub use changes::{CallChange, HealthFeedback, ProbeClaim};
pub use health_row::DecayedMean;
pub use health_row::{HealthKey, HealthRow};
pub use limit_rows::{Lease, LeaseTotals, RateBucket, Spend};
pub use route_rows::{PassRateRow, RouteStatsRow, WeightRow};
pub use snapshot::{CandidateKeys, CandidateRows, CooldownRow, Snapshot, SnapshotKeys, TargetKeys};

/// Why shared data could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// The result of a write.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The data that processes share about calls. Reads do not wait for writes. All times are in milliseconds
/// since 1970.
pub trait CallStore: Send + Sync {
    /// What a call reads before it starts.
    ///
    /// # Errors
    /// If it cannot be read. A caller may then assume that nothing is known, but must not take it for a
    /// permission.
    fn snapshot(&self, keys: &SnapshotKeys) -> Result<Arc<Snapshot>, StoreError>;

    /// What the admission of a call depends on. Acquires nothing.
    ///
    /// # Errors
    /// If it cannot be read.
    fn admission_facts(&self, request: &AdmissionRequest, now: i64) -> Result<AdmissionFacts, StoreError>;

    /// The number of leases in a scope that have not expired.
    ///
    /// # Errors
    /// If they cannot be read.
    fn lease_count(&self, scope: &str, now: i64) -> Result<u64, StoreError>;

    /// Decides whether a call may start and, if so, acquires what it needs, in one transaction. Resolves to
    /// an error if no decision could be made; the call must not start then.
    fn acquire(&self, request: Arc<AdmissionRequest>, clock: Clock) -> StoreFuture<AdmissionDecision>;

    /// Acquires the single probe of a half-open breaker; resolves to whether it did.
    fn acquire_probe(&self, claim: ProbeClaim, clock: Clock) -> StoreFuture<bool>;

    /// Records the result of an attempt; resolves to what it changed about the breaker.
    fn learn(&self, feedback: HealthFeedback) -> StoreFuture<Option<BreakerTransition>>;

    /// Queues a change. Changes are applied in order.
    fn enqueue(&self, change: CallChange);

    /// Removes the model's health, the cooldowns that affect it, and its leases, rate buckets, and adaptive
    /// concurrency.
    fn reset(&self, keys: TargetKeys) -> StoreFuture<()>;

    /// Spending on a UTC day: real, then simulated.
    ///
    /// # Errors
    /// If it cannot be read.
    fn spend_on_day(&self, day: &str) -> Result<[Spend; 2], StoreError>;

    /// The stored weights of a route; candidates with their full weight have none.
    ///
    /// # Errors
    /// If they cannot be read.
    fn weights(&self, route: &str) -> Result<Vec<WeightRow>, StoreError>;

    /// Restores the full weights of a route; resolves to the number of removed weights.
    fn remove_weights(&self, route: &str) -> StoreFuture<usize>;

    /// A store for a drill, discarded afterwards: it knows the measurements of these candidates, but treats
    /// every model as healthy.
    fn copy_for_drill(&self, keys: &SnapshotKeys) -> Arc<dyn CallStore>;

    /// Whether [`start_writer`](Self::start_writer) has nothing to do.
    fn is_writer_started(&self) -> bool;

    /// Prepares for changes, if that takes time.
    fn start_writer(&self);
}
