//! Limits on concurrency, requests and tokens per minute, and money.
//!
//! The ledger enforces limits across processes. A call that a limit could stop acquires a lease in one
//! transaction ([`admission_decision`]), holds it while it runs, and releases it ([`permit`]); leases of a
//! process that died expire. A call without limits reads the ledger once and does not wait. The run
//! budget ([`run_budget`]) and the retry budget ([`retry_budget`]) are in memory.

mod admission_decision;
mod admission_request;
mod aimd;
#[cfg(test)]
mod budget_tests;
mod expired_leases;
mod permit;
mod queue;
#[cfg(test)]
mod queue_tests;
mod retry_budget;
mod run_budget;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Clock, DailyBudget, HealthStore, OnExceeded, SkipReason, Unavailable};
use crate::catalog::NanoDollars;
use crate::chat::Request;
use crate::ledger::{HealthKey, Ledger, LedgerTables, SqlResult};
use crate::provider::{ModelRef, Target};
pub(crate) use admission_decision::CapacityLimit;
use admission_decision::{AdmissionDecision, AdmissionGrant, decide_admission, decide_and_acquire};
use admission_request::AdmissionRequest;
pub(super) use admission_request::{all_scopes, provider_scope};
pub(super) use permit::{AttemptSettlement, LEASE_MS, Permit};
use queue::{ModelQueues, QueueTicket};
pub(super) use retry_budget::RetryBudget;
pub(crate) use run_budget::{BudgetExceeded, RunBudget};

/// The daily budget does not stop a call, although it should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetWarning {
    /// The budget is exceeded, but the call is made because of `on_exceeded: warn`.
    Exceeded(BudgetExceeded),
    /// Calls to this model do not count, because its price is unknown.
    PriceUnknown(ModelRef),
}

/// Admits calls. One limiter serves all calls of a process.
pub(super) struct Limiter {
    state: Arc<LimiterState>,
    pub(super) daily_budget: Option<DailyBudget>,
    rng: Arc<Mutex<fastrand::Rng>>,
}

/// State that permits share with the limiter.
struct LimiterState {
    ledger: Arc<Ledger>,
    clock: Clock,
    /// Calls of this process in flight, by provider scope.
    in_flight: Mutex<HashMap<String, u64>>,
    /// Notified whenever a call of this process releases capacity.
    capacity_freed: Notify,
    queues: ModelQueues,
    /// In a drill, calls obey the shared limits but do not change rate limits or spending.
    is_drill: bool,
    has_warned_budget: AtomicBool,
    has_warned_price: AtomicBool,
}

pub(super) enum AdmissionOutcome {
    Admitted(Permit),
    /// The time is the latest at which capacity becomes free, in milliseconds since 1970.
    AtLimit(CapacityLimit, i64),
    BudgetExceeded(BudgetExceeded),
    /// The price is unknown, and the run has a budget.
    PriceUnknown,
}

impl Limiter {
    pub(super) fn new(health: &HealthStore, is_drill: bool, rng: Arc<Mutex<fastrand::Rng>>) -> Self {
        let state = LimiterState {
            ledger: Arc::clone(health.ledger()),
            clock: health.clock(),
            in_flight: Mutex::default(),
            capacity_freed: Notify::new(),
            queues: ModelQueues::default(),
            is_drill,
            has_warned_budget: AtomicBool::new(false),
            has_warned_price: AtomicBool::new(false),
        };
        Self { state: Arc::new(state), daily_budget: None, rng }
    }

    /// Admits a call if it can start immediately and no other call is queued.
    pub(super) async fn try_admit(
        &self,
        target: &Target,
        request: &Request,
        stats_key: &str,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionOutcome {
        let mut admission = self.admission_request(target, request, stats_key, run_budget);
        let seen = self.peek(&mut admission);
        let is_limited =
            run_budget.is_some() || !matches!(&seen, AdmissionDecision::Admit(grant) if grant.is_free());
        if is_limited && self.state.queues.has_waiters(&admission.model_scope) {
            return AdmissionOutcome::AtLimit(CapacityLimit::QueueOccupied, self.state.now());
        }
        if is_limited {
            admission.lease_holder = self.new_lease_holder();
        }
        self.try_acquire(&admission, Some(seen), run_budget).await
    }

    /// Admits a call in its turn. Only the first call in a model's queue checks the ledger.
    pub(super) async fn admit_in_turn(
        &self,
        target: &Target,
        request: &Request,
        stats_key: &str,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionOutcome {
        let mut admission = self.admission_request(target, request, stats_key, run_budget);
        let queue = self.state.queues.queue_for(&admission.model_scope);
        let _turn = queue.lock().await;
        (admission.lease_holder, admission.queued_since) = (self.new_lease_holder(), self.state.now());
        let mut ticket = QueueTicket::new(Arc::clone(&self.state));
        // This process's releases may still be queued for the file; only a write is certain to see them.
        let mut must_write = true;
        loop {
            let freed = self.state.capacity_freed.notified();
            tokio::pin!(freed);
            // From here on, no release is missed.
            freed.as_mut().enable();
            let seen = (!must_write).then(|| self.peek(&mut admission));
            let (limit, until) = match self.try_acquire(&admission, seen, run_budget).await {
                AdmissionOutcome::AtLimit(limit, until) => (limit, until),
                other => return other,
            };
            if limit.has_shared_queue() {
                ticket.publish(&admission);
            }
            let delay = queue::poll_delay(&limit, until - self.state.now(), lock(&self.rng).f64());
            must_write = tokio::time::timeout(delay, freed).await.is_ok();
        }
    }

    /// Decides from a read of the ledger; acquires nothing.
    fn peek(&self, admission: &mut AdmissionRequest) -> AdmissionDecision {
        let now = self.state.now();
        admission.in_flight = self.state.in_flight(&admission.provider_scope);
        self.state.ledger.read(|rows| decide_admission(rows, admission, now))
    }

    /// The limit or budget that would keep a call from starting now. Acquires nothing.
    pub(super) fn denial_reason(
        &self,
        target: &Target,
        request: &Request,
        stats_key: &str,
        run_budget: Option<&RunBudget>,
    ) -> Option<SkipReason> {
        let mut admission = self.admission_request(target, request, stats_key, run_budget);
        match (run_budget, admission.expected_cost) {
            (Some(_), None) => return Some(SkipReason::PriceUnknownForBudget),
            (Some(run_budget), Some(cost)) => {
                if let Err(Some(exceeded)) = run_budget.reserve(cost, admission.is_simulated) {
                    return Some(SkipReason::BudgetExceeded(exceeded));
                }
            }
            (None, _) => {}
        }
        match self.peek(&mut admission) {
            AdmissionDecision::AtLimit(limit, until) => {
                let wait = u64::try_from(until - self.state.now()).unwrap_or(0);
                Some(SkipReason::Unavailable(Unavailable::AtLimit(limit), Duration::from_millis(wait)))
            }
            AdmissionDecision::BudgetExceeded(exceeded) => Some(SkipReason::BudgetExceeded(exceeded)),
            AdmissionDecision::Admit(_) => None,
        }
    }

    fn admission_request(
        &self,
        target: &Target,
        request: &Request,
        stats_key: &str,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionRequest {
        let stats = || self.state.ledger.read(|rows| rows.route_stats(stats_key));
        AdmissionRequest::new(target, request, self.daily_budget, run_budget.is_some(), stats)
    }

    fn new_lease_holder(&self) -> String {
        format!("{:016x}", lock(&self.rng).u64(..))
    }

    /// Acquires what a call needs, if possible; `seen` is the decision of an earlier [`Self::peek`], if any.
    async fn try_acquire(
        &self,
        admission: &AdmissionRequest,
        seen: Option<AdmissionDecision>,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionOutcome {
        let state = &self.state;
        let reservation = match (run_budget, &admission.expected_cost) {
            (None, _) => None,
            (Some(_), None) => return AdmissionOutcome::PriceUnknown,
            (Some(run_budget), Some(cost)) => match run_budget.reserve(*cost, admission.is_simulated) {
                Ok(reservation) => Some(reservation),
                Err(Some(exceeded)) => return AdmissionOutcome::BudgetExceeded(exceeded),
                // Calls in flight may turn out cheaper than reserved.
                Err(None) => {
                    return AdmissionOutcome::AtLimit(CapacityLimit::BudgetReserved, state.now() + LEASE_MS);
                }
            },
        };
        let mut admission = admission.clone();
        admission.in_flight = state.in_flight(&admission.provider_scope);
        let admission = Arc::new(admission);
        let mut permit = Permit::new(Arc::clone(state), Arc::clone(&admission), reservation);
        let decision = match seen {
            Some(AdmissionDecision::Admit(grant)) if grant.is_free() => AdmissionDecision::Admit(grant),
            None | Some(AdmissionDecision::Admit(_)) => {
                // If the call is canceled during the write, the permit must release whatever the write
                // acquired.
                permit.set_grant(AdmissionGrant::ALL);
                let clock = Arc::clone(&state.clock);
                state.ledger.write(move |rows| decide_and_acquire(rows, &admission, clock())).await
            }
            Some(denied) => denied,
        };
        permit.set_grant(AdmissionGrant::default());
        match decision {
            AdmissionDecision::Admit(grant) => {
                permit.set_grant(grant);
                permit.mark_in_flight();
                AdmissionOutcome::Admitted(permit)
            }
            AdmissionDecision::AtLimit(limit, until) => AdmissionOutcome::AtLimit(limit, until),
            AdmissionDecision::BudgetExceeded(exceeded) => AdmissionOutcome::BudgetExceeded(exceeded),
        }
    }
}

impl LimiterState {
    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn in_flight(&self, provider: &str) -> u64 {
        lock(&self.in_flight).get(provider).copied().unwrap_or(0)
    }

    /// The warning about an exceeded budget, the first time.
    fn first_budget_warning(&self, grant: AdmissionGrant) -> Option<BudgetWarning> {
        let exceeded = grant.budget_warning?;
        let is_first = !self.has_warned_budget.swap(true, Ordering::Relaxed);
        is_first.then_some(BudgetWarning::Exceeded(exceeded))
    }

    /// The warning about a model without a price, the first time.
    fn first_price_warning(&self, key: &HealthKey) -> Option<BudgetWarning> {
        let is_first = !self.has_warned_price.swap(true, Ordering::Relaxed);
        let model = ModelRef { provider: key.provider.clone(), model: key.model.clone() };
        is_first.then_some(BudgetWarning::PriceUnknown(model))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spending on the UTC day that contains `now`, in nano-dollars: real, then simulated.
pub(super) fn spend_on_day(rows: &LedgerTables<'_>, now: i64) -> SqlResult<[NanoDollars; 2]> {
    let day = utc_day(now);
    Ok([rows.spend(&day, false)?.nano_dollars, rows.spend(&day, true)?.nano_dollars])
}

fn utc_day(now: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
