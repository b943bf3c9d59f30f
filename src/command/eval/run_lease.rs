//! Who is at a run: nobody else goes on with it meanwhile, or its cases would be paid twice.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{CommandContext, CommandError};
use crate::ledger::{Lease, Ledger, LedgerTables};
use crate::route::HealthStore;

/// A run is held for so many milliseconds, so that one whose process was killed is soon free.
const LEASE_MS: i64 = 2_000;

/// It is held again this often.
const RENEW_INTERVAL: Duration = Duration::from_millis(500);

/// Whoever was killed a moment ago is waited for; who renews his hold in this time is alive.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);

/// How often it is looked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A run that this process is at. Dropped, it is free.
pub(super) struct RunLease {
    health: HealthStore,
    scope: String,
    holder: String,
}

impl RunLease {
    /// Holds a run that nobody else knows of yet.
    pub(super) fn acquire_new(context: &CommandContext, health: &HealthStore, run: &str) -> Self {
        let hold = Self::new(context, health, run);
        hold.renew();
        hold
    }

    /// Holds a run that was begun before, once nobody else does.
    pub(super) async fn acquire_existing(
        context: &CommandContext,
        health: &HealthStore,
        run: &str,
    ) -> Result<Self, CommandError> {
        let hold = Self::new(context, health, run);
        let until = Instant::now() + ACQUIRE_TIMEOUT;
        loop {
            let lease = hold.lease();
            let take = move |rows: &LedgerTables<'_>| {
                // One that ends later than any could was written by a clock that has gone back since.
                let alive = lease.since + 1..lease.since + 2 * LEASE_MS;
                let is_free = rows.lease_totals(&lease.scope, alive)?.count == 0;
                if is_free {
                    rows.acquire_lease(&lease)?;
                }
                Ok(is_free)
            };
            if hold.ledger().write(take).await {
                return Ok(hold);
            }
            if Instant::now() >= until {
                return Err(CommandError::usage(format!("the run {run} is under way in another process"))
                    .with_hint("wait until it has ended, or leave out --resume to begin another one"));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Goes on holding it.
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
