//! Cleans up after processes that died or stalled while holding leases.

use super::admission_request::RESERVATION_SCOPES;
use super::{LEASE_MS, utc_day};
use crate::ledger::{Lease, LedgerTables, Spend, SqlResult};
use crate::route::clock_skew::live_lease_ends;

/// Removes expired leases. Their reservations are counted as spent, because the requests were sent.
pub(super) fn settle_expired(rows: &LedgerTables<'_>, now: i64) -> SqlResult<()> {
    for (scope, simulated) in RESERVATION_SCOPES {
        for lease in rows.expired_leases(scope, live_lease_ends(now))? {
            let spent = Spend { nano_dollars: lease.nano_dollars, unpriced_calls: 0 };
            rows.add_spend(&utc_day(lease.since), simulated, spent)?;
            rows.release_lease(scope, &lease.holder)?;
            // The process may just be suspended, and report the actual cost later.
            rows.acquire_lease(&Lease { scope: counted_scope(scope), until: now + LEASE_MS, ..lease })?;
        }
    }
    rows.remove_expired_leases(live_lease_ends(now))
}

/// Extends a lease that is still in use. If its reservation was already counted as spent, it stays counted.
pub(super) fn renew_lease(rows: &LedgerTables<'_>, lease: &Lease) -> SqlResult<()> {
    if rows.extend_lease(&counted_scope(&lease.scope), &lease.holder, lease.until)? {
        return Ok(());
    }
    rows.acquire_lease(lease)
}

/// Records the actual cost of a call. If its lease expired, this replaces the amount counted then.
pub(super) fn record_final_spend(
    rows: &LedgerTables<'_>,
    call: &Lease,
    simulated: bool,
    day: &str,
    spend: Spend,
) -> SqlResult<()> {
    if rows.release_lease(&counted_scope(&call.scope), &call.holder)? {
        rows.subtract_spend(&utc_day(call.since), simulated, call.nano_dollars)?;
    }
    rows.add_spend(day, simulated, spend)
}

/// The scope of calls whose reservation was counted as spent before they ended.
fn counted_scope(scope: &str) -> String {
    format!("{scope}, counted")
}
