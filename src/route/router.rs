//! The [`Router`] and the state that all calls of a process share.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::call_record::CallRecord;
use super::daily_budget::DailyBudget;
use super::execute::CallExecution;
use super::health_store::HealthStore;
use super::limits::{Limiter, RetryBudget};
use super::observer::Observer;
use super::plan::{Plan, Route};
use super::store::CallChange;
use crate::provider::Transport;

/// Delay before the store's writer starts. By then, most requests have been sent.
const WRITER_START_DELAY: Duration = Duration::from_millis(10);

/// Executes calls. One router serves all calls of a process.
pub struct Router {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) health: HealthStore,
    pub(super) rng: Arc<Mutex<fastrand::Rng>>,
    pub(super) limiter: Limiter,
    pub(super) retry_budget: RetryBudget,
    /// In a drill, breakers open for this call only.
    pub(super) is_drill: bool,
}

impl Router {
    pub fn new(transport: Arc<dyn Transport>, health: HealthStore, rng: fastrand::Rng) -> Self {
        let rng = Arc::new(Mutex::new(rng));
        let limiter = Limiter::new(Arc::clone(health.store()), health.clock(), false, Arc::clone(&rng));
        Self { transport, health, rng, limiter, retry_budget: RetryBudget::default(), is_drill: false }
    }

    /// A router for a drill. It obeys the shared limits, but its health data and spending are discarded.
    pub fn for_drill(
        transport: Arc<dyn Transport>,
        health: &HealthStore,
        route: &Route,
        rng: fastrand::Rng,
    ) -> Self {
        let router = Self::new(transport, health.for_drill(route), rng);
        let limiter = Limiter::new(Arc::clone(health.store()), health.clock(), true, Arc::clone(&router.rng));
        Self { limiter, is_drill: true, ..router }
    }

    /// A random number in 0..1, and a random key that is unique in practice.
    pub(super) fn draw_random(&self) -> (f64, String) {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (rng.f64(), format!("{:032x}", rng.u128(..)))
    }

    /// Enforces the daily budget.
    pub fn with_daily_budget(mut self, budget: Option<DailyBudget>) -> Self {
        self.limiter.daily_budget = budget;
        self
    }

    pub fn health(&self) -> &HealthStore {
        &self.health
    }

    /// Runs a planned call.
    pub async fn run(&self, plan: Plan<'_>, observer: &mut dyn Observer) -> CallRecord {
        if let Some((name, leader)) = plan.route.name.as_ref().zip(plan.new_leader.as_ref()) {
            let change = CallChange::SetLeader { route: name.clone(), leader: leader.clone() };
            self.health.store().enqueue(change);
        }
        tracing::debug!(
            model = plan.options.requested_model,
            candidates = plan.targets().count(),
            skipped = plan.skipped().count(),
            exploration = plan.is_exploration,
            "call starts"
        );
        let execution = CallExecution::new(self, &plan, observer).run();
        let store = self.health.store();
        if store.is_writer_started() {
            return execution.await;
        }
        // There is nothing to write until the answer arrives. Starting the writer after the request has been
        // sent keeps its startup off the critical path.
        let start_writer = async {
            sleep(WRITER_START_DELAY).await;
            store.start_writer();
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            record = execution => record,
            never = start_writer => match never {},
        }
    }
}
