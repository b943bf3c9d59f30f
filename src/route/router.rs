//! Whoever carries out calls: what all calls of a process have in common.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::execute::CallExecution;
use super::limits::{Limiter, RetryBudget};
use super::{CallObserver, CallRecord, DailyBudget, HealthStore, Route, RoutingHints, RunBudget, WarningFn};
use crate::chat::{FailureClass, Request};
use crate::provider::{ModelRef, Transport};

/// A request has left after so long, as a rule.
const WRITER_START_DELAY: Duration = Duration::from_millis(10);

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
    pub hints: RoutingHints,
}

/// A breaker that opened.
#[derive(Clone, Debug)]
pub struct BreakerOpened {
    /// Whose.
    pub model: ModelRef,
    /// For how long.
    pub duration: Duration,
    /// The class of the failure that opened it.
    pub class: FailureClass,
}

/// Told of each breaker that a call of this process opened.
pub type BreakerOpenedFn = Arc<dyn Fn(&BreakerOpened) + Send + Sync>;

/// Carries out calls. One serves all calls of a process.
pub struct Router {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) health: HealthStore,
    pub(super) rng: Arc<Mutex<fastrand::Rng>>,
    pub(super) breaker_opened_fn: Option<BreakerOpenedFn>,
    pub(super) limiter: Limiter,
    pub(super) retry_budget: RetryBudget,
}

impl Router {
    /// A router over a transport, whose chance comes from `draw`.
    pub fn new(transport: Arc<dyn Transport>, health: HealthStore, draw: fastrand::Rng) -> Self {
        let rng = Arc::new(Mutex::new(draw));
        let limiter = Limiter::new(&health, false, Arc::clone(&rng));
        Self {
            transport,
            health,
            rng,
            breaker_opened_fn: None,
            limiter,
            retry_budget: RetryBudget::default(),
        }
    }

    /// A router for a rehearsal of a route: it calls under the limits that hold for everybody, and what it learns and spends
    /// is forgotten.
    pub fn for_drill(
        transport: Arc<dyn Transport>,
        health: &HealthStore,
        route: &Route,
        draw: fastrand::Rng,
    ) -> Self {
        let router = Self::new(transport, health.for_drill(route), draw);
        let limiter = Limiter::new(health, true, Arc::clone(&router.rng));
        Self { limiter, ..router }
    }

    /// Has somebody told of breakers that open.
    pub fn with_breaker_opened_fn(self, watch: BreakerOpenedFn) -> Self {
        Self { breaker_opened_fn: Some(watch), ..self }
    }

    /// A number between 0 and 1, and a key that nobody else has.
    pub(super) fn draw_random(&self) -> (f64, String) {
        let mut draw = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (draw.f64(), format!("{:032x}", draw.u128(..)))
    }

    /// Holds its calls to the day's budget, and has somebody told what that does not see.
    pub fn with_daily_budget(mut self, budget: Option<DailyBudget>, tell: WarningFn) -> Self {
        self.limiter.daily_budget = budget;
        self.limiter.set_warning_fn(tell);
        self
    }

    /// Holds its calls to what one run may cost.
    pub fn with_run_budget(mut self, purse: Option<RunBudget>) -> Self {
        self.limiter.run_budget = purse;
        self
    }

    /// What one run may cost, where that was said.
    pub fn run_budget(&self) -> Option<&RunBudget> {
        self.limiter.run_budget.as_ref()
    }

    /// Has its calls wait for limits for as long as it takes, outside of their own time: many calls at once are queued by
    /// whoever makes them, and none of them fails because of those before it.
    pub fn wait_for_limits(mut self) -> Self {
        self.limiter.wait_for_limits = true;
        self
    }

    /// How models stand.
    pub fn health(&self) -> &HealthStore {
        &self.health
    }

    /// Carries out one call along the route's plan for this request.
    pub async fn call(
        &self,
        route: &Route,
        request: &Request,
        options: &CallOptions,
        listener: &mut dyn CallObserver,
    ) -> CallRecord {
        let plan = self.plan(route, request, &options.hints);
        if let Some((name, leader)) = route.name.as_ref().zip(plan.new_leader.as_ref()) {
            self.health.record_leader(name, leader);
        }
        let walk = CallExecution::new(self, route, &plan, request, options, listener).run(route, &plan);
        let ledger = self.health.ledger();
        if ledger.is_writer_started() {
            return walk.await;
        }
        // What the call teaches is written when the answer is there, and somebody waits for that to be done. Until then nobody
        // waits for anything, once the request has left.
        let ready = async {
            sleep(WRITER_START_DELAY).await;
            ledger.start_writer();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            record = walk => record,
            never = ready => match never {},
        }
    }
}
