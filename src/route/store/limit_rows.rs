//! Leases, rate buckets, and spending.

/// Totals of a scope's leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTotals {
    pub count: u64,
    /// When the first of them expires, in milliseconds since 1970; 0 if there are none.
    pub earliest_expiry: i64,
    /// Reserved money.
    pub nano_dollars: u64,
    /// Expected tokens.
    pub tokens: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    pub scope: String,
    pub holder: String,
    /// When it was first acquired, in milliseconds since 1970.
    pub since: i64,
    /// When it expires, in milliseconds since 1970.
    pub until: i64,
    /// Reserved money.
    pub nano_dollars: u64,
    /// Expected tokens.
    pub tokens: u64,
}

/// Requests started within one second, and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// Seconds since 1970.
    pub second: i64,
    pub requests: i64,
    pub tokens: i64,
}

/// Spending on one UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// Sum of the known costs.
    pub nano_dollars: u64,
    /// Number of calls with an unknown cost.
    pub unpriced_calls: u64,
}
