//! Rows that are not as they were written. One that cannot be read is as if it were not there, and is written anew; a
//! figure that cannot be is one that nobody knows.

use std::ops::RangeInclusive;

use rusqlite::{Error, OptionalExtension};

use super::SqlResult;

/// The latest time that is believed, in milliseconds since 1970: the end of the year 9999.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// A row, where there is one that can be read.
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

/// A figure that lies there, else `None`.
pub(super) fn in_range(figure: f64, range: RangeInclusive<f64>) -> Option<f64> {
    range.contains(&figure).then_some(figure)
}

/// A time that can be reckoned with.
pub(super) fn clamp_time(milliseconds: i64) -> i64 {
    milliseconds.clamp(0, MAX_TIME_MS)
}
