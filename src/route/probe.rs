//! The single call that probes a half-open breaker.

use std::time::Duration;

use super::health_store::{HealthStore, health_key};
use super::{clock_skew, to_millis};
use crate::ledger::{HealthKey, LedgerTables};
use crate::provider::Target;

/// The right to make that call. Dropping it before [`complete`](Self::complete) releases the probe for
/// another call.
pub(super) struct BreakerProbe {
    health: HealthStore,
    key: HealthKey,
    call_id: String,
    lease: Duration,
    is_held: bool,
}

impl HealthStore {
    /// Acquires the single probe of a half-open breaker for the duration of the lease; `None` if another call
    /// holds it.
    pub(super) async fn acquire_probe(
        &self,
        target: &Target,
        call: &str,
        lease: Duration,
    ) -> Option<BreakerProbe> {
        let key = health_key(target);
        // Constructed before the write, so that a call canceled during the write releases the probe.
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
                // When this write runs, another call's lease may have expired or its probe may have
                // succeeded.
                let now = clock();
                *row = clock_skew::correct_health(std::mem::take(row), now);
                let is_free = row.open_until == 0 || row.open_until <= now && row.probe_until <= now;
                if is_free && row.open_until != 0 {
                    row.probe_until = now + to_millis(lease);
                    row.probe_call_id.clone_from(&call);
                }
                is_free
            })
        };
        probe.is_held = self.ledger().write(change).await;
        probe.is_held.then_some(probe)
    }
}

impl BreakerProbe {
    /// Extends the lease of a call that is still running.
    pub(super) fn renew(&self) {
        let until = self.health.now() + to_millis(self.lease);
        self.update_lease(move |probe_until| *probe_until = until.max(*probe_until));
    }

    /// Ends the probe without releasing the lease: the attempt's feedback closes or reopens the breaker.
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
        let hang = ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang };
        let fixture = RouteFixture::new([("a", vec![hang, text_reply("recovered"), status_reply(503)])]);
        let route = route(&["a"], RoutePolicy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let (health, key) = (fixture.router.health(), health_key(target));
        let half_open = move |rows: &LedgerTables<'_>| {
            rows.update_health(&key, |row| (row.trips, row.open_until) = (1, 1_700_000_000_000 - 1))
        };
        health.ledger().write(half_open).await;
        let availability = || health.availability([target]).remove(0);
        assert_eq!(availability(), Availability::HalfOpen);
        let canceled_call = async {
            assert!(tokio::time::timeout(seconds(3), fixture.call(&route)).await.is_err());
        };
        let observe = async {
            tokio::time::sleep(seconds(1)).await;
            assert!(matches!(
                availability(),
                Availability::Unavailable { why: Unavailable::BreakerProbing, .. }
            ));
        };
        tokio::join!(canceled_call, observe);
        assert_eq!(availability(), Availability::HalfOpen);
        assert!(fixture.call(&route).await.outcome.is_ok());
        // A failed probe reopens the breaker and no longer holds the lease.
        assert!(health.acquire_probe(target, "x", seconds(15)).await.is_some());
        assert!(health.acquire_probe(target, "y", seconds(15)).await.is_some(), "dropped at once");
        assert!(fixture.call(&route).await.outcome.is_err());
        assert!(
            matches!(availability(), Availability::Unavailable { why: Unavailable::BreakerOpen, .. }),
            "{:?}",
            availability()
        );
    }
}
