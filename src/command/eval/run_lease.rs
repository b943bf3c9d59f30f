//! Leases on runs, so that no other process resumes a run in progress and pays for its cases twice.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{CommandContext, CommandError};
use crate::ledger::{Lease, Ledger, LedgerTables};
use crate::route::HealthStore;

/// Duration of a lease; short, so that the run of a killed process is soon available.
const LEASE_MS: i64 = 2_000;

const RENEW_INTERVAL: Duration = Duration::from_millis(500);

/// Longer than a lease, to outwait a process that was just killed. A process that renews within this time is
/// alive.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A lease on a run, released when dropped.
pub(super) struct RunLease {
    health: HealthStore,
    scope: String,
    holder: String,
}

impl RunLease {
    /// For a new run, whose ID no other process knows.
    pub(super) fn acquire_new(context: &CommandContext, health: &HealthStore, run: &str) -> Self {
        let run_lease = Self::new(context, health, run);
        run_lease.renew();
        run_lease
    }

    /// Waits until the lease of an existing run is free. Fails if another process keeps renewing it.
    pub(super) async fn acquire_existing(
        context: &CommandContext,
        health: &HealthStore,
        run: &str,
    ) -> Result<Self, CommandError> {
        let run_lease = Self::new(context, health, run);
        let deadline = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            let lease = run_lease.lease();
            let try_acquire = move |rows: &LedgerTables<'_>| {
                // A lease that ends later than any possible one was written before the clock was set back;
                // ignore it.
                let alive = lease.since + 1..lease.since + 2 * LEASE_MS;
                let is_free = rows.lease_totals(&lease.scope, alive)?.count == 0;
                if is_free {
                    rows.acquire_lease(&lease)?;
                }
                Ok(is_free)
            };
            if run_lease.ledger().write(try_acquire).await {
                return Ok(run_lease);
            }
            if Instant::now() >= deadline {
                return Err(CommandError::usage(format!("run {run} is in progress in another process"))
                    .with_hint("wait for it to finish, or drop --resume to start a new run"));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    pub(super) async fn renew_forever(&self) -> Infallible {
        loop {
            sleep(RENEW_INTERVAL).await;
            self.renew();
        }
    }

    fn new(context: &CommandContext, health: &HealthStore, run: &str) -> Self {
        Self { health: health.clone(), scope: format!("run {run}"), holder: context.new_id() }
    }

    fn ledger(&self) -> &Arc<Ledger> {
        self.health.ledger()
    }

    fn lease(&self) -> Lease {
        let (scope, holder, since) = (self.scope.clone(), self.holder.clone(), self.health.now());
        Lease { scope, holder, since, until: since + LEASE_MS, ..Lease::default() }
    }

    fn renew(&self) {
        let lease = self.lease();
        self.ledger().enqueue(move |rows| rows.acquire_lease(&lease));
    }
}

impl Drop for RunLease {
    fn drop(&mut self) {
        let (scope, holder) = (self.scope.clone(), self.holder.clone());
        self.ledger().enqueue(move |rows| rows.release_lease(&scope, &holder).map(drop));
    }
}
