//! The only call that finds out whether a model is back whose breaker is half-open.

use std::time::Duration;

use super::health::{Health, key};
use super::{believed, milliseconds};
use crate::ledger::{HealthKey, Rows};
use crate::provider::Target;

/// The right to be that call. Dropped before it is [over](Probe::over), it goes back, and another call may try.
pub(super) struct Probe {
    health: Health,
    key: HealthKey,
    call: String,
    lease: Duration,
    is_held: bool,
}

impl Health {
    /// Takes the only probe of a half-open breaker, for so long; `None` where another call has it.
    pub(super) async fn take_probe(&self, target: &Target, call: &str, lease: Duration) -> Option<Probe> {
        let key = key(target);
        // Whoever gives up while this is written gives it back too.
        let mut probe =
            Probe { health: self.clone(), key: key.clone(), call: call.to_owned(), lease, is_held: true };
        let (call, clock) = (call.to_owned(), self.clock());
        let change = move |rows: &Rows<'_>| {
            rows.update_health(&key, |row| {
                // By the time that this is written the lease of another may have ended, or its probe succeeded.
                let now = clock();
                *row = believed::health(std::mem::take(row), now);
                let free = row.open_until == 0 || row.open_until <= now && row.probe_until <= now;
                if free && row.open_until != 0 {
                    row.probe_until = now + milliseconds(lease);
                    row.probe_by.clone_from(&call);
                }
                free
            })
        };
        probe.is_held = self.ledger().write(change).await;
        probe.is_held.then_some(probe)
    }
}

impl Probe {
    /// Keeps it: it is still running.
    pub(super) fn renew(&self) {
        let until = self.health.now() + milliseconds(self.lease);
        self.change(move |probe_until| *probe_until = until.max(*probe_until));
    }

    /// The call has ended: what it taught closes the breaker, or opens it again.
    pub(super) fn over(mut self) {
        self.is_held = false;
    }

    fn change(&self, change: impl Fn(&mut i64) + Send + 'static) {
        let (key, call) = (self.key.clone(), self.call.clone());
        self.health.ledger().post(move |rows| {
            rows.update_health(&key, |row| {
                if row.probe_by == call && row.probe_until > 0 {
                    change(&mut row.probe_until);
                }
            })
        });
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.is_held {
            self.change(|probe_until| *probe_until = 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_world::{World, answers, refuses, route, seconds};
    use super::super::{Away, Policy, Standing};
    use super::*;
    use crate::provider::scripted::{Ending, Scene};

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_leaves_the_probe_to_another() {
        let hangs = Scene::Stream { pieces: vec![], ending: Ending::Hang };
        let world = World::new([("a", vec![hangs, answers("back"), refuses(503)])]);
        let route = route(&["a"], Policy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let (health, key) = (world.router.health(), key(target));
        let half_open = move |rows: &Rows<'_>| {
            rows.update_health(&key, |row| (row.trips, row.open_until) = (1, 1_700_000_000_000 - 1))
        };
        health.ledger().write(half_open).await;
        let standing = || health.standings([target]).remove(0);
        assert_eq!(standing(), Standing::HalfOpen);
        let given_up = async {
            assert!(tokio::time::timeout(seconds(3), world.call(&route)).await.is_err());
        };
        let watching = async {
            tokio::time::sleep(seconds(1)).await;
            assert!(matches!(standing(), Standing::Away { why: Away::Probed, .. }));
        };
        tokio::join!(given_up, watching);
        assert_eq!(standing(), Standing::HalfOpen);
        assert!(world.call(&route).await.outcome.is_ok());
        // A probe that failed opens the breaker again, and is over too.
        assert!(health.take_probe(target, "x", seconds(15)).await.is_some());
        assert!(health.take_probe(target, "y", seconds(15)).await.is_some(), "dropped at once");
        assert!(world.call(&route).await.outcome.is_err());
        assert!(matches!(standing(), Standing::Away { why: Away::Open, .. }), "{:?}", standing());
    }
}
