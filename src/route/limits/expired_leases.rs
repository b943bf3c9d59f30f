//! What processes left behind that did not live to give it back.

use super::admission_request::RESERVATION_SCOPES;
use super::{LEASE_MS, utc_day};
use crate::ledger::{Lease, LedgerTables, Spend, SqlResult};
use crate::route::clock_skew::live_lease_ends;

/// Forgets leases that have ended. Money that was set aside for a call is spent then: its request had left.
pub(super) fn settle_expired(rows: &LedgerTables<'_>, now: i64) -> SqlResult<()> {
    for (money, simulated) in RESERVATION_SCOPES {
        for lease in rows.expired_leases(money, live_lease_ends(now))? {
            let spent = Spend { nano_dollars: lease.nano_dollars, unpriced_calls: 0 };
            rows.add_spend(&utc_day(lease.since), simulated, spent)?;
            rows.release_lease(money, &lease.holder)?;
            // It may only have slept, and go on to say what its call did cost.
            rows.acquire_lease(&Lease { scope: booked_scope(money), until: now + LEASE_MS, ..lease })?;
        }
    }
    rows.remove_expired_leases(live_lease_ends(now))
}

/// Keeps a lease that is still in use. One that was counted as spent stays that.
pub(super) fn renew_lease(rows: &LedgerTables<'_>, lease: &Lease) -> SqlResult<()> {
    if rows.extend_lease(&booked_scope(&lease.scope), &lease.holder, lease.until)? {
        return Ok(());
    }
    rows.acquire_lease(lease)
}

/// Counts what a call cost, in place of what was counted when its lease ended, where that happened.
pub(super) fn record_final_spend(
    rows: &LedgerTables<'_>,
    call: &Lease,
    simulated: bool,
    day: &str,
    more: Spend,
) -> SqlResult<()> {
    if rows.release_lease(&booked_scope(&call.scope), &call.holder)? {
        rows.subtract_spend(&utc_day(call.since), simulated, call.nano_dollars)?;
    }
    rows.add_spend(day, simulated, more)
}

/// Where calls are remembered whose money was counted as spent before they ended.
fn booked_scope(scope: &str) -> String {
    format!("{scope}, counted")
}
