//! Decides from the ledger whether a call may start. The time is an argument.

use std::fmt;

use super::admission_request::AdmissionRequest;
use super::{BudgetExceeded, OnExceeded, aimd, expired_leases, utc_day};
use crate::chat::pluralize;
use crate::ledger::{LeaseTotals, LedgerTables, RateBucket, SqlResult};
use crate::route::clock_skew::{live_lease_ends, seconds_since};

/// Rate buckets are one second long, so a request counts for up to one second longer than a minute.
const WINDOW_SECS: i64 = 61;

/// The limit that keeps a call from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapacityLimit {
    /// The configured maximum of calls in flight.
    Concurrency(u64),
    /// The maximum of calls in flight since the provider last answered with 429.
    AdaptiveConcurrency(u64),
    /// The maximum of calls in flight while the model recovers after its breaker closed.
    RecoveryConcurrency(u64),
    RequestsPerMinute(u64),
    TokensPerMinute(u64),
    /// The budget is not spent, but calls in flight have reserved the rest.
    BudgetReserved,
    /// Other calls of this process are already queued.
    QueueOccupied,
}

impl CapacityLimit {
    /// Whether calls waiting for this limit queue across processes.
    pub(super) fn has_shared_queue(&self) -> bool {
        match self {
            Self::Concurrency(_)
            | Self::AdaptiveConcurrency(_)
            | Self::RequestsPerMinute(_)
            | Self::TokensPerMinute(_) => true,
            Self::RecoveryConcurrency(_) | Self::BudgetReserved | Self::QueueOccupied => false,
        }
    }
}

impl fmt::Display for CapacityLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = |n: &u64| pluralize(*n, "call");
        match self {
            Self::Concurrency(n) => write!(f, "at its concurrency limit ({})", calls(n)),
            Self::AdaptiveConcurrency(n) => {
                write!(f, "at its concurrency limit, reduced after rate limiting ({})", calls(n))
            }
            Self::RecoveryConcurrency(n) => {
                write!(
                    f,
                    "at its concurrency limit, reduced while the circuit breaker recovers ({})",
                    calls(n)
                )
            }
            Self::RequestsPerMinute(1) => f.write_str("at its limit of 1 request per minute"),
            Self::RequestsPerMinute(n) => write!(f, "at its limit of {n} requests per minute"),
            Self::TokensPerMinute(n) => write!(f, "at its limit of {} per minute", pluralize(*n, "token")),
            Self::BudgetReserved => f.write_str("calls in flight have reserved the rest of the budget"),
            Self::QueueOccupied => f.write_str("other calls are already queued for it"),
        }
    }
}

/// What an admitted call acquires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AdmissionGrant {
    /// A lease on the provider's concurrency.
    pub(super) provider_lease: bool,
    /// Whether the provider has an adaptive concurrency limit.
    pub(super) is_adaptive: bool,
    /// A lease on the model's recovery concurrency.
    pub(super) model_lease: bool,
    /// An entry in the current rate bucket.
    pub(super) rate: bool,
    /// A reservation of money.
    pub(super) reservation: bool,
    /// The daily budget is exceeded, but the call is made with a warning.
    pub(super) budget_warning: Option<BudgetExceeded>,
}

impl AdmissionGrant {
    pub(super) const ALL: Self = Self {
        provider_lease: true,
        is_adaptive: false,
        model_lease: true,
        rate: true,
        reservation: true,
        budget_warning: None,
    };

    /// Whether nothing has to be acquired.
    pub(super) fn is_free(self) -> bool {
        !(self.provider_lease || self.model_lease || self.rate || self.reservation)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AdmissionDecision {
    Admit(AdmissionGrant),
    /// The time is the latest at which capacity becomes free, in milliseconds since 1970.
    AtLimit(CapacityLimit, i64),
    BudgetExceeded(BudgetExceeded),
}

impl Default for AdmissionDecision {
    /// If the ledger cannot be read, calls are admitted.
    fn default() -> Self {
        Self::Admit(AdmissionGrant::default())
    }
}

pub(super) fn decide_admission(
    rows: &LedgerTables<'_>,
    admission: &AdmissionRequest,
    now: i64,
) -> SqlResult<AdmissionDecision> {
    let mut grant = AdmissionGrant::default();
    if let Some(denial) = check_daily_budget(rows, admission, now, &mut grant)? {
        return Ok(denial);
    }
    let adaptive = aimd::current_limit(rows, &admission.provider_scope, now)?;
    grant.is_adaptive = adaptive.is_some();
    let configured = admission.limits.concurrency.map(u64::from);
    let max = configured.map(|n| (n, false)).into_iter().chain(adaptive.map(|n| (n, true)));
    let max = max.min();
    let has_rate_limit =
        admission.limits.requests_per_minute.is_some() || admission.limits.tokens_per_minute.is_some();
    let ahead = if max.is_some() || has_rate_limit {
        rows.lease_totals_before(
            &admission.queue_scope,
            live_lease_ends(now),
            admission.queued_since,
            &admission.lease_holder,
        )?
    } else {
        LeaseTotals::default()
    };
    if let Some((max, is_adaptive)) = max {
        let leases = rows.lease_totals(&admission.provider_scope, live_lease_ends(now))?;
        let in_flight = if is_adaptive { leases.count.max(admission.in_flight) } else { leases.count };
        if in_flight + ahead.count >= max {
            let limit = if is_adaptive {
                CapacityLimit::AdaptiveConcurrency(max)
            } else {
                CapacityLimit::Concurrency(max)
            };
            return Ok(AdmissionDecision::AtLimit(limit, leases.earliest_expiry));
        }
        grant.provider_lease = true;
    }
    let recovery = u64::from(rows.health(&admission.health_key)?.recovery_concurrency);
    if recovery > 0 {
        let leases = rows.lease_totals(&admission.model_scope, live_lease_ends(now))?;
        if leases.count >= recovery {
            return Ok(AdmissionDecision::AtLimit(
                CapacityLimit::RecoveryConcurrency(recovery),
                leases.earliest_expiry,
            ));
        }
        grant.model_lease = true;
    }
    if has_rate_limit {
        let buckets =
            rows.rate_buckets(&admission.provider_scope, seconds_since(now / 1000 - WINDOW_SECS + 1, now))?;
        if let Some((limit, until)) = check_rate_limits(admission, &buckets, ahead) {
            return Ok(AdmissionDecision::AtLimit(limit, until));
        }
        grant.rate = true;
    }
    Ok(AdmissionDecision::Admit(grant))
}

/// Decides whether a call may start, and if so, acquires what it needs.
pub(super) fn decide_and_acquire(
    rows: &LedgerTables<'_>,
    admission: &AdmissionRequest,
    now: i64,
) -> SqlResult<AdmissionDecision> {
    expired_leases::settle_expired(rows, now)?;
    let decision = decide_admission(rows, admission, now)?;
    let AdmissionDecision::Admit(grant) = &decision else { return Ok(decision) };
    rows.release_lease(&admission.queue_scope, &admission.lease_holder)?;
    lease_scopes(admission, *grant)
        .try_for_each(|(scope, nano)| rows.acquire_lease(&admission.lease_in(scope, nano, now)))?;
    if grant.rate {
        let second = now / 1000;
        let tokens = i64::try_from(admission.expected_tokens).unwrap_or(i64::MAX / 2);
        rows.add_to_rate_bucket(&admission.provider_scope, RateBucket { second, requests: 1, tokens })?;
        rows.retain_rate_buckets(seconds_since(second - WINDOW_SECS, now))?;
    }
    Ok(decision)
}

/// The scopes of a call's leases, with the money reserved in each.
pub(super) fn lease_scopes(
    admission: &AdmissionRequest,
    grant: AdmissionGrant,
) -> impl Iterator<Item = (&str, u64)> {
    let reservation =
        grant.reservation.then(|| (admission.reservation_scope(), admission.expected_cost.unwrap_or(0)));
    let provider = grant.provider_lease.then_some((admission.provider_scope.as_str(), 0));
    let model = grant.model_lease.then_some((admission.model_scope.as_str(), 0));
    [provider, model, reservation].into_iter().flatten()
}

/// The daily budget's denial, if any. Sets the reservation or the warning in `grant`.
fn check_daily_budget(
    rows: &LedgerTables<'_>,
    admission: &AdmissionRequest,
    now: i64,
    grant: &mut AdmissionGrant,
) -> SqlResult<Option<AdmissionDecision>> {
    let Some(budget) = admission.daily_budget else { return Ok(None) };
    let spent = rows.spend(&utc_day(now), admission.is_simulated)?.nano_dollars;
    let exceeds_limit = |cost: u64| spent.saturating_add(cost) > budget.limit;
    let is_exceeded = match admission.expected_cost {
        // Free calls are always within the budget.
        Some(0) => false,
        Some(cost) => exceeds_limit(cost),
        None => spent >= budget.limit,
    };
    let exceeded = BudgetExceeded {
        spent,
        limit: budget.limit,
        cost: admission.expected_cost,
        is_simulated: admission.is_simulated,
        is_daily: true,
    };
    match (budget.on_exceeded, admission.expected_cost.filter(|cost| *cost > 0)) {
        (OnExceeded::Stop, _) if is_exceeded => return Ok(Some(AdmissionDecision::BudgetExceeded(exceeded))),
        (OnExceeded::Warn, _) => grant.budget_warning = is_exceeded.then_some(exceeded),
        (OnExceeded::Stop, Some(cost)) => {
            let reserved = rows.lease_totals(admission.reservation_scope(), live_lease_ends(now))?;
            if exceeds_limit(cost.saturating_add(reserved.nano_dollars)) {
                return Ok(Some(AdmissionDecision::AtLimit(
                    CapacityLimit::BudgetReserved,
                    reserved.earliest_expiry,
                )));
            }
            grant.reservation = true;
        }
        (OnExceeded::Stop, None) => {}
    }
    Ok(None)
}

/// The rate limit that is reached, and when it has enough capacity again. Calls ahead in the queue count as
/// if they had started.
fn check_rate_limits(
    admission: &AdmissionRequest,
    buckets: &[RateBucket],
    queued: LeaseTotals,
) -> Option<(CapacityLimit, i64)> {
    let blocked_until = |max: i64, needed: i64, ahead: i64, amount_of: fn(&RateBucket) -> i64| {
        let mut used = buckets.iter().map(amount_of).sum::<i64>().saturating_add(ahead);
        // A request larger than the whole limit is admitted alone; it would wait forever otherwise.
        let fits = |used: i64| used <= 0 || used.saturating_add(needed) <= max;
        if fits(used) {
            return None;
        }
        let freed = buckets.iter().find(|bucket| {
            used -= amount_of(bucket);
            fits(used)
        });
        // If even an empty window is not enough, the calls ahead in the queue need the capacity.
        Some(freed.map_or(queued.earliest_expiry, |bucket| (bucket.second + WINDOW_SECS) * 1000))
    };
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let requests = admission.limits.requests_per_minute.map(u64::from).and_then(|max| {
        blocked_until(signed(max), 1, signed(queued.count), |bucket| bucket.requests)
            .map(|until| (CapacityLimit::RequestsPerMinute(max), until))
    });
    let tokens = admission.limits.tokens_per_minute.and_then(|max| {
        blocked_until(signed(max), signed(admission.expected_tokens), signed(queued.tokens), |bucket| {
            bucket.tokens
        })
        .map(|until| (CapacityLimit::TokensPerMinute(max), until))
    });
    requests.into_iter().chain(tokens).max_by_key(|(_, until)| *until)
}
