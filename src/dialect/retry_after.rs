//! How long a provider asks clients to wait, according to its headers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::WireHeaders;

/// Longer waits are capped at this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Checks `retry-after-ms`, then `retry-after` (seconds, or a date relative to the response's `date`). If a
/// rate limit was hit, falls back to the longest reset of an exhausted limit.
pub(super) fn parse_retry_after(headers: &WireHeaders, limited: bool) -> Option<Duration> {
    let milliseconds = headers.get("retry-after-ms").and_then(|v| v.trim().parse::<f64>().ok());
    let requested = milliseconds.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()).or_else(|| {
        headers.get("retry-after").and_then(|v| parse_duration(v).or_else(|| parse_delay_until(v, headers)))
    });
    let wait = if limited { requested.or_else(|| longest_exhausted_reset(headers)) } else { requested };
    wait.map(|wait| wait.min(MAX_RETRY_AFTER))
}

/// The longest reset of a limit whose `remaining` is 0, from headers such as `x-ratelimit-reset-tokens` or
/// `anthropic-ratelimit-requests-reset`.
fn longest_exhausted_reset(headers: &WireHeaders) -> Option<Duration> {
    let exhausted = headers.iter().filter(|(name, value)| {
        name.contains("ratelimit") && name.contains("remaining") && value.trim() == "0"
    });
    exhausted
        .filter_map(|(name, _)| headers.get(&name.replace("remaining", "reset")))
        .filter_map(|reset| parse_duration(reset).or_else(|| parse_delay_until(reset, headers)))
        // An absolute timestamp in an unknown format parses as a wait of decades.
        .filter(|wait| *wait <= MAX_RETRY_AFTER)
        .max()
}

/// The value of `retry-after`, which has no fractions of a second.
pub(super) fn encode_retry_after(wait: Duration) -> String {
    wait.as_millis().div_ceil(1000).to_string()
}

/// Seconds (`2`, `0.5`) or a Go-style duration (`1h2m3.5s`, `6ms`).
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (mut total, mut rest) = (0.0_f64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(total).ok().filter(|_| !text.is_empty())
}

/// Time from the response's `date` header to an RFC 3339 or HTTP date. This module has no clock, and the
/// server's clock is the relevant one.
pub(super) fn parse_delay_until(text: &str, headers: &WireHeaders) -> Option<Duration> {
    let when = parse_timestamp(text)?;
    let now = parse_timestamp(headers.get("date")?)?;
    Duration::try_from(when.duration_since(now)).ok()
}

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().or_else(|| DateTimeParser::new().parse_timestamp(text.trim()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after_ms(pairs: &[(&str, &str)], limited: bool) -> Option<u128> {
        parse_retry_after(&pairs.iter().copied().collect(), limited).map(|d| d.as_millis())
    }

    #[test]
    fn duration_cases() {
        for (text, expected) in [
            ("6ms", Some(6)),
            ("1h2m3.5s", Some(3_723_500)),
            ("6m0s", Some(360_000)),
            ("0.25", Some(250)),
            ("x", None),
            ("", None),
            ("5q", None),
            ("-1", None),
            ("s", None),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), expected, "{text}");
        }
    }

    #[test]
    fn retry_after_header_cases() {
        assert_eq!(retry_after_ms(&[("retry-after", "7"), ("retry-after-ms", "150")], false), Some(150));
        let date = ("date", "Sat, 21 Nov 2026 08:00:00 GMT");
        assert_eq!(
            retry_after_ms(&[("retry-after", "Sat, 21 Nov 2026 08:00:09 GMT"), date], false),
            Some(9000)
        );
        assert_eq!(retry_after_ms(&[("retry-after", "Sat, 21 Nov 2026 08:00:09 GMT")], false), None);
        assert_eq!(retry_after_ms(&[("retry-after", "9999999")], false), Some(24 * 3_600_000));
    }

    #[test]
    fn reset_counts_only_at_zero_remaining() {
        let headers = [
            ("x-ratelimit-remaining-requests", "3"),
            ("x-ratelimit-reset-requests", "9m"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "1.5s"),
        ];
        assert_eq!(retry_after_ms(&headers, true), Some(1500));
        assert_eq!(retry_after_ms(&headers, false), None);
    }
}
