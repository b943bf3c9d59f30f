//! Whether a call may begin, by what the ledger says. Time by argument.

use std::fmt;

use super::admission_request::AdmissionRequest;
use super::{BudgetExceeded, OnExceeded, aimd, expired_leases, utc_day};
use crate::chat::pluralize;
use crate::ledger::{LeaseTotals, LedgerTables, RateBucket, SqlResult};
use crate::route::clock_skew::{live_lease_ends, seconds_since};

/// Pace is kept by the second, so that what was begun counts for up to a second more than a minute.
const WINDOW_SECS: i64 = 61;

/// What there is no more of for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapacityLimit {
    /// So many calls at once are what `limits` gives the provider.
    Concurrency(u64),
    /// So many calls at once are what it is given since it refused some.
    AdaptiveConcurrency(u64),
    /// So many calls at once are what the model is given since its breaker closed.
    RecoveryConcurrency(u64),
    /// So many requests a minute.
    RequestsPerMinute(u64),
    /// So many tokens a minute.
    TokensPerMinute(u64),
    /// What calls in flight may cost would use the money up.
    BudgetReserved,
    /// Other calls of this process wait for it already.
    QueueOccupied,
}

impl CapacityLimit {
    /// Whether those who wait for it stand in one line with those of other processes.
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
            Self::Concurrency(n) => write!(f, "it has its {} at once", calls(n)),
            Self::AdaptiveConcurrency(n) => {
                write!(f, "it asked for less, and has the {} at once that it is given", calls(n))
            }
            Self::RecoveryConcurrency(n) => {
                write!(f, "its breaker has just closed, and it has the {} at once that it is given", calls(n))
            }
            Self::RequestsPerMinute(1) => f.write_str("it has had its one request a minute"),
            Self::RequestsPerMinute(n) => write!(f, "it has had its {n} requests a minute"),
            Self::TokensPerMinute(n) => write!(f, "it has had its {} a minute", pluralize(*n, "token")),
            Self::BudgetReserved => f.write_str("what calls in flight may cost would use the money up"),
            Self::QueueOccupied => f.write_str("other calls wait for it already"),
        }
    }
}

/// What a call is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AdmissionGrant {
    /// A place among the provider's calls.
    pub(super) provider_lease: bool,
    /// The provider is given less since it complained.
    pub(super) is_adaptive: bool,
    /// A place among the model's calls.
    pub(super) model_lease: bool,
    /// A share of the minute.
    pub(super) rate: bool,
    /// Money, set aside.
    pub(super) reservation: bool,
    /// The budget is used up, and that is only told.
    pub(super) budget_warning: Option<BudgetExceeded>,
}

impl AdmissionGrant {
    /// Everything that can be held.
    pub(super) const ALL: Self = Self {
        provider_lease: true,
        is_adaptive: false,
        model_lease: true,
        rate: true,
        reservation: true,
        budget_warning: None,
    };

    /// Whether nothing has to be taken for it.
    pub(super) fn is_free(self) -> bool {
        !(self.provider_lease || self.model_lease || self.rate || self.reservation)
    }
}

/// Whether a call may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AdmissionDecision {
    /// It may.
    Admit(AdmissionGrant),
    /// Not before something is free, at that time at the latest.
    AtLimit(CapacityLimit, i64),
    /// Not for that money.
    BudgetExceeded(BudgetExceeded),
}

impl Default for AdmissionDecision {
    /// A ledger that cannot be read holds nobody up.
    fn default() -> Self {
        Self::Admit(AdmissionGrant::default())
    }
}

/// Whether a call may begin.
pub(super) fn decide_admission(
    rows: &LedgerTables<'_>,
    ask: &AdmissionRequest,
    now: i64,
) -> SqlResult<AdmissionDecision> {
    let mut grant = AdmissionGrant::default();
    if let Some(verdict) = check_daily_budget(rows, ask, now, &mut grant)? {
        return Ok(verdict);
    }
    let eased = aimd::current_limit(rows, &ask.provider_scope, now)?;
    grant.is_adaptive = eased.is_some();
    let own = ask.limits.concurrency.map(u64::from);
    let most = own.map(|n| (n, false)).into_iter().chain(eased.map(|n| (n, true)));
    let most = most.min();
    let paced = ask.limits.requests_per_minute.is_some() || ask.limits.tokens_per_minute.is_some();
    let ahead = if most.is_some() || paced {
        rows.lease_totals_before(&ask.queue_scope, live_lease_ends(now), ask.queued_since, &ask.lease_holder)?
    } else {
        LeaseTotals::default()
    };
    if let Some((most, eased)) = most {
        let leases = rows.lease_totals(&ask.provider_scope, live_lease_ends(now))?;
        let in_flight = if eased { leases.count.max(ask.in_flight) } else { leases.count };
        if in_flight + ahead.count >= most {
            let full = if eased {
                CapacityLimit::AdaptiveConcurrency(most)
            } else {
                CapacityLimit::Concurrency(most)
            };
            return Ok(AdmissionDecision::AtLimit(full, leases.earliest_expiry));
        }
        grant.provider_lease = true;
    }
    let ramp = u64::from(rows.health(&ask.health_key)?.recovery_concurrency);
    if ramp > 0 {
        let leases = rows.lease_totals(&ask.model_scope, live_lease_ends(now))?;
        if leases.count >= ramp {
            return Ok(AdmissionDecision::AtLimit(
                CapacityLimit::RecoveryConcurrency(ramp),
                leases.earliest_expiry,
            ));
        }
        grant.model_lease = true;
    }
    if paced {
        let begun =
            rows.rate_buckets(&ask.provider_scope, seconds_since(now / 1000 - WINDOW_SECS + 1, now))?;
        if let Some((full, until)) = check_rate_limits(ask, &begun, ahead) {
            return Ok(AdmissionDecision::AtLimit(full, until));
        }
        grant.rate = true;
    }
    Ok(AdmissionDecision::Admit(grant))
}

/// Decides, and takes what is given.
pub(super) fn decide_and_acquire(
    rows: &LedgerTables<'_>,
    ask: &AdmissionRequest,
    now: i64,
) -> SqlResult<AdmissionDecision> {
    expired_leases::settle_expired(rows, now)?;
    let verdict = decide_admission(rows, ask, now)?;
    let AdmissionDecision::Admit(grant) = &verdict else { return Ok(verdict) };
    rows.release_lease(&ask.queue_scope, &ask.lease_holder)?;
    lease_scopes(ask, *grant)
        .try_for_each(|(scope, nano)| rows.acquire_lease(&ask.lease_in(scope, nano, now)))?;
    if grant.rate {
        let second = now / 1000;
        let tokens = i64::try_from(ask.expected_tokens).unwrap_or(i64::MAX / 2);
        rows.add_to_rate_bucket(&ask.provider_scope, RateBucket { second, requests: 1, tokens })?;
        rows.retain_rate_buckets(seconds_since(second - WINDOW_SECS, now))?;
    }
    Ok(verdict)
}

/// Where a call has leases, and what it sets aside there.
pub(super) fn lease_scopes(
    ask: &AdmissionRequest,
    grant: AdmissionGrant,
) -> impl Iterator<Item = (&str, u64)> {
    let money = grant.reservation.then(|| (ask.reservation_scope(), ask.expected_cost.unwrap_or(0)));
    let provider = grant.provider_lease.then_some((ask.provider_scope.as_str(), 0));
    let model = grant.model_lease.then_some((ask.model_scope.as_str(), 0));
    [provider, model, money].into_iter().flatten()
}

/// What the budget says against it.
fn check_daily_budget(
    rows: &LedgerTables<'_>,
    ask: &AdmissionRequest,
    now: i64,
    grant: &mut AdmissionGrant,
) -> SqlResult<Option<AdmissionDecision>> {
    let Some(budget) = ask.daily_budget else { return Ok(None) };
    let spent = rows.spend(&utc_day(now), ask.is_simulated)?.nano_dollars;
    let over = |cost: u64| spent.saturating_add(cost) > budget.limit;
    let used_up = match ask.expected_cost {
        // What costs nothing can always be afforded.
        Some(0) => false,
        Some(cost) => over(cost),
        None => spent >= budget.limit,
    };
    let said = BudgetExceeded {
        spent,
        limit: budget.limit,
        cost: ask.expected_cost,
        is_simulated: ask.is_simulated,
        is_daily: true,
    };
    match (budget.on_exceeded, ask.expected_cost.filter(|cost| *cost > 0)) {
        (OnExceeded::Stop, _) if used_up => return Ok(Some(AdmissionDecision::BudgetExceeded(said))),
        (OnExceeded::Warn, _) => grant.budget_warning = used_up.then_some(said),
        (OnExceeded::Stop, Some(cost)) => {
            let aside = rows.lease_totals(ask.reservation_scope(), live_lease_ends(now))?;
            if over(cost.saturating_add(aside.nano_dollars)) {
                return Ok(Some(AdmissionDecision::AtLimit(
                    CapacityLimit::BudgetReserved,
                    aside.earliest_expiry,
                )));
            }
            grant.reservation = true;
        }
        (OnExceeded::Stop, None) => {}
    }
    Ok(None)
}

/// What of the minute is used up, and when enough of it has passed. Those who wait for longer count as if they had begun.
fn check_rate_limits(
    ask: &AdmissionRequest,
    begun: &[RateBucket],
    waiting: LeaseTotals,
) -> Option<(CapacityLimit, i64)> {
    let wait = |most: i64, asked: i64, ahead: i64, of: fn(&RateBucket) -> i64| {
        let mut left = begun.iter().map(of).sum::<i64>().saturating_add(ahead);
        // What is larger than the whole limit goes when it is alone: it would never be smaller.
        let fits = |left: i64| left <= 0 || left.saturating_add(asked) <= most;
        if fits(left) {
            return None;
        }
        let passed = begun.iter().find(|pace| {
            left -= of(pace);
            fits(left)
        });
        // Where all of the minute is not enough, it is those who wait that are in the way.
        Some(passed.map_or(waiting.earliest_expiry, |pace| (pace.second + WINDOW_SECS) * 1000))
    };
    let limit = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let requests = ask.limits.requests_per_minute.map(u64::from).and_then(|most| {
        wait(limit(most), 1, limit(waiting.count), |pace| pace.requests)
            .map(|until| (CapacityLimit::RequestsPerMinute(most), until))
    });
    let tokens = ask.limits.tokens_per_minute.and_then(|most| {
        wait(limit(most), limit(ask.expected_tokens), limit(waiting.tokens), |pace| pace.tokens)
            .map(|until| (CapacityLimit::TokensPerMinute(most), until))
    });
    requests.into_iter().chain(tokens).max_by_key(|(_, until)| *until)
}
