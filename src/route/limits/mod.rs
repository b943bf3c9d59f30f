//! Limits on concurrency, requests and tokens per minute, and money.
//!
//! The store enforces limits across processes. A call that a limit could stop acquires a lease in one
//! transaction ([`admission_decision`]), holds it while it runs, and releases it ([`permit`]); leases of a
//! process that died are released. A call without limits is decided from its snapshot and does not wait. The
//! run budget ([`run_budget`]) and the retry budget ([`retry_budget`]) are in memory.

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

use super::SkipReason;
use super::daily_budget::DailyBudget;
use super::keys::target_keys;
use super::provider_load::ProviderLoad;
use super::reasons::{BudgetExceeded, BudgetWarning, CapacityLimit, Unavailable};
use super::spans::{Clock, LEASE_MS};
use super::store::{
    AdmissionDecision, AdmissionFacts, AdmissionGrant, AdmissionRequest, CallStore, CandidateRows, HealthKey,
    RouteStatsRow,
};
use crate::chat::Request;
use crate::provider::{ModelRef, ProviderLimits, Target};
pub(crate) use admission_decision::{WINDOW_SECS, decide_admission};
use admission_request::admission_request;
pub(crate) use aimd::{active_limit, limit_after_429, limit_after_success, plausible_limit};
pub(crate) use expired_leases::{counted_scope, settle_expired_reservation};
pub(super) use permit::{AttemptSettlement, Permit};
use queue::{ModelQueues, QueueTicket};
pub(super) use retry_budget::RetryBudget;
pub(crate) use run_budget::RunBudget;

/// Admits calls. One limiter serves all calls of a process.
pub(super) struct Limiter {
    state: Arc<LimiterState>,
    pub(super) daily_budget: Option<DailyBudget>,
    rng: Arc<Mutex<fastrand::Rng>>,
}

/// State that permits share with the limiter.
struct LimiterState {
    store: Arc<dyn CallStore>,
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
    /// The decision cannot be made, because shared data cannot be read.
    Undecided,
}

impl Limiter {
    pub(super) fn new(
        store: Arc<dyn CallStore>,
        clock: Clock,
        is_drill: bool,
        rng: Arc<Mutex<fastrand::Rng>>,
    ) -> Self {
        let state = LimiterState {
            store,
            clock,
            in_flight: Mutex::default(),
            capacity_freed: Notify::new(),
            queues: ModelQueues::default(),
            is_drill,
            has_warned_budget: AtomicBool::new(false),
            has_warned_price: AtomicBool::new(false),
        };
        Self { state: Arc::new(state), daily_budget: None, rng }
    }

    /// Admits a call if it can start immediately and no other call is queued. `known` is what the call's
    /// snapshot says about the candidate.
    pub(super) async fn try_admit(
        &self,
        target: &Target,
        request: &Request,
        stats: &RouteStatsRow,
        known: &CandidateRows,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionOutcome {
        let mut admission = self.admission_request(target, request, stats, run_budget);
        let seen = self.peek(&mut admission, Some(known));
        let is_free = matches!(&seen, Some(AdmissionDecision::Admit(grant)) if grant.is_free());
        let is_limited = run_budget.is_some() || !is_free;
        if is_limited && self.state.queues.has_waiters(&admission.model_scope) {
            return AdmissionOutcome::AtLimit(CapacityLimit::QueueOccupied, self.state.now());
        }
        if is_limited {
            admission.lease_holder = self.new_lease_holder();
        }
        self.try_acquire(&admission, seen, run_budget).await
    }

    /// Admits a call in its turn. Only the first call in a model's queue checks the ledger.
    pub(super) async fn admit_in_turn(
        &self,
        target: &Target,
        request: &Request,
        stats: &RouteStatsRow,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionOutcome {
        let mut admission = self.admission_request(target, request, stats, run_budget);
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
            let seen = if must_write { None } else { self.peek(&mut admission, None) };
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

    /// Decides without acquiring anything; `None` if that cannot be decided from what can be read.
    fn peek(
        &self,
        admission: &mut AdmissionRequest,
        known: Option<&CandidateRows>,
    ) -> Option<AdmissionDecision> {
        let now = self.state.now();
        admission.in_flight = self.state.in_flight(&admission.keys.provider_scope);
        if let Some(decision) = known.and_then(|known| decide_unlimited(admission, known, now)) {
            return Some(decision);
        }
        let facts = self.state.store.admission_facts(admission, now).ok()?;
        Some(decide_admission(&facts, admission, now))
    }

    /// `known` is what a snapshot says about a candidate of the provider.
    pub(super) fn provider_load(&self, target: &Target, known: &CandidateRows) -> ProviderLoad {
        let (state, now) = (&self.state, self.state.now());
        let scope = target_keys(target).provider_scope;
        let adaptive = active_limit(plausible_limit(known.adaptive_concurrency, now), now);
        let configured = target.provider.limits.concurrency.map(u64::from);
        // Without readable leases, at least the calls of this process are known.
        let leases = state.store.lease_count(&scope, now).unwrap_or(0);
        ProviderLoad {
            // As soon as there is a limit, the calls of this process hold leases, too.
            in_flight: leases.max(state.in_flight(&scope)),
            concurrency: configured.into_iter().chain(adaptive).min(),
        }
    }

    /// The limit or budget that would keep a call from starting now. Acquires nothing.
    pub(super) fn denial_reason(
        &self,
        target: &Target,
        request: &Request,
        stats: &RouteStatsRow,
        known: &CandidateRows,
        run_budget: Option<&RunBudget>,
    ) -> Option<SkipReason> {
        let mut admission = self.admission_request(target, request, stats, run_budget);
        match (run_budget, admission.expected_cost) {
            (Some(_), None) => return Some(SkipReason::PriceUnknownForBudget),
            (Some(run_budget), Some(cost)) => {
                if let Err(Some(exceeded)) = run_budget.reserve(cost, admission.is_simulated) {
                    return Some(SkipReason::BudgetExceeded(exceeded));
                }
            }
            (None, _) => {}
        }
        match self.peek(&mut admission, Some(known)) {
            Some(AdmissionDecision::AtLimit(limit, until)) => {
                let wait = u64::try_from(until - self.state.now()).unwrap_or(0);
                Some(SkipReason::Unavailable(Unavailable::AtLimit(limit), Duration::from_millis(wait)))
            }
            Some(AdmissionDecision::BudgetExceeded(exceeded)) => Some(SkipReason::BudgetExceeded(exceeded)),
            Some(AdmissionDecision::SpendingUnknown) | None => Some(SkipReason::SpendingUnknown),
            Some(AdmissionDecision::Admit(_)) => None,
        }
    }

    fn admission_request(
        &self,
        target: &Target,
        request: &Request,
        stats: &RouteStatsRow,
        run_budget: Option<&RunBudget>,
    ) -> AdmissionRequest {
        admission_request(target, request, self.daily_budget, run_budget.is_some(), stats)
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
        admission.in_flight = state.in_flight(&admission.keys.provider_scope);
        let admission = Arc::new(admission);
        let mut permit = Permit::new(Arc::clone(state), Arc::clone(&admission), reservation);
        let decision = match seen {
            Some(AdmissionDecision::Admit(grant)) if grant.is_free() => AdmissionDecision::Admit(grant),
            None | Some(AdmissionDecision::Admit(_)) => {
                // If the call is canceled during the write, the permit must release whatever the write
                // acquired.
                permit.set_grant(AdmissionGrant::ALL);
                match state.store.acquire(admission, Arc::clone(&state.clock)).await {
                    Ok(decision) => decision,
                    // Whatever was acquired is released with the permit.
                    Err(_) => return AdmissionOutcome::Undecided,
                }
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
            AdmissionDecision::SpendingUnknown => AdmissionOutcome::Undecided,
        }
    }
}

/// Admits a call that no limit and no budget can stop, from what the call's snapshot says. `None` if more
/// facts are needed.
fn decide_unlimited(
    admission: &AdmissionRequest,
    known: &CandidateRows,
    now: i64,
) -> Option<AdmissionDecision> {
    let is_unlimited = admission.daily_budget.is_none()
        && admission.limits == ProviderLimits::default()
        && known.health.recovery_concurrency == 0
        && active_limit(plausible_limit(known.adaptive_concurrency, now), now).is_none();
    let facts =
        || AdmissionFacts { adaptive_concurrency: known.adaptive_concurrency, ..AdmissionFacts::default() };
    is_unlimited.then(|| decide_admission(&facts(), admission, now))
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
