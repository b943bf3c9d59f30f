//! What admission asks for, what it depends on, and what it decides.

use super::{HealthRow, Lease, LeaseTotals, RateBucket, TargetKeys};
use crate::chat::{NanoDollars, TokenCount};
use crate::provider::ProviderLimits;
use crate::route::daily_budget::DailyBudget;
use crate::route::keys::RESERVATION_SCOPES;
use crate::route::reasons::{BudgetExceeded, CapacityLimit};
use crate::route::spans::LEASE_MS;

#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// A new random name for each acquisition.
    pub lease_holder: String,
    pub keys: TargetKeys,
    /// When the call joined the queue; `i64::MAX` if it is not queued.
    pub queued_since: i64,
    /// Holds the tickets of the first call in each process's queue.
    pub queue_scope: String,
    pub model_scope: String,
    pub limits: ProviderLimits,
    /// Calls of this process in flight at the provider; without an adaptive limit, they hold no leases.
    pub in_flight: u64,
    pub expected_tokens: TokenCount,
    /// `None` if the price is unknown.
    pub expected_cost: Option<NanoDollars>,
    pub daily_budget: Option<DailyBudget>,
    pub is_simulated: bool,
}

impl AdmissionRequest {
    pub(crate) fn lease_in(&self, scope: &str, nano_dollars: NanoDollars, now: i64) -> Lease {
        let (scope, holder) = (scope.to_owned(), self.lease_holder.clone());
        Lease { scope, holder, since: now, until: now + LEASE_MS, nano_dollars, tokens: TokenCount::ZERO }
    }

    pub(crate) fn reservation_scope(&self) -> &'static str {
        RESERVATION_SCOPES[usize::from(self.is_simulated)].0
    }

    pub(crate) fn has_rate_limit(&self) -> bool {
        self.limits.requests_per_minute.is_some() || self.limits.tokens_per_minute.is_some()
    }

    /// The leases of the call under a grant.
    pub(crate) fn leases(&self, grant: AdmissionGrant, now: i64) -> Vec<Lease> {
        let reserved = self.expected_cost.unwrap_or(NanoDollars::ZERO);
        let reservation = grant.reservation.then(|| (self.reservation_scope(), reserved));
        let provider = grant.provider_lease.then_some((self.keys.provider_scope.as_str(), NanoDollars::ZERO));
        let model = grant.model_lease.then_some((self.model_scope.as_str(), NanoDollars::ZERO));
        let scopes = [provider, model, reservation].into_iter().flatten();
        scopes.map(|(scope, nano_dollars)| self.lease_in(scope, nano_dollars, now)).collect()
    }
}

/// What the admission of a call depends on.
#[derive(Clone, Debug, Default)]
pub struct AdmissionFacts {
    /// Spending on the current UTC day, real or simulated as requested; `None` if it is unknown, because the
    /// file that records it cannot be read.
    pub spent_today: Option<NanoDollars>,
    /// Reservations of calls in flight.
    pub reserved: LeaseTotals,
    /// The adaptive concurrency limit, and the time of the last 429 in milliseconds since 1970.
    pub adaptive_concurrency: Option<(f64, i64)>,
    pub health: HealthRow,
    pub provider_leases: LeaseTotals,
    pub model_leases: LeaseTotals,
    /// Tickets of queued calls that come first.
    pub queued_ahead: LeaseTotals,
    pub rate_buckets: Vec<RateBucket>,
}

/// What an admitted call acquires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionGrant {
    /// A lease on the provider's concurrency.
    pub(crate) provider_lease: bool,
    /// Whether the provider has an adaptive concurrency limit.
    pub(crate) is_adaptive: bool,
    /// A lease on the model's recovery concurrency.
    pub(crate) model_lease: bool,
    /// An entry in the current rate bucket.
    pub(crate) rate: bool,
    /// A reservation of money.
    pub(crate) reservation: bool,
    /// The daily budget is exceeded, but the call is made with a warning.
    pub(crate) budget_warning: Option<BudgetExceeded>,
}

impl AdmissionGrant {
    pub(crate) const ALL: Self = Self {
        provider_lease: true,
        is_adaptive: false,
        model_lease: true,
        rate: true,
        reservation: true,
        budget_warning: None,
    };

    /// Whether nothing has to be acquired.
    pub(crate) fn is_free(self) -> bool {
        !(self.provider_lease || self.model_lease || self.rate || self.reservation)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmissionDecision {
    Admit(AdmissionGrant),
    /// The time is the latest at which capacity becomes free, in milliseconds since 1970.
    AtLimit(CapacityLimit, i64),
    BudgetExceeded(BudgetExceeded),
    /// Today's spending cannot be read, so a budget that stops calls cannot permit one.
    SpendingUnknown,
}
