//! What processes left behind that did not live to give it back.

use super::ask::MONEY;
use super::{LEASE, day_of};
use crate::ledger::{Lease, RowResult, Rows, Spend};
use crate::route::believed::alive;

/// Forgets leases that have ended. Money that was set aside for a call is spent then: its request had left.
pub(super) fn settle(rows: &Rows<'_>, now: i64) -> RowResult<()> {
    for (money, simulated) in MONEY {
        for lease in rows.ended_leases(money, alive(now))? {
            let spent = Spend { nano_dollars: lease.nano_dollars, unknown: 0 };
            rows.add_spend(&day_of(lease.since), simulated, spent)?;
            rows.remove_lease(money, &lease.holder)?;
            // It may only have slept, and go on to say what its call did cost.
            rows.put_lease(&Lease { scope: counted(money), until: now + LEASE, ..lease })?;
        }
    }
    rows.remove_ended_leases(alive(now))
}

/// Keeps a lease that is still in use. One that was counted as spent stays that.
pub(super) fn renew(rows: &Rows<'_>, lease: &Lease) -> RowResult<()> {
    if rows.extend_lease(&counted(&lease.scope), &lease.holder, lease.until)? {
        return Ok(());
    }
    rows.put_lease(lease)
}

/// Counts what a call cost, in place of what was counted when its lease ended, where that happened.
pub(super) fn pay(rows: &Rows<'_>, call: &Lease, simulated: bool, day: &str, more: Spend) -> RowResult<()> {
    if rows.remove_lease(&counted(&call.scope), &call.holder)? {
        rows.take_back_spend(&day_of(call.since), simulated, call.nano_dollars)?;
    }
    rows.add_spend(day, simulated, more)
}

/// Where calls are remembered whose money was counted as spent before they ended.
fn counted(scope: &str) -> String {
    format!("{scope}, counted")
}
