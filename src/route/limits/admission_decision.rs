//! Decides whether a call may start. Pure: the facts and the time are arguments.

use super::aimd;
use crate::chat::NanoDollars;
use crate::route::daily_budget::OnExceeded;
use crate::route::reasons::{BudgetExceeded, CapacityLimit};
use crate::route::store::{
    AdmissionDecision, AdmissionFacts, AdmissionGrant, AdmissionRequest, LeaseTotals, RateBucket,
};

/// Rate buckets are one second long, so a request counts for up to one second longer than a minute.
pub(crate) const WINDOW_SECS: i64 = 61;

pub(crate) fn decide_admission(
    facts: &AdmissionFacts,
    admission: &AdmissionRequest,
    now: i64,
) -> AdmissionDecision {
    let mut grant = AdmissionGrant::default();
    if let Some(denial) = check_daily_budget(facts, admission, &mut grant) {
        return denial;
    }
    let adaptive = aimd::active_limit(aimd::plausible_limit(facts.adaptive_concurrency, now), now);
    grant.is_adaptive = adaptive.is_some();
    let configured = admission.limits.concurrency.map(u64::from);
    let max = configured.map(|n| (n, false)).into_iter().chain(adaptive.map(|n| (n, true))).min();
    if let Some((max, is_adaptive)) = max {
        let leases = facts.provider_leases;
        let in_flight = if is_adaptive { leases.count.max(admission.in_flight) } else { leases.count };
        if in_flight + facts.queued_ahead.count >= max {
            let limit = if is_adaptive {
                CapacityLimit::AdaptiveConcurrency(max)
            } else {
                CapacityLimit::Concurrency(max)
            };
            return AdmissionDecision::AtLimit(limit, leases.earliest_expiry);
        }
        grant.provider_lease = true;
    }
    let recovery = u64::from(facts.health.recovery_concurrency);
    if recovery > 0 {
        let leases = facts.model_leases;
        if leases.count >= recovery {
            let limit = CapacityLimit::RecoveryConcurrency(recovery);
            return AdmissionDecision::AtLimit(limit, leases.earliest_expiry);
        }
        grant.model_lease = true;
    }
    if admission.has_rate_limit() {
        if let Some((limit, until)) = check_rate_limits(admission, &facts.rate_buckets, facts.queued_ahead) {
            return AdmissionDecision::AtLimit(limit, until);
        }
        grant.rate = true;
    }
    AdmissionDecision::Admit(grant)
}

/// The daily budget's denial, if any. Sets the reservation or the warning in `grant`.
fn check_daily_budget(
    facts: &AdmissionFacts,
    admission: &AdmissionRequest,
    grant: &mut AdmissionGrant,
) -> Option<AdmissionDecision> {
    let budget = admission.daily_budget?;
    // Free calls are always within the budget.
    let is_free = admission.expected_cost == Some(NanoDollars::ZERO);
    let Some(spent) = facts.spent_today else {
        let stops = budget.on_exceeded == OnExceeded::Stop && !is_free;
        return stops.then_some(AdmissionDecision::SpendingUnknown);
    };
    let exceeds_limit = |cost: NanoDollars| spent.saturating_add(cost) > budget.limit;
    let is_exceeded = match admission.expected_cost {
        Some(cost) => !is_free && exceeds_limit(cost),
        None => spent >= budget.limit,
    };
    let exceeded = BudgetExceeded {
        spent,
        limit: budget.limit,
        cost: admission.expected_cost,
        is_simulated: admission.is_simulated,
        is_daily: true,
    };
    match (budget.on_exceeded, admission.expected_cost.filter(|cost| *cost > NanoDollars::ZERO)) {
        (OnExceeded::Stop, _) if is_exceeded => return Some(AdmissionDecision::BudgetExceeded(exceeded)),
        (OnExceeded::Warn, _) => grant.budget_warning = is_exceeded.then_some(exceeded),
        (OnExceeded::Stop, Some(cost)) => {
            if exceeds_limit(cost.saturating_add(facts.reserved.nano_dollars)) {
                let limit = CapacityLimit::BudgetReserved;
                return Some(AdmissionDecision::AtLimit(limit, facts.reserved.earliest_expiry));
            }
            grant.reservation = true;
        }
        (OnExceeded::Stop, None) => {}
    }
    None
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
        blocked_until(
            signed(max.get()),
            signed(admission.expected_tokens.get()),
            signed(queued.tokens.get()),
            |bucket| bucket.tokens,
        )
        .map(|until| (CapacityLimit::TokensPerMinute(max), until))
    });
    requests.into_iter().chain(tokens).max_by_key(|(_, until)| *until)
}
