//! Durations as people write them.

use std::time::Duration;

/// Longer than anybody waits, and short enough for every clock to add up.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A text that is no duration, or one of more than 30 days.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration of at most 30 days")]
pub struct DurationError(String);

impl DurationError {
    /// What to write instead.
    pub const HINT: &'static str = "write for example 250ms, 5s or 2m";
}

/// Reads `250ms`, `5s`, `2m`, `1h30m`.
///
/// # Errors
/// When it is none, negative, or longer than 30 days.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).ok().filter(|duration| *duration <= LONGEST).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, milliseconds) in
            [("250ms", 250), ("5s", 5000), ("2m", 120_000), ("1h30m", 5_400_000), ("0s", 0), ("1.5s", 1500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["5", "", "fast", "-1s", "1w x", "999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
