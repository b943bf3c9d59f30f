//! The single call that probes a half-open breaker.

use std::time::Duration;

use super::health_store::HealthStore;
use super::keys::target_keys;
use super::spans::to_millis;
use super::store::{CallChange, ProbeClaim, StoreError};
use crate::provider::Target;

/// The right to make that call. Dropping it before [`complete`](Self::complete) releases the probe for
/// another call.
pub(super) struct BreakerProbe {
    health: HealthStore,
    claim: ProbeClaim,
    is_held: bool,
}

impl HealthStore {
    /// Acquires the single probe of a half-open breaker for the duration of the lease; `None` if another call
    /// holds it.
    ///
    /// # Errors
    /// If that cannot be decided.
    pub(super) async fn acquire_probe(
        &self,
        target: &Target,
        call: &str,
        lease: Duration,
    ) -> Result<Option<BreakerProbe>, StoreError> {
        let claim = ProbeClaim { keys: target_keys(target), call_id: call.to_owned(), lease };
        // Constructed before the write, so that a call canceled during the write releases the probe.
        let mut probe = BreakerProbe { health: self.clone(), claim: claim.clone(), is_held: true };
        probe.is_held = self.store().acquire_probe(claim, self.clock()).await?;
        Ok(Some(probe).filter(|probe| probe.is_held))
    }
}

impl BreakerProbe {
    /// Extends the lease of a call that is still running.
    pub(super) fn renew(&self) {
        self.set_lease(self.health.now() + to_millis(self.claim.lease));
    }

    /// Ends the probe without releasing the lease: the attempt's feedback closes or reopens the breaker.
    pub(super) fn complete(mut self) {
        self.is_held = false;
    }

    fn set_lease(&self, until: i64) {
        let ProbeClaim { keys, call_id, .. } = self.claim.clone();
        self.health.store().enqueue(CallChange::SetProbeLease { keys, call_id, until });
    }
}

impl Drop for BreakerProbe {
    fn drop(&mut self) {
        if self.is_held {
            self.set_lease(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::route_fixture::{RouteFixture, route, seconds, status_reply, text_reply};
    use super::super::store::HealthRow;
    use super::super::{Availability, RoutePolicy, Unavailable};
    use super::target_keys;
    use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply};

    #[tokio::test(start_paused = true)]
    async fn canceled_call_releases_probe() {
        let hang = ScriptedReply::Stream { pieces: vec![], ending: ScriptedEnding::Hang };
        let fixture = RouteFixture::new([("a", vec![hang, text_reply("recovered"), status_reply(503)])]);
        let route = route(&["a"], RoutePolicy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let (health, key) = (fixture.router.health(), target_keys(target).health);
        let half_open = |row: &mut HealthRow| (row.trips, row.open_until) = (1, 1_700_000_000_000 - 1);
        fixture.ledger.write(move |rows| rows.update_health(&key, half_open)).await;
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
        assert!(health.acquire_probe(target, "x", seconds(15)).await.unwrap().is_some());
        assert!(health.acquire_probe(target, "y", seconds(15)).await.unwrap().is_some(), "dropped at once");
        assert!(fixture.call(&route).await.outcome.is_err());
        assert!(
            matches!(availability(), Availability::Unavailable { why: Unavailable::BreakerOpen, .. }),
            "{:?}",
            availability()
        );
    }
}
