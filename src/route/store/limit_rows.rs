//! Leases, rate buckets, and spending.

use crate::chat::{NanoDollars, TokenCount};

/// Totals of a scope's leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTotals {
    pub count: u64,
    /// When the first of them expires, in milliseconds since 1970; 0 if there are none.
    pub earliest_expiry: i64,
    /// Reserved money.
    pub nano_dollars: NanoDollars,
    /// Expected tokens.
    pub tokens: TokenCount,
}

impl Default for LeaseTotals {
    /// The totals of a scope without leases.
    fn default() -> Self {
        Self { count: 0, earliest_expiry: 0, nano_dollars: NanoDollars::ZERO, tokens: TokenCount::ZERO }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub scope: String,
    pub holder: String,
    /// When it was first acquired, in milliseconds since 1970.
    pub since: i64,
    /// When it expires, in milliseconds since 1970.
    pub until: i64,
    /// Reserved money.
    pub nano_dollars: NanoDollars,
    /// Expected tokens.
    pub tokens: TokenCount,
}

/// Requests started within one second, and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// Seconds since 1970.
    pub second: i64,
    /// Signed, because a later correction can subtract.
    pub requests: i64,
    /// Signed, like the requests.
    pub tokens: i64,
}

/// Spending on one UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// Sum of the known costs.
    pub nano_dollars: NanoDollars,
    /// Number of calls with an unknown cost.
    pub unpriced_calls: u64,
}

impl Spend {
    pub(crate) const NONE: Self = Self { nano_dollars: NanoDollars::ZERO, unpriced_calls: 0 };
}
