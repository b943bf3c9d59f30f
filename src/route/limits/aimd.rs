//! How many calls at once a provider is given since it refused some: half of what it had, and a little more with each
//! success (additive increase, multiplicative decrease; Chiu and Jain, 1989).

use crate::ledger::{LedgerTables, SqlResult};
use crate::route::clock_skew::{latest_past_time, live_lease_ends};

/// It is forgotten after so long without a refusal.
const FORGET_AFTER_MS: i64 = 600_000;

/// So many calls at once are thought to be there at least, at a first refusal.
const ASSUMED_CONCURRENCY: u64 = 8;

/// It is forgotten when so many are given.
const MAX_LIMIT: f64 = 64.0;

/// What a provider is given and since when, as far as that is believed.
fn stored_limit(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<Option<(f64, i64)>> {
    Ok(rows.adaptive_concurrency(scope)?.filter(|(_, at)| *at <= latest_past_time(now)))
}

/// What the provider is given; `None` when nothing holds.
pub(super) fn current_limit(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<Option<u64>> {
    Ok(active_limit(stored_limit(rows, scope, now)?, now))
}

fn active_limit(row: Option<(f64, i64)>, now: i64) -> Option<u64> {
    row.filter(|(_, at)| now - at < FORGET_AFTER_MS).map(|(allowed, _)| allowed.max(1.0) as u64)
}

/// A call that began at that time was refused, while so many of this process were in flight.
pub(super) fn record_rate_limit(
    rows: &LedgerTables<'_>,
    scope: &str,
    began: i64,
    in_flight: u64,
    now: i64,
) -> SqlResult<()> {
    let row = stored_limit(rows, scope, now)?;
    // Of a burst, all are refused: those that were under way at the last refusal say nothing new.
    if row.is_some_and(|(_, at)| at >= began) {
        return Ok(());
    }
    let counted = in_flight.max(rows.lease_totals(scope, live_lease_ends(now))?.count);
    // Before the first refusal nothing holds the calls of other processes to leases, so nobody knows how many there are.
    let had = if row.is_some() { counted } else { counted.max(ASSUMED_CONCURRENCY) } as f64;
    let had = active_limit(row, now).map_or(had, |given| had.min(given as f64));
    rows.put_adaptive_concurrency(scope, Some(((had / 2.0).max(1.0), now)))
}

/// A call succeeded that was given under this rule.
pub(super) fn record_success(rows: &LedgerTables<'_>, scope: &str, now: i64) -> SqlResult<()> {
    let Some((allowed, at)) = stored_limit(rows, scope, now)? else { return Ok(()) };
    let more = allowed + 1.0 / allowed.max(1.0);
    let over = now - at >= FORGET_AFTER_MS || more > MAX_LIMIT;
    rows.put_adaptive_concurrency(scope, (!over).then_some((more, at)))
}
