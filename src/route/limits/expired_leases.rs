//! What becomes of the reservations of processes that died or stalled.

use crate::route::spans::{LEASE_MS, utc_day};
use crate::route::store::{Lease, Spend};

/// The settlement of an expired reservation.
pub(crate) struct ExpiredReservation {
    /// The day on which it counts as spent, because the request was sent.
    pub day: String,
    pub spend: Spend,
    /// Keeps the amount for a while: the process may just be suspended, and report the actual cost later.
    pub counted: Lease,
}

pub(crate) fn settle_expired_reservation(lease: Lease, now: i64) -> ExpiredReservation {
    ExpiredReservation {
        day: utc_day(lease.since),
        spend: Spend { nano_dollars: lease.nano_dollars, unpriced_calls: 0 },
        counted: Lease { scope: counted_scope(&lease.scope), until: now + LEASE_MS, ..lease },
    }
}

/// The scope of calls whose reservation was counted as spent before they ended.
pub(crate) fn counted_scope(scope: &str) -> String {
    format!("{scope}, counted")
}
