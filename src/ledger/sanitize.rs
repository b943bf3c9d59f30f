//! Tolerates damaged rows: a row that cannot be read counts as missing and is overwritten, and a value
//! that is out of range counts as unknown.

use std::ops::RangeInclusive;

use rusqlite::{Error, OptionalExtension};

use super::SqlResult;

/// End of the year 9999, in milliseconds since 1970.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// Turns a missing or unreadable row into `None`.
pub(super) fn skip_unreadable<T>(row: SqlResult<T>) -> SqlResult<Option<T>> {
    match row.optional() {
        Err(
            Error::InvalidColumnType(..)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::Utf8Error(..),
        ) => Ok(None),
        row => row,
    }
}

/// The value, or `None` if it is out of range or not a number.
pub(super) fn in_range(value: f64, range: RangeInclusive<f64>) -> Option<f64> {
    range.contains(&value).then_some(value)
}

pub(super) fn clamp_time(milliseconds: i64) -> i64 {
    milliseconds.clamp(0, MAX_TIME_MS)
}
