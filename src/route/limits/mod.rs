//! How much at once, how much a minute, and for how much money.
//!
//! What holds for all processes is held by the ledger: a call that a limit could stop takes a lease in one transaction
//! ([`verdict`]), keeps it while it runs and gives it back ([`permit`]); the lease of a process that died ends by time. A
//! call that nothing limits looks once, takes nothing and waits for nobody. What one run may cost ([`purse`]) and how
//! often it may try the same thing again ([`retries`]) is held in memory.

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
use crate::ledger::{Ledger, LedgerTables, SqlResult};
use crate::provider::Target;
pub use admission_decision::CapacityLimit;
use admission_decision::{AdmissionDecision, AdmissionGrant, decide_admission, decide_and_acquire};
use admission_request::AdmissionRequest;
pub(super) use admission_request::{all_scopes, provider_scope};
pub(super) use permit::{AttemptSettlement, LEASE_MS, Permit};
use queue::{ModelQueues, QueueTicket};
pub(super) use retry_budget::RetryBudget;
pub use run_budget::{BudgetExceeded, RunBudget};

/// Told, once each, of what a user should know about money.
pub type WarningFn = Arc<dyn Fn(&str) + Send + Sync>;

/// Lets calls begin. One serves all calls of a process.
pub(super) struct Limiter {
    state: Arc<LimiterState>,
    pub(super) daily_budget: Option<DailyBudget>,
    pub(super) run_budget: Option<RunBudget>,
    /// Whether its calls wait for as long as it takes.
    pub(super) wait_for_limits: bool,
    rng: Arc<Mutex<fastrand::Rng>>,
}

/// What permits share with the limiter that gave them.
struct LimiterState {
    ledger: Arc<Ledger>,
    clock: Clock,
    /// Calls of this process in flight, by provider.
    in_flight: Mutex<HashMap<String, u64>>,
    /// Told whenever a call of this process gives something back.
    capacity_freed: Notify,
    queues: ModelQueues,
    observer: Mutex<Option<WarningFn>>,
    /// Whether its calls are rehearsals: they are made under the limits, and teach and cost the others nothing.
    is_drill: bool,
    has_warned_budget: AtomicBool,
    has_warned_price: AtomicBool,
}

/// Whether a call may begin.
pub(super) enum AdmissionOutcome {
    /// It may.
    Admitted(Permit),
    /// Not before something is free, which is at that time at the latest, in milliseconds since 1970.
    AtLimit(CapacityLimit, i64),
    /// Not for that money.
    BudgetExceeded(BudgetExceeded),
    /// Nobody knows what it would cost, and this run may cost only so much.
    PriceUnknown,
}

impl Limiter {
    pub(super) fn new(health: &HealthStore, rehearsal: bool, rng: Arc<Mutex<fastrand::Rng>>) -> Self {
        let common = LimiterState {
            ledger: Arc::clone(health.ledger()),
            clock: health.clock(),
            in_flight: Mutex::default(),
            capacity_freed: Notify::new(),
            queues: ModelQueues::default(),
            observer: Mutex::default(),
            is_drill: rehearsal,
            has_warned_budget: AtomicBool::new(false),
            has_warned_price: AtomicBool::new(false),
        };
        Self { state: Arc::new(common), daily_budget: None, run_budget: None, wait_for_limits: false, rng }
    }

    pub(super) fn set_warning_fn(&self, tell: WarningFn) {
        *lock(&self.state.observer) = Some(tell);
    }

    /// Lets a call begin, if it can at once. Whoever waits already comes first.
    pub(super) async fn try_admit(
        &self,
        target: &Target,
        request: &Request,
        habits: &str,
    ) -> AdmissionOutcome {
        let mut ask = self.admission_request(target, request, habits);
        let seen = self.peek(&mut ask);
        let is_limited =
            self.run_budget.is_some() || !matches!(&seen, AdmissionDecision::Admit(grant) if grant.is_free());
        if is_limited && self.state.queues.has_waiters(&ask.model_scope) {
            return AdmissionOutcome::AtLimit(CapacityLimit::QueueOccupied, self.state.now());
        }
        if is_limited {
            ask.lease_holder = self.new_lease_holder();
        }
        self.try_acquire(&ask, Some(seen)).await
    }

    /// Lets a call begin when it is its turn. Only the first one in the queue of a model looks whether it can.
    pub(super) async fn admit_in_turn(
        &self,
        target: &Target,
        request: &Request,
        habits: &str,
    ) -> AdmissionOutcome {
        let mut ask = self.admission_request(target, request, habits);
        let gate = self.state.queues.queue_for(&ask.model_scope);
        let _turn = gate.lock().await;
        (ask.lease_holder, ask.queued_since) = (self.new_lease_holder(), self.state.now());
        let mut ticket = QueueTicket::new(Arc::clone(&self.state));
        // What this process gave back may still be on its way to the file, which only those behind it are sure to see.
        let mut behind_what_is_freed = true;
        loop {
            let freed = self.state.capacity_freed.notified();
            tokio::pin!(freed);
            // From here on nothing that is freed is missed.
            freed.as_mut().enable();
            let seen = (!behind_what_is_freed).then(|| self.peek(&mut ask));
            let (full, until) = match self.try_acquire(&ask, seen).await {
                AdmissionOutcome::AtLimit(full, until) => (full, until),
                other => return other,
            };
            if full.has_shared_queue() {
                ticket.publish(&ask);
            }
            let pause = queue::poll_delay(&full, until - self.state.now(), lock(&self.rng).f64());
            behind_what_is_freed = tokio::time::timeout(pause, freed).await.is_ok();
        }
    }

    fn peek(&self, ask: &mut AdmissionRequest) -> AdmissionDecision {
        let now = self.state.now();
        ask.in_flight = self.state.in_flight(&ask.provider_scope);
        self.state.ledger.read(|rows| decide_admission(rows, ask, now))
    }

    /// Why a call could not begin now, where limits or money are in its way. Nothing is taken.
    pub(super) fn denial_reason(
        &self,
        target: &Target,
        request: &Request,
        habits: &str,
    ) -> Option<SkipReason> {
        let mut ask = self.admission_request(target, request, habits);
        match (&self.run_budget, ask.expected_cost) {
            (Some(_), None) => return Some(SkipReason::PriceUnknownForBudget),
            (Some(purse), Some(cost)) => {
                if let Err(Some(over)) = purse.reserve(cost, ask.is_simulated) {
                    return Some(SkipReason::BudgetExceeded(over));
                }
            }
            (None, _) => {}
        }
        match self.peek(&mut ask) {
            AdmissionDecision::AtLimit(full, until) => {
                let wait = u64::try_from(until - self.state.now()).unwrap_or(0);
                Some(SkipReason::Unavailable(Unavailable::AtLimit(full), Duration::from_millis(wait)))
            }
            AdmissionDecision::BudgetExceeded(over) => Some(SkipReason::BudgetExceeded(over)),
            AdmissionDecision::Admit(_) => None,
        }
    }

    fn admission_request(&self, target: &Target, request: &Request, habits: &str) -> AdmissionRequest {
        let habits = || self.state.ledger.read(|rows| rows.route_stats(habits));
        AdmissionRequest::new(target, request, self.daily_budget, self.run_budget.is_some(), habits)
    }

    fn new_lease_holder(&self) -> String {
        format!("{:016x}", lock(&self.rng).u64(..))
    }

    /// Takes what a call needs, if it is there; `seen` is what a look said, where there was one.
    async fn try_acquire(&self, ask: &AdmissionRequest, seen: Option<AdmissionDecision>) -> AdmissionOutcome {
        let common = &self.state;
        let kept = match (&self.run_budget, &ask.expected_cost) {
            (None, _) => None,
            (Some(_), None) => return AdmissionOutcome::PriceUnknown,
            (Some(purse), Some(cost)) => match purse.reserve(*cost, ask.is_simulated) {
                Ok(kept) => Some(kept),
                Err(Some(over)) => return AdmissionOutcome::BudgetExceeded(over),
                // What is under way may turn out to be cheaper.
                Err(None) => {
                    return AdmissionOutcome::AtLimit(CapacityLimit::BudgetReserved, common.now() + LEASE_MS);
                }
            },
        };
        let mut ask = ask.clone();
        ask.in_flight = common.in_flight(&ask.provider_scope);
        let ask = Arc::new(ask);
        let mut permit = Permit::new(Arc::clone(common), Arc::clone(&ask), kept);
        let verdict = match seen {
            Some(AdmissionDecision::Admit(grant)) if grant.is_free() => AdmissionDecision::Admit(grant),
            None | Some(AdmissionDecision::Admit(_)) => {
                // Whoever gives up while this is written gives back what it may have got.
                permit.set_grant(AdmissionGrant::ALL);
                let clock = Arc::clone(&common.clock);
                common.ledger.write(move |rows| decide_and_acquire(rows, &ask, clock())).await
            }
            Some(refused) => refused,
        };
        permit.set_grant(AdmissionGrant::default());
        match verdict {
            AdmissionDecision::Admit(grant) => {
                if let Some(over) = grant.budget_warning {
                    common.notify_once(
                        &common.has_warned_budget,
                        &format!("{over}; calls are made all the same"),
                    );
                }
                permit.set_grant(grant);
                permit.mark_in_flight();
                AdmissionOutcome::Admitted(permit)
            }
            AdmissionDecision::AtLimit(full, until) => AdmissionOutcome::AtLimit(full, until),
            AdmissionDecision::BudgetExceeded(over) => AdmissionOutcome::BudgetExceeded(over),
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

    fn notify_once(&self, told: &AtomicBool, words: &str) {
        if !told.swap(true, Ordering::Relaxed)
            && let Some(tell) = &*lock(&self.observer)
        {
            tell(words);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was spent on the UTC day of a time, in real dollars and in the simulator's.
pub(super) fn spend_on_day(rows: &LedgerTables<'_>, now: i64) -> SqlResult<[NanoDollars; 2]> {
    let day = utc_day(now);
    Ok([rows.spend(&day, false)?.nano_dollars, rows.spend(&day, true)?.nano_dollars])
}

/// The UTC day of a time in milliseconds since 1970.
fn utc_day(now: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
