//! Adaptive concurrency limit of a provider after 429s: half of the previous concurrency, raised a little
//! with each success (additive increase, multiplicative decrease; Chiu and Jain, 1989).

use crate::ledger::{LedgerTables, SqlResult};
use crate::route::clock_skew::{latest_past_time, live_lease_ends};

/// The limit is dropped after this long without a 429.
const FORGET_AFTER_MS: i64 = 600_000;

/// Minimum concurrency assumed at the first 429.
const ASSUMED_CONCURRENCY: u64 = 8;

/// The limit is dropped when it grows beyond this.
const MAX_LIMIT: f64 = 64.0;

/// The stored limit and the time of the last 429, unless that time is implausible.
fn stored_limit(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<Option<(f64, i64)>> {
    Ok(rows.adaptive_concurrency(scope)?.filter(|(_, at)| *at <= latest_past_time(now)))
}

/// The adaptive limit; `None` if none is in force.
pub(super) fn current_limit(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<Option<u64>> {
    Ok(active_limit(stored_limit(rows, scope, now)?, now))
}

fn active_limit(row: Option<(f64, i64)>, now: i64) -> Option<u64> {
    row.filter(|(_, at)| now - at < FORGET_AFTER_MS).map(|(limit, _)| limit.max(1.0) as u64)
}

/// Lowers the limit after a 429 for a call that started at `started_at`, with `in_flight` calls of this
/// process.
pub(super) fn record_rate_limit(
    rows: &LedgerTables<'_>,
    scope: &str,
    started_at: i64,
    in_flight: u64,
    now: i64,
) -> SqlResult<()> {
    let row = stored_limit(rows, scope, now)?;
    // In a burst, many calls get a 429. Those that were in flight at the last 429 add no information.
    if row.is_some_and(|(_, at)| at >= started_at) {
        return Ok(());
    }
    let counted = in_flight.max(rows.lease_totals(scope, live_lease_ends(now))?.count);
    // Before the first 429, calls of other processes hold no leases and cannot be counted.
    let concurrency = if row.is_some() { counted } else { counted.max(ASSUMED_CONCURRENCY) } as f64;
    let concurrency = active_limit(row, now).map_or(concurrency, |limit| concurrency.min(limit as f64));
    rows.put_adaptive_concurrency(scope, Some(((concurrency / 2.0).max(1.0), now)))
}

/// Raises the limit after a success.
pub(super) fn record_success(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<()> {
    let Some((limit, at)) = stored_limit(rows, scope, now)? else { return Ok(()) };
    let raised = limit + 1.0 / limit.max(1.0);
    let is_obsolete = now - at >= FORGET_AFTER_MS || raised > MAX_LIMIT;
    rows.put_adaptive_concurrency(scope, (!is_obsolete).then_some((raised, at)))
}
