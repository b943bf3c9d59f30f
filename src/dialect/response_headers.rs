//! Parses response headers: request ID, remaining rate limits, and cost.

use std::time::Duration;

use super::WireHeaders;
use super::retry_after::{parse_delay_until, parse_duration};
use crate::chat::{NanoDollars, sanitize_message};

/// The headers in which providers send a request ID.
const REQUEST_ID_HEADERS: [&str; 7] = [
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "mistral-correlation-id",
    "x-debug-trace-id",
    "x-ds-trace-id",
];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedResponseHeaders {
    /// For support tickets.
    pub request_id: Option<String>,
    pub request_limit: RateLimit,
    pub token_limit: RateLimit,
    /// Cost reported by a gateway (LiteLLM).
    pub cost_nano_usd: Option<NanoDollars>,
}

/// One rate limit. `None` for fields that the provider does not report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// Time until the period ends.
    pub reset_after: Option<Duration>,
}

pub(crate) fn parse_response_headers(headers: &WireHeaders) -> ParsedResponseHeaders {
    let mut parsed = ParsedResponseHeaders {
        request_id: find_request_id(headers),
        cost_nano_usd: headers
            .get("x-litellm-response-cost")
            .and_then(|c| NanoDollars::from_usd(c.trim().parse().ok()?)),
        ..ParsedResponseHeaders::default()
    };
    for (name, value) in headers.iter() {
        let Some((counts_tokens, field)) = parse_rate_limit_header(name) else { continue };
        let limit = if counts_tokens { &mut parsed.token_limit } else { &mut parsed.request_limit };
        let count = || value.trim().parse().ok();
        match field {
            "limit" => limit.limit = limit.limit.or_else(count),
            "remaining" => limit.remaining = limit.remaining.or_else(count),
            _ => {
                limit.reset_after = limit
                    .reset_after
                    .or_else(|| parse_duration(value).or_else(|| parse_delay_until(value, headers)));
            }
        }
    }
    parsed
}

pub(super) fn find_request_id(headers: &WireHeaders) -> Option<String> {
    REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(name)).map(sanitize_message)
}

/// Parses a header name such as `x-ratelimit-remaining-tokens`, `anthropic-ratelimit-requests-reset`, or
/// `x-ratelimit-limit-req-minute`. Returns whether the limit counts tokens and which field it is. `None` for
/// daily limits and limits of one token type.
fn parse_rate_limit_header(name: &str) -> Option<(bool, &'static str)> {
    const IGNORED_LIMIT_WORDS: [&str; 9] =
        ["input", "output", "images", "day", "month", "cost", "query", "renewalperiod", "key"];
    let words: Vec<&str> = name.split('-').collect();
    if !words.contains(&"ratelimit") || words.iter().any(|word| IGNORED_LIMIT_WORDS.contains(word)) {
        return None;
    }
    let field = ["remaining", "reset", "limit"].into_iter().find(|field| words.contains(field))?;
    Some((words.contains(&"tokens"), field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_header_cases() {
        let openai = [
            ("x-request-id", "req_1"),
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-tokens", "29000"),
            ("x-ratelimit-limit-input-images", "7"),
        ];
        let read = parse_response_headers(&openai.into_iter().collect());
        assert_eq!(read.request_id.as_deref(), Some("req_1"));
        assert_eq!((read.request_limit.limit, read.request_limit.remaining), (Some(500), Some(499)));
        assert_eq!(read.request_limit.reset_after, Some(Duration::from_millis(120)));
        assert_eq!((read.token_limit.limit, read.token_limit.remaining), (None, Some(29_000)));
        let anthropic = [
            ("date", "Sat, 21 Nov 2026 08:00:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T08:00:30Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "5"),
        ];
        let read = parse_response_headers(&anthropic.into_iter().collect());
        assert_eq!((read.request_limit.remaining, read.token_limit.remaining), (Some(3), None));
        assert_eq!(read.request_limit.reset_after, Some(Duration::from_secs(30)));
        let mistral = [("x-ratelimit-limit-req-minute", "60"), ("x-ratelimit-limit-tokens-month", "9")];
        let read = parse_response_headers(&mistral.into_iter().collect());
        assert_eq!((read.request_limit.limit, read.token_limit.limit), (Some(60), None));
        let litellm = parse_response_headers(&[("x-litellm-response-cost", "1.5e-05")].into_iter().collect());
        assert_eq!(litellm.cost_nano_usd, Some(NanoDollars::new(15_000)));
    }
}
