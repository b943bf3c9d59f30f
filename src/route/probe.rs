//! The only call that finds out whether a model is back whose breaker is half-open.

use std::time::Duration;

use super::health_store::{HealthStore, health_key};
use super::{clock_skew, to_millis};
use crate::ledger::{HealthKey, LedgerTables};
use crate::provider::Target;

/// The right to be that call. Dropped before it is [over](Probe::over), it goes back, and another call may try.
pub(super) struct BreakerProbe {
    health: HealthStore,
    key: HealthKey,
    call_id: String,
    lease: Duration,
    is_held: bool,
}

impl HealthStore {
    /// Takes the only probe of a half-open breaker, for so long; `None` where another call has it.
    pub(super) async fn acquire_probe(
        &self,
        target: &Target,
        call: &str,
        lease: Duration,
    ) -> Option<BreakerProbe> {
        let key = health_key(target);
        // Whoever gives up while this is written gives it back too.
        let mut probe = BreakerProbe {
            health: self.clone(),
            key: key.clone(),
            call_id: call.to_owned(),
            lease,
            is_held: true,
        };
        let (call, clock) = (call.to_owned(), self.clock());
        let change = move |rows: &LedgerTables<'_>| {
            rows.update_health(&key, |row| {
                // By the time that this is written the lease of another may have ended, or its probe succeeded.
                let now = clock();
                *row = clock_skew::correct_health(std::mem::take(row), now);
                let free = row.open_until == 0 || row.open_until <= now && row.probe_until <= now;
                if free && row.open_until != 0 {
                    row.probe_until = now + to_millis(lease);
                    row.probe_call_id.clone_from(&call);
                }
                free
            })
        };
        probe.is_held = self.ledger().write(change).await;
        probe.is_held.then_some(probe)
    }
}

impl BreakerProbe {
    /// Keeps it: it is still running.
    pub(super) fn renew(&self) {
        let until = self.health.now() + to_millis(self.lease);
        self.update_lease(move |probe_until| *probe_until = until.max(*probe_until));
    }

    /// The call has ended: what it taught closes the breaker, or opens it again.
    pub(super) fn complete(mut self) {
        self.is_held = false;
    }

    fn update_lease(&self, change: impl Fn(&mut i64) + Send + 'static) {
        let (key, call) = (self.key.clone(), self.call_id.clone());
        self.health.ledger().enqueue(move |rows| {
            rows.update_health(&key, |row| {
                if row.probe_call_id == call && row.probe_until > 0 {
                    change(&mut row.probe_until);
                }
            })
        });
    }
}

impl Drop for BreakerProbe {
    fn drop(&mut self) {
        if self.is_held {
            self.update_lease(|probe_until| *probe_until = 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::route_fixture::{RouteFixture, route, seconds, status_reply, text_reply};
    use super::super::{Availability, RoutePolicy, Unavailable};
    use super::*;
    use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};

    #[tokio::test(start_paused = true)]
    async fn canceled_call_releases_probe() {
        let hangs = ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang };
        let world = RouteFixture::new([("a", vec![hangs, text_reply("back"), status_reply(503)])]);
        let route = route(&["a"], RoutePolicy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let (health, key) = (world.router.health(), health_key(target));
        let half_open = move |rows: &LedgerTables<'_>| {
            rows.update_health(&key, |row| (row.trips, row.open_until) = (1, 1_700_000_000_000 - 1))
        };
        health.ledger().write(half_open).await;
        let standing = || health.availability([target]).remove(0);
        assert_eq!(standing(), Availability::HalfOpen);
        let given_up = async {
            assert!(tokio::time::timeout(seconds(3), world.call(&route)).await.is_err());
        };
        let watching = async {
            tokio::time::sleep(seconds(1)).await;
            assert!(matches!(standing(), Availability::Unavailable { why: Unavailable::BreakerProbing, .. }));
        };
        tokio::join!(given_up, watching);
        assert_eq!(standing(), Availability::HalfOpen);
        assert!(world.call(&route).await.outcome.is_ok());
        // A probe that failed opens the breaker again, and is over too.
        assert!(health.acquire_probe(target, "x", seconds(15)).await.is_some());
        assert!(health.acquire_probe(target, "y", seconds(15)).await.is_some(), "dropped at once");
        assert!(world.call(&route).await.outcome.is_err());
        assert!(
            matches!(standing(), Availability::Unavailable { why: Unavailable::BreakerOpen, .. }),
            "{:?}",
            standing()
        );
    }
}
