//! Parses durations such as `250ms` or `1h30m`.

use std::time::Duration;

/// Longer than any useful timeout, and far below what overflows a clock.
const MAX_DURATION_DAYS: u64 = 30;

/// An older score says nothing about today's models.
const MAX_AGE_DAYS: u64 = 3650;

/// A text that is not a duration, or a duration that is too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration `{text}`: expected a number with a unit, at most {most} days")]
pub(crate) struct DurationError {
    text: String,
    most: u64,
}

impl DurationError {
    pub(crate) const HINT: &'static str = "use a number with a unit, for example 250ms, 5s, or 2m";
    pub(super) const AGE_HINT: &'static str = "use a number with a unit, for example 30d, 2w, or 12h";
}

/// Accepts `250ms`, `5s`, `2m`, or `1h30m`, up to 30 days.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned(), most: MAX_DURATION_DAYS };
    parse_unbounded(text).filter(|duration| *duration <= days(MAX_DURATION_DAYS)).ok_or_else(wrong)
}

fn parse_unbounded(text: &str) -> Option<Duration> {
    let signed: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(signed).ok()
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// Accepts `30d`, `2w`, or a duration, up to ten years.
pub(super) fn parse_age(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned(), most: MAX_AGE_DAYS };
    let trimmed = text.trim();
    let parse = |number: &str, each: u64| {
        let count = number.trim().parse::<u64>().ok()?.checked_mul(each)?;
        (count <= MAX_AGE_DAYS).then(|| days(count))
    };
    let age = match (trimmed.strip_suffix('d'), trimmed.strip_suffix('w')) {
        (Some(number), _) => parse(number, 1),
        (_, Some(number)) => parse(number, 7),
        _ => parse_unbounded(text),
    };
    age.filter(|age| *age <= days(MAX_AGE_DAYS)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_duration_cases() {
        for (text, milliseconds) in
            [("250ms", 250), ("5s", 5000), ("2m", 120_000), ("1h30m", 5_400_000), ("0s", 0), ("1.5s", 1500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["5", "", "fast", "-1s", "1w x", "999999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parse_age_cases() {
        for (text, hours) in [
            ("30d", 720),
            ("2w", 336),
            (" 1 d ", 24),
            ("12h", 12),
            ("800h", 800),
            ("0d", 0),
            ("3650d", 87_600),
        ] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(hours * 3600)), "{text}");
        }
        for wrong in ["30", "d", "-1d", "1.5d", "3651d", "99999999999999999999w", "99999h", "old", ""] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
        let message = parse_age("9999d").map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("invalid duration `9999d`: expected a number with a unit, at most 3650 days".to_owned())
        );
    }
}
