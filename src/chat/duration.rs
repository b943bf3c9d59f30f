//! Parses durations such as `250ms` or `1h30m`.

use std::time::Duration;

/// Longer than any useful timeout, and far below what overflows a clock.
const MAX_DURATION_DAYS: u64 = 30;

/// Older scores say nothing about today's models.
const MAX_AGE_DAYS: u64 = 3650;

/// Text that is not a duration, or a duration that is too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration `{text}`: {}", self.reason())]
pub(crate) struct DurationError {
    text: String,
    max_days: u64,
    is_too_long: bool,
}

impl DurationError {
    pub(crate) const HINT: &'static str = "use, for example, 250ms, 5s, or 2m";
    pub(crate) const AGE_HINT: &'static str = "use, for example, 30d, 2w, or 12h";

    /// What is wrong with the text.
    pub(crate) fn reason(&self) -> String {
        match self.text.trim().parse::<f64>() {
            _ if self.is_too_long => format!("must be at most {} days", self.max_days),
            Ok(_) => "missing unit".to_owned(),
            Err(_) => "expected a number with a unit".to_owned(),
        }
    }
}

/// Accepts `250ms`, `5s`, `2m`, or `1h30m`, up to 30 days.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    limit_days(text, parse_unbounded(text), MAX_DURATION_DAYS)
}

fn limit_days(text: &str, parsed: Option<Duration>, max_days: u64) -> Result<Duration, DurationError> {
    let wrong = |is_too_long| DurationError { text: text.to_owned(), max_days, is_too_long };
    let duration = parsed.ok_or_else(|| wrong(false))?;
    if duration > days(max_days) { Err(wrong(true)) } else { Ok(duration) }
}

fn parse_unbounded(text: &str) -> Option<Duration> {
    let signed: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(signed).ok()
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// Accepts `30d`, `2w`, or a duration, up to ten years.
pub(crate) fn parse_age(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let parse = |number: &str, unit_days: u64| {
        let count = number.trim().parse::<u64>().ok()?.checked_mul(unit_days)?;
        // More days than that could overflow.
        Some(days(count.min(MAX_AGE_DAYS + 1)))
    };
    let age = match (trimmed.strip_suffix('d'), trimmed.strip_suffix('w')) {
        (Some(number), _) => parse(number, 1),
        (_, Some(number)) => parse(number, 7),
        _ => parse_unbounded(text),
    };
    limit_days(text, age, MAX_AGE_DAYS)
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
        for (text, reason) in [
            ("9999d", "must be at most 3650 days"),
            ("30", "missing unit"),
            ("old", "expected a number with a unit"),
        ] {
            let message = parse_age(text).map_err(|error| error.to_string());
            assert_eq!(message, Err(format!("invalid duration `{text}`: {reason}")));
        }
    }
}
