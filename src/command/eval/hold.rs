//! Who is at a run: nobody else goes on with it meanwhile, or its cases would be paid twice.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{CommandError, Context};
use crate::ledger::{Lease, Ledger, Rows};
use crate::route::Health;

/// A run is held for so many milliseconds, so that one whose process was killed is soon free.
const HELD: i64 = 2_000;

/// It is held again this often.
const RENEWAL: Duration = Duration::from_millis(500);

/// Whoever was killed a moment ago is waited for; who renews his hold in this time is alive.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// How often it is looked.
const POLL: Duration = Duration::from_millis(50);

/// A run that this process is at. Dropped, it is free.
pub(super) struct Hold {
    health: Health,
    scope: String,
    holder: String,
}

impl Hold {
    /// Holds a run that nobody else knows of yet.
    pub(super) fn begin(context: &Context, health: &Health, run: &str) -> Self {
        let hold = Self::new(context, health, run);
        hold.renew();
        hold
    }

    /// Holds a run that was begun before, once nobody else does.
    pub(super) async fn take_up(context: &Context, health: &Health, run: &str) -> Result<Self, CommandError> {
        let hold = Self::new(context, health, run);
        let until = Instant::now() + PATIENCE;
        loop {
            let lease = hold.lease();
            let take = move |rows: &Rows<'_>| {
                // One that ends later than any could was written by a clock that has gone back since.
                let alive = lease.since + 1..lease.since + 2 * HELD;
                let is_free = rows.leases(&lease.scope, alive)?.count == 0;
                if is_free {
                    rows.put_lease(&lease)?;
                }
                Ok(is_free)
            };
            if hold.ledger().write(take).await {
                return Ok(hold);
            }
            if Instant::now() >= until {
                return Err(CommandError::usage(format!("the run {run} is under way in another process"))
                    .hint("wait until it has ended, or leave out --resume to begin another one"));
            }
            sleep(POLL).await;
        }
    }

    /// Goes on holding it.
    pub(super) async fn keep(&self) -> Infallible {
        loop {
            sleep(RENEWAL).await;
            self.renew();
        }
    }

    fn new(context: &Context, health: &Health, run: &str) -> Self {
        Self { health: health.clone(), scope: format!("run {run}"), holder: context.new_id() }
    }

    fn ledger(&self) -> &Arc<Ledger> {
        self.health.ledger()
    }

    fn lease(&self) -> Lease {
        let (scope, holder, since) = (self.scope.clone(), self.holder.clone(), self.health.now());
        Lease { scope, holder, since, until: since + HELD, ..Lease::default() }
    }

    fn renew(&self) {
        let lease = self.lease();
        self.ledger().post(move |rows| rows.put_lease(&lease));
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let (scope, holder) = (self.scope.clone(), self.holder.clone());
        self.ledger().post(move |rows| rows.remove_lease(&scope, &holder).map(drop));
    }
}
