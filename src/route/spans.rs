//! Durations and times that several parts of this module share.

use std::sync::Arc;
use std::time::Duration;

/// Returns the current time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Leases last this long, in milliseconds. After that, calls of a process that died on another machine no
/// longer count.
pub(super) const LEASE_MS: i64 = 30_000;

/// Maximum open time of a circuit breaker, in milliseconds: the longest base time plus 20% of random
/// variation.
pub(super) const MAX_OPEN_MS: i64 = 144_000;

/// A duration in milliseconds, capped at half of `i64::MAX` so that adding it to a ledger timestamp cannot
/// overflow.
pub(super) fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

/// The UTC day that contains a time in milliseconds since 1970, as `YYYY-MM-DD`. Times outside of jiff's
/// range count as its first day.
pub(crate) fn utc_day(now: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::MIN);
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
