//! The [`Router`] and the state that all calls of a process share.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::execute::CallExecution;
use super::limits::{Limiter, RetryBudget};
use super::{CallObserver, CallRecord, DailyBudget, HealthStore, Route, RoutingHints, RunBudget, WarningFn};
use crate::chat::{FailureClass, Request};
use crate::provider::{ModelRef, Transport};

/// Delay before the ledger's writer thread starts. By then, most requests have been sent.
const WRITER_START_DELAY: Duration = Duration::from_millis(10);

/// Options of one call that are not part of the request.
#[derive(Clone, Debug)]
pub struct CallOptions {
    pub id: String,
    /// As the user typed it.
    pub requested_model: String,
    /// Whether to request a stream from the provider, so that stalls are detected.
    pub stream: bool,
    /// The caller's limit for the whole call.
    pub timeout: Option<Duration>,
    pub hints: RoutingHints,
}

/// A circuit breaker that a call opened.
#[derive(Clone, Debug)]
pub struct BreakerOpened {
    pub model: ModelRef,
    /// How long it stays open.
    pub duration: Duration,
    /// The class of the failure that opened it.
    pub class: FailureClass,
}

/// Called for each breaker that a call of this process opens.
pub(crate) type BreakerOpenedFn = Arc<dyn Fn(&BreakerOpened) + Send + Sync>;

/// Executes calls. One router serves all calls of a process.
pub struct Router {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) health: HealthStore,
    pub(super) rng: Arc<Mutex<fastrand::Rng>>,
    pub(super) breaker_opened_fn: Option<BreakerOpenedFn>,
    pub(super) limiter: Limiter,
    pub(super) retry_budget: RetryBudget,
}

impl Router {
    pub fn new(transport: Arc<dyn Transport>, health: HealthStore, rng: fastrand::Rng) -> Self {
        let rng = Arc::new(Mutex::new(rng));
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

    /// A router for a drill. It obeys the shared limits, but its health data and spending are discarded.
    pub fn for_drill(
        transport: Arc<dyn Transport>,
        health: &HealthStore,
        route: &Route,
        rng: fastrand::Rng,
    ) -> Self {
        let router = Self::new(transport, health.for_drill(route), rng);
        let limiter = Limiter::new(health, true, Arc::clone(&router.rng));
        Self { limiter, ..router }
    }

    pub fn with_breaker_opened_fn(self, callback: BreakerOpenedFn) -> Self {
        Self { breaker_opened_fn: Some(callback), ..self }
    }

    /// A random number in 0..1, and a random key that is unique in practice.
    pub(super) fn draw_random(&self) -> (f64, String) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (rng.f64(), format!("{:032x}", rng.u128(..)))
    }

    /// Enforces the daily budget; `warning_fn` receives each kind of budget warning once.
    pub fn with_daily_budget(mut self, budget: Option<DailyBudget>, warning_fn: WarningFn) -> Self {
        self.limiter.daily_budget = budget;
        self.limiter.set_warning_fn(warning_fn);
        self
    }

    pub fn with_run_budget(mut self, run_budget: Option<RunBudget>) -> Self {
        self.limiter.run_budget = run_budget;
        self
    }

    pub fn run_budget(&self) -> Option<&RunBudget> {
        self.limiter.run_budget.as_ref()
    }

    /// Lets calls wait for limits indefinitely, without counting the wait toward their timeouts. For callers
    /// that start many calls at once.
    pub fn wait_for_limits(mut self) -> Self {
        self.limiter.wait_for_limits = true;
        self
    }

    pub fn health(&self) -> &HealthStore {
        &self.health
    }

    /// Plans and executes one call.
    pub async fn call(
        &self,
        route: &Route,
        request: &Request,
        options: &CallOptions,
        observer: &mut dyn CallObserver,
    ) -> CallRecord {
        let plan = self.plan(route, request, &options.hints);
        if let Some((name, leader)) = route.name.as_ref().zip(plan.new_leader.as_ref()) {
            self.health.record_leader(name, leader);
        }
        let execution = CallExecution::new(self, route, &plan, request, options, observer).run(route, &plan);
        let ledger = self.health.ledger();
        if ledger.is_writer_started() {
            return execution.await;
        }
        // The writer thread has nothing to do until the answer arrives. Starting it after the request has
        // been sent keeps its startup off the critical path.
        let start_writer = async {
            sleep(WRITER_START_DELAY).await;
            ledger.start_writer();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            record = execution => record,
            never = start_writer => match never {},
        }
    }
}
