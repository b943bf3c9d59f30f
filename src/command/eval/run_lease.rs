//! Leases on runs, so that no other process resumes a run in progress and pays for its cases twice.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::history::LEDGER_HINT;
use super::{CommandContext, CommandError};
use crate::eval::store::{RunClaim, RunStore};
use crate::route::HealthStore;

/// Duration of a lease; short, so that the run of a process that was killed on another machine is soon
/// available.
const LEASE_MS: i64 = 2_000;

const RENEW_INTERVAL: Duration = Duration::from_millis(500);

/// Longer than a lease, to outwait such a process. A process that renews within this time is alive.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A lease on a run, released when dropped.
pub(super) struct RunLease {
    store: Arc<dyn RunStore>,
    health: HealthStore,
    run_id: String,
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
            let is_claimed = run_lease.store.claim_run(run_lease.claim()).await.map_err(|error| {
                CommandError::usage(format!("cannot resume: cannot write to the ledger: {error}"))
                    .with_hint(LEDGER_HINT)
            })?;
            if is_claimed {
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
        Self {
            store: context.open_run_store(),
            health: health.clone(),
            run_id: run.to_owned(),
            holder: context.new_id(),
        }
    }

    fn claim(&self) -> RunClaim {
        let (run_id, holder, now) = (self.run_id.clone(), self.holder.clone(), self.health.now());
        RunClaim { run_id, holder, now, lease_ms: LEASE_MS }
    }

    fn renew(&self) {
        self.store.renew_claim(self.claim());
    }
}

impl Drop for RunLease {
    fn drop(&mut self) {
        self.store.release_claim(&self.run_id, &self.holder);
    }
}
