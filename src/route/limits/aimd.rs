//! How many calls at once a provider is given since it refused some: half of what it had, and a little more with each
//! success (additive increase, multiplicative decrease; Chiu and Jain, 1989).

use crate::ledger::{RowResult, Rows};

/// It is forgotten after so long without a refusal.
const QUIET: i64 = 600_000;

/// So many calls at once are thought to be there at least, at a first refusal.
const UNKNOWN: u64 = 8;

/// It is forgotten when so many are given.
const CAP: f64 = 64.0;

/// What the provider is given; `None` when nothing holds.
pub(super) fn at_once(row: Option<(f64, i64)>, now: i64) -> Option<u64> {
    row.filter(|(_, at)| now - at < QUIET).map(|(allowed, _)| allowed.max(1.0) as u64)
}

/// A call that began at that time was refused, while so many of this process were in flight.
pub(super) fn refused(rows: &Rows<'_>, scope: &str, began: i64, in_flight: u64, now: i64) -> RowResult<()> {
    let row = rows.allowed(scope)?;
    // Of a burst, all are refused: those that were under way at the last refusal say nothing new.
    if row.is_some_and(|(_, at)| at >= began) {
        return Ok(());
    }
    let known = in_flight.max(rows.leases(scope, now)?.count);
    // Before the first refusal nothing holds the calls of other processes to leases, so nobody knows how many there are.
    let had = if row.is_some() { known } else { known.max(UNKNOWN) } as f64;
    let had = at_once(row, now).map_or(had, |given| had.min(given as f64));
    rows.put_allowed(scope, Some(((had / 2.0).max(1.0), now)))
}

/// A call succeeded that was given under this rule.
pub(super) fn succeeded(rows: &Rows<'_>, scope: &str, now: i64) -> RowResult<()> {
    let Some((allowed, at)) = rows.allowed(scope)? else { return Ok(()) };
    let more = allowed + 1.0 / allowed.max(1.0);
    let over = now - at >= QUIET || more > CAP;
    rows.put_allowed(scope, (!over).then_some((more, at)))
}
