//! Whoever carries out calls: what all calls of a process have in common.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::limits::{Limiter, RetryBudget};
use super::walk::Walk;
use super::{Budget, CallRecord, Caller, Health, Listener, Purse, Route, Tell};
use crate::chat::{FailureClass, Request};
use crate::provider::{ModelRef, Transport};

/// A request has left after so long, as a rule.
const ON_ITS_WAY: Duration = Duration::from_millis(10);

/// What one call is to be.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The id of the call.
    pub id: String,
    /// What was asked for, as it was typed.
    pub requested_model: String,
    /// Whether to ask for a stream on the wire, so that stalls are seen.
    pub stream: bool,
    /// The caller's own limit for the whole call.
    pub timeout: Option<Duration>,
    /// What the caller says besides the request.
    pub caller: Caller,
}

/// A breaker that opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Whose.
    pub model: ModelRef,
    /// For how long.
    pub time: Duration,
    /// The class of the failure that opened it.
    pub class: FailureClass,
}

/// Told of each breaker that a call of this process opened.
pub type Watch = Arc<dyn Fn(&Opened) + Send + Sync>;

/// Carries out calls. One serves all calls of a process.
pub struct Router {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) health: Health,
    pub(super) draw: Arc<Mutex<fastrand::Rng>>,
    pub(super) watch: Option<Watch>,
    pub(super) limiter: Limiter,
    pub(super) retries: RetryBudget,
}

impl Router {
    /// A router over a transport, whose chance comes from `draw`.
    pub fn new(transport: Arc<dyn Transport>, health: Health, draw: fastrand::Rng) -> Self {
        let draw = Arc::new(Mutex::new(draw));
        let limiter = Limiter::new(&health, false, Arc::clone(&draw));
        Self { transport, health, draw, watch: None, limiter, retries: RetryBudget::default() }
    }

    /// A router for a rehearsal of a route: it calls under the limits that hold for everybody, and what it learns and spends
    /// is forgotten.
    pub fn rehearsing(
        transport: Arc<dyn Transport>,
        health: &Health,
        route: &Route,
        draw: fastrand::Rng,
    ) -> Self {
        let router = Self::new(transport, health.rehearsal(route), draw);
        let limiter = Limiter::new(health, true, Arc::clone(&router.draw));
        Self { limiter, ..router }
    }

    /// Has somebody told of breakers that open.
    pub fn watched_by(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// A number between 0 and 1, and a key that nobody else has.
    pub(super) fn chance(&self) -> (f64, String) {
        let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
        (draw.f64(), format!("{:032x}", draw.u128(..)))
    }

    /// Holds its calls to the day's budget, and has somebody told what that does not see.
    pub fn within(mut self, budget: Option<Budget>, tell: Tell) -> Self {
        self.limiter.budget = budget;
        self.limiter.tell(tell);
        self
    }

    /// Holds its calls to what one run may cost.
    pub fn paying_from(mut self, purse: Option<Purse>) -> Self {
        self.limiter.purse = purse;
        self
    }

    /// What one run may cost, where that was said.
    pub fn purse(&self) -> Option<&Purse> {
        self.limiter.purse.as_ref()
    }

    /// Has its calls wait for limits for as long as it takes, outside of their own time: many calls at once are queued by
    /// whoever makes them, and none of them fails because of those before it.
    pub fn patient(mut self) -> Self {
        self.limiter.patient = true;
        self
    }

    /// How models stand.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Carries out one call along the route's plan for this request.
    pub async fn call(
        &self,
        route: &Route,
        request: &Request,
        options: &CallOptions,
        listener: &mut dyn Listener,
    ) -> CallRecord {
        let plan = self.plan(route, request, &options.caller);
        if let Some((name, leader)) = route.name.as_ref().zip(plan.leader.as_ref()) {
            self.health.put_leader(name, leader);
        }
        let walk = Walk::new(self, route, &plan, request, options, listener).record(route, &plan);
        let ledger = self.health.ledger();
        if ledger.expects_changes() {
            return walk.await;
        }
        // What the call teaches is written when the answer is there, and somebody waits for that to be done. Until then nobody
        // waits for anything, once the request has left.
        let ready = async {
            sleep(ON_ITS_WAY).await;
            ledger.expect_changes();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            record = walk => record,
            never = ready => match never {},
        }
    }
}
