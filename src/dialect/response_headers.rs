//! What a reply's headers say beside the answer: its id, what is left of the rate limits, what it cost.

use std::time::Duration;

use super::WireHeaders;
use super::retry_after::{parse_delay_until, parse_duration};
use super::wire_json::usd_to_nano_usd;
use crate::chat::sanitize_message;

/// The headers in which providers name a request.
const REQUEST_ID_HEADERS: [&str; 7] = [
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "mistral-correlation-id",
    "x-debug-trace-id",
    "x-ds-trace-id",
];

/// What the headers of a reply say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedResponseHeaders {
    /// The provider's id of the request, for a support ticket.
    pub request_id: Option<String>,
    /// What is left of the limit on requests.
    pub request_limit: RateLimit,
    /// What is left of the limit on tokens.
    pub token_limit: RateLimit,
    /// What a gateway says that the call cost, in nano-dollars (LiteLLM).
    pub cost_nano_usd: Option<u64>,
}

/// One limit, as far as it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// How many there are in a period.
    pub limit: Option<u64>,
    /// How many of these are left.
    pub remaining: Option<u64>,
    /// Until the period ends.
    pub reset_after: Option<Duration>,
}

/// Reads the headers of a reply.
pub fn parse_response_headers(headers: &WireHeaders) -> ParsedResponseHeaders {
    let mut account = ParsedResponseHeaders {
        request_id: find_request_id(headers),
        cost_nano_usd: headers
            .get("x-litellm-response-cost")
            .and_then(|c| usd_to_nano_usd(c.trim().parse().ok()?)),
        ..ParsedResponseHeaders::default()
    };
    for (name, value) in headers.iter() {
        let Some((of_tokens, which)) = parse_rate_limit_header(name) else { continue };
        let limit = if of_tokens { &mut account.token_limit } else { &mut account.request_limit };
        let count = || value.trim().parse().ok();
        match which {
            "limit" => limit.limit = limit.limit.or_else(count),
            "remaining" => limit.remaining = limit.remaining.or_else(count),
            _ => {
                limit.reset_after = limit
                    .reset_after
                    .or_else(|| parse_duration(value).or_else(|| parse_delay_until(value, headers)));
            }
        }
    }
    account
}

/// The provider's id of a request.
pub(super) fn find_request_id(headers: &WireHeaders) -> Option<String> {
    REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(name)).map(sanitize_message)
}

/// `x-ratelimit-remaining-tokens`, `anthropic-ratelimit-requests-reset`, `x-ratelimit-limit-req-minute` and kin: whether
/// it counts tokens, and what it says of them. Limits by the day or for one kind of token are passed over.
fn parse_rate_limit_header(name: &str) -> Option<(bool, &'static str)> {
    const IGNORED_LIMIT_WORDS: [&str; 9] =
        ["input", "output", "images", "day", "month", "cost", "query", "renewalperiod", "key"];
    let words: Vec<&str> = name.split('-').collect();
    if !words.contains(&"ratelimit") || words.iter().any(|word| IGNORED_LIMIT_WORDS.contains(word)) {
        return None;
    }
    let which = ["remaining", "reset", "limit"].into_iter().find(|which| words.contains(which))?;
    Some((words.contains(&"tokens"), which))
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
        assert_eq!(litellm.cost_nano_usd, Some(15_000));
    }
}
