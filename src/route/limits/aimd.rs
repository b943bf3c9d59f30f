//! Adaptive concurrency limit of a provider after 429s: half of the previous concurrency, raised a little
//! with each success (additive increase, multiplicative decrease; Chiu and Jain, 1989). A stored limit is a
//! pair of the limit and the time of the last 429, in milliseconds since 1970.

use crate::route::clock_skew::latest_past_time;

/// The limit is dropped after this long without a 429.
const FORGET_AFTER_MS: i64 = 600_000;

/// Minimum concurrency assumed at the first 429.
const ASSUMED_CONCURRENCY: u64 = 8;

/// The limit is dropped when it grows beyond this.
const MAX_LIMIT: f64 = 64.0;

/// The stored limit, unless its time is implausible.
pub(crate) fn plausible_limit(stored: Option<(f64, i64)>, now: i64) -> Option<(f64, i64)> {
    stored.filter(|(_, at)| *at <= latest_past_time(now))
}

/// The limit in force; `None` if there is none.
pub(crate) fn active_limit(stored: Option<(f64, i64)>, now: i64) -> Option<u64> {
    stored.filter(|(_, at)| now - at < FORGET_AFTER_MS).map(|(limit, _)| limit.max(1.0) as u64)
}

/// The new limit after a 429 for a call that started at `started_at`. `in_flight` is the number of this
/// process's calls, and `leases` that of all calls with a lease. `None` if nothing changes.
pub(crate) fn limit_after_429(
    stored: Option<(f64, i64)>,
    started_at: i64,
    in_flight: u64,
    leases: u64,
    now: i64,
) -> Option<(f64, i64)> {
    // In a burst, many calls get a 429. Those that were in flight at the last 429 add no information.
    if stored.is_some_and(|(_, at)| at >= started_at) {
        return None;
    }
    let counted = in_flight.max(leases);
    // Before the first 429, calls of other processes hold no leases and cannot be counted.
    let concurrency = if stored.is_some() { counted } else { counted.max(ASSUMED_CONCURRENCY) } as f64;
    let concurrency = active_limit(stored, now).map_or(concurrency, |limit| concurrency.min(limit as f64));
    Some(((concurrency / 2.0).max(1.0), now))
}

/// The stored limit after a success; `None` removes it.
pub(crate) fn limit_after_success((limit, at): (f64, i64), now: i64) -> Option<(f64, i64)> {
    let raised = limit + 1.0 / limit.max(1.0);
    let is_obsolete = now - at >= FORGET_AFTER_MS || raised > MAX_LIMIT;
    (!is_obsolete).then_some((raised, at))
}
