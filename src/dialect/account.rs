//! What a reply's headers say beside the answer: its id, what is left of the rate limits, what it cost.

use std::time::Duration;

use super::Headers;
use super::wait::{duration, until};
use super::wire::nano_dollars;
use crate::chat::clean_message;

/// The headers in which providers name a request.
const IDS: [&str; 7] = [
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
pub struct Account {
    /// The provider's id of the request, for a support ticket.
    pub request_id: Option<String>,
    /// What is left of the limit on requests.
    pub requests: RateLimit,
    /// What is left of the limit on tokens.
    pub tokens: RateLimit,
    /// What a gateway says that the call cost, in nano-dollars (LiteLLM).
    pub cost: Option<u64>,
}

/// One limit, as far as it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// How many there are in a period.
    pub limit: Option<u64>,
    /// How many of these are left.
    pub remaining: Option<u64>,
    /// Until the period ends.
    pub reset: Option<Duration>,
}

/// Reads the headers of a reply.
pub fn account(headers: &Headers) -> Account {
    let mut account = Account {
        request_id: request_id(headers),
        cost: headers.get("x-litellm-response-cost").and_then(|c| nano_dollars(c.trim().parse().ok()?)),
        ..Account::default()
    };
    for (name, value) in headers.iter() {
        let Some((of_tokens, which)) = place(name) else { continue };
        let limit = if of_tokens { &mut account.tokens } else { &mut account.requests };
        let count = || value.trim().parse().ok();
        match which {
            "limit" => limit.limit = limit.limit.or_else(count),
            "remaining" => limit.remaining = limit.remaining.or_else(count),
            _ => limit.reset = limit.reset.or_else(|| duration(value).or_else(|| until(value, headers))),
        }
    }
    account
}

/// The provider's id of a request.
pub(super) fn request_id(headers: &Headers) -> Option<String> {
    IDS.iter().find_map(|name| headers.get(name)).map(clean_message)
}

/// `x-ratelimit-remaining-tokens`, `anthropic-ratelimit-requests-reset`, `x-ratelimit-limit-req-minute` and kin: whether
/// it counts tokens, and what it says of them. Limits by the day or for one kind of token are passed over.
fn place(name: &str) -> Option<(bool, &'static str)> {
    const OTHERS: [&str; 9] =
        ["input", "output", "images", "day", "month", "cost", "query", "renewalperiod", "key"];
    let words: Vec<&str> = name.split('-').collect();
    if !words.contains(&"ratelimit") || words.iter().any(|word| OTHERS.contains(word)) {
        return None;
    }
    let which = ["remaining", "reset", "limit"].into_iter().find(|which| words.contains(which))?;
    Some((words.contains(&"tokens"), which))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_several_vendors() {
        let openai = [
            ("x-request-id", "req_1"),
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-remaining-tokens", "29000"),
            ("x-ratelimit-limit-input-images", "7"),
        ];
        let read = account(&openai.into_iter().collect());
        assert_eq!(read.request_id.as_deref(), Some("req_1"));
        assert_eq!((read.requests.limit, read.requests.remaining), (Some(500), Some(499)));
        assert_eq!(read.requests.reset, Some(Duration::from_millis(120)));
        assert_eq!((read.tokens.limit, read.tokens.remaining), (None, Some(29_000)));
        let anthropic = [
            ("date", "Sat, 21 Nov 2026 08:00:00 GMT"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T08:00:30Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "5"),
        ];
        let read = account(&anthropic.into_iter().collect());
        assert_eq!((read.requests.remaining, read.tokens.remaining), (Some(3), None));
        assert_eq!(read.requests.reset, Some(Duration::from_secs(30)));
        let mistral = [("x-ratelimit-limit-req-minute", "60"), ("x-ratelimit-limit-tokens-month", "9")];
        let read = account(&mistral.into_iter().collect());
        assert_eq!((read.requests.limit, read.tokens.limit), (Some(60), None));
        let litellm = account(&[("x-litellm-response-cost", "1.5e-05")].into_iter().collect());
        assert_eq!(litellm.cost, Some(15_000));
    }
}
