//! The right to make one attempt; dropping it releases what it holds.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::run_budget::Reservation;
use super::{BudgetWarning, LimiterState, lock};
use crate::catalog::Cost;
use crate::chat::{NanoDollars, TokenCount, Usage};
use crate::route::spans::utc_day;
use crate::route::store::{AdmissionGrant, AdmissionRequest, CallChange, Lease, RateBucket, Spend};

/// Longer calls renew their leases at this interval.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);

pub(in crate::route) struct Permit {
    limiter: Arc<LimiterState>,
    request: Arc<AdmissionRequest>,
    grant: AdmissionGrant,
    reservation: Option<Reservation>,
    started_at: i64,
    /// Whether it counts among this process's calls in flight.
    is_in_flight: bool,
    /// Whether a request was sent whose cost is not yet known.
    has_unsettled_cost: bool,
    has_started: bool,
    /// False while the grant is being written and is therefore not yet known.
    is_granted: bool,
}

pub(in crate::route) struct AttemptSettlement {
    pub(in crate::route) is_answered: bool,
    /// Whether the provider answered with 429.
    pub(in crate::route) is_rate_limited: bool,
    pub(in crate::route) usage: Option<Usage>,
    pub(in crate::route) cost: Cost,
}

impl Permit {
    pub(super) fn new(
        limiter: Arc<LimiterState>,
        request: Arc<AdmissionRequest>,
        reservation: Option<Reservation>,
    ) -> Self {
        let started_at = limiter.now();
        Self {
            limiter,
            request,
            grant: AdmissionGrant::default(),
            reservation,
            started_at,
            is_in_flight: false,
            has_unsettled_cost: false,
            has_started: false,
            is_granted: false,
        }
    }

    /// Sets what the permit releases when it is dropped.
    pub(super) fn set_grant(&mut self, grant: AdmissionGrant) {
        self.grant = grant;
    }

    pub(super) fn mark_in_flight(&mut self) {
        self.is_in_flight = true;
        self.is_granted = true;
        let mut in_flight = lock(&self.limiter.in_flight);
        // In most cases the entry exists, so the name need not be cloned.
        match in_flight.get_mut(&self.request.keys.provider_scope) {
            Some(count) => *count += 1,
            None => drop(in_flight.insert(self.request.keys.provider_scope.clone(), 1)),
        }
    }

    /// Runs the attempt and renews its leases while it runs.
    pub(in crate::route) async fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.has_unsettled_cost = true;
        self.has_started = true;
        self.started_at = self.limiter.now();
        if self.leases().is_empty() {
            return work.await;
        }
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(RENEW_INTERVAL, &mut work).await {
                Ok(output) => return output,
                Err(_) => self.renew_leases(),
            }
        }
    }

    fn renew_leases(&self) {
        self.limiter.store.enqueue(CallChange::RenewLeases(self.leases()));
    }

    fn leases(&self) -> Vec<Lease> {
        self.request.leases(self.grant, self.limiter.now())
    }

    /// The warning that admission caused, if the user has not seen it yet.
    pub(in crate::route) fn budget_warning(&self) -> Option<BudgetWarning> {
        self.limiter.first_budget_warning(self.grant)
    }

    /// Records how the attempt ended, its usage, and its cost. Returns a warning that the user has not seen
    /// yet.
    pub(in crate::route) fn settle(mut self, settlement: &AttemptSettlement) -> Option<BudgetWarning> {
        self.has_unsettled_cost = false;
        let in_flight = self.limiter.in_flight(&self.request.keys.provider_scope);
        let (started_at, now, scope) =
            (self.started_at, self.limiter.now(), self.request.keys.provider_scope.clone());
        if self.limiter.is_drill {
            // A drill's simulated faults say nothing about the provider's limits.
        } else if settlement.is_rate_limited {
            self.limiter.store.enqueue(CallChange::LowerConcurrency { scope, started_at, in_flight, now });
        } else if settlement.is_answered && self.grant.is_adaptive {
            self.limiter.store.enqueue(CallChange::RaiseConcurrency { scope, now });
        }
        if self.grant.rate {
            self.correct_rate_bucket(settlement.usage.as_ref(), settlement.is_answered);
        }
        match settlement.cost.nano_dollars {
            Some(cost) => {
                self.charge(cost);
                None
            }
            None => self.record_unknown_cost(),
        }
    }

    /// Replaces the expected tokens in the rate bucket with the actual ones.
    fn correct_rate_bucket(&self, usage: Option<&Usage>, answered: bool) {
        let used = match usage {
            Some(usage) => usage
                .input_tokens
                .zip(usage.output_tokens)
                .map(|(input, output)| input.saturating_add(output)),
            // A rejected request uses no tokens.
            None => (!answered).then_some(TokenCount::ZERO),
        };
        let Some(used) = used else { return };
        let tokens = signed(used) - signed(self.request.expected_tokens);
        self.add_to_rate_bucket(RateBucket { second: self.started_at / 1000, requests: 0, tokens });
    }

    fn add_to_rate_bucket(&self, amount: RateBucket) {
        let scope = self.request.keys.provider_scope.clone();
        self.limiter.store.enqueue(CallChange::AddToRateBucket { scope, amount });
    }

    fn charge(&self, cost: NanoDollars) {
        if let Some(reservation) = &self.reservation {
            reservation.charge(cost);
        }
        if cost > NanoDollars::ZERO || self.grant.reservation {
            self.record_spend(Spend { nano_dollars: cost, unpriced_calls: 0 });
        }
    }

    fn record_unknown_cost(&self) -> Option<BudgetWarning> {
        self.record_spend(Spend { nano_dollars: NanoDollars::ZERO, unpriced_calls: 1 });
        self.request.daily_budget?;
        self.limiter.first_price_warning(&self.request.keys.health)
    }

    fn record_spend(&self, spend: Spend) {
        if self.limiter.is_drill {
            return;
        }
        let (day, is_simulated) = (utc_day(self.limiter.now()), self.request.is_simulated);
        self.limiter.store.enqueue(if self.grant.reservation {
            let reservation = self.request.lease_in(
                self.request.reservation_scope(),
                self.request.expected_cost.unwrap_or(NanoDollars::ZERO),
                self.started_at,
            );
            CallChange::SettleReservation { reservation, day, is_simulated, spend }
        } else {
            CallChange::AddSpend { day, is_simulated, spend }
        });
    }
}

fn signed(tokens: TokenCount) -> i64 {
    i64::try_from(tokens.get()).unwrap_or(i64::MAX / 2)
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.has_unsettled_cost
            && let Some(cost) = self.request.expected_cost
        {
            // The caller gave up, but the request was sent and will be billed.
            self.charge(cost);
        }
        self.reservation = None;
        if self.is_granted && self.grant.rate && !self.has_started {
            // Nothing was sent, so undo the entry in the rate bucket.
            self.add_to_rate_bucket(RateBucket {
                second: self.started_at / 1000,
                requests: -1,
                tokens: -signed(self.request.expected_tokens),
            });
        }
        if self.is_in_flight {
            let mut in_flight = lock(&self.limiter.in_flight);
            if let Some(count) = in_flight.get_mut(&self.request.keys.provider_scope) {
                *count = count.saturating_sub(1);
            }
            drop(in_flight);
        }
        let scopes: Vec<String> = self.leases().into_iter().map(|lease| lease.scope).collect();
        if !scopes.is_empty() {
            let holder = self.request.lease_holder.clone();
            self.limiter.store.enqueue(CallChange::ReleaseLeases { scopes, holder });
        }
        if self.is_in_flight {
            // Waiting calls then check again.
            self.limiter.capacity_freed.notify_waiters();
        }
    }
}
