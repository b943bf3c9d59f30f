//! Server halves encode what they are given, and nothing else.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::chat::{FailureClass, FinishReason, Response, StreamEvent, TokenCount, Usage};

const CREATED_AT: i64 = 1_700_000_123;

fn identity() -> ResponseIdentity {
    ResponseIdentity {
        response_id: "given-id".into(),
        model: "given-model".into(),
        created_at: jiff::Timestamp::from_second(CREATED_AT).unwrap(),
    }
}

fn encode_whole(dialect: Dialect, usage: Usage) -> String {
    let response = Response { usage, ..Response::from_text("hi") };
    let body = dialect.server_codec().encode_response(&response, &identity(), None);
    String::from_utf8(body).unwrap()
}

fn encode_stream(dialect: Dialect, usage: Usage) -> String {
    let mut encoder = dialect.server_codec().stream_encoder(&identity());
    let mut bytes = encoder.encode_start(&usage);
    bytes.extend(encoder.encode_event(&StreamEvent::TextDelta("hi".into())));
    bytes.extend(encoder.encode_event(&StreamEvent::Usage(usage)));
    bytes.extend(encoder.encode_event(&StreamEvent::Finish(FinishReason::Stop)));
    bytes.extend(encoder.encode_end());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Parts of the names of counts and times in any dialect.
const COUNT_NAMES: [&str; 6] =
    ["_tokens\"", "TokenCount\"", "Tokens\"", "eval_count", "_duration", "latencyMs"];

#[test]
fn unknown_usage_and_timing_are_left_out() {
    for dialect in Dialect::all() {
        for text in [encode_whole(dialect, Usage::default()), encode_stream(dialect, Usage::default())] {
            assert!(COUNT_NAMES.iter().all(|name| !text.contains(name)), "{dialect}: {text}");
        }
        let body = encode_whole(dialect, Usage::default());
        let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: body.as_bytes() };
        let read = dialect.client_codec().decode_response(reply, &Quirks::default()).unwrap();
        assert_eq!(read.usage, Usage::default(), "{dialect}");
    }
}

#[test]
fn partial_usage_has_no_zeros_and_no_total() {
    let usage = Usage { output_tokens: Some(TokenCount::new(7)), ..Usage::default() };
    for dialect in Dialect::all() {
        let body = encode_whole(dialect, usage);
        let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: body.as_bytes() };
        let read = dialect.client_codec().decode_response(reply, &Quirks::default()).unwrap();
        assert_eq!(
            (read.usage.input_tokens, read.usage.output_tokens),
            (None, Some(TokenCount::new(7))),
            "{dialect}"
        );
        assert!(!body.contains("total") && !body.contains("Total"), "{dialect}: {body}");
    }
}

#[test]
fn identity_and_times_are_the_callers() {
    for dialect in Dialect::all() {
        for text in [encode_whole(dialect, Usage::default()), encode_stream(dialect, Usage::default())] {
            assert!(!text.contains("sim"), "{dialect}: {text}");
            for name in ["\"created\":", "\"created_at\":"] {
                for (at, _) in text.match_indices(name) {
                    let value = &text[at + name.len()..];
                    let is_given =
                        value.starts_with("1700000123") || value.starts_with("\"2023-11-14T22:15:23Z\"");
                    assert!(is_given, "{dialect}: {value}");
                }
            }
        }
    }
}

#[test]
fn timing_is_reported_where_the_format_has_it() {
    let timing =
        ResponseTiming { total: Duration::from_millis(1500), first_token: Some(Duration::from_millis(500)) };
    let whole = |dialect: Dialect| -> Value {
        let response = Response::from_text("hi");
        let body = dialect.server_codec().encode_response(&response, &identity(), Some(timing));
        serde_json::from_slice(&body).unwrap()
    };
    let ollama = whole(Dialect::named("ollama"));
    assert_eq!(
        (&ollama["total_duration"], &ollama["prompt_eval_duration"], &ollama["eval_duration"]),
        (&1_500_000_000_u64.into(), &500_000_000_u64.into(), &1_000_000_000_u64.into())
    );
    assert_eq!(whole(Dialect::named("bedrock"))["metrics"]["latencyMs"], 1500);
}

#[test]
fn headers_and_errors_contain_only_given_values() {
    let nothing = ResponseMetadata::default();
    for dialect in Dialect::all() {
        let server = dialect.server_codec();
        assert!(server.encode_headers(&nothing).is_empty(), "{dialect}");
        let failure = ServerFailure::new(FailureClass::RateLimited, "slow down", &nothing);
        let reply = server.encode_failure(&failure);
        assert!(reply.headers.iter().all(|(name, _)| *name == "x-amzn-errortype"), "{dialect}");
        let body = String::from_utf8(reply.body).unwrap();
        assert!(!body.contains("request_id") && !body.contains("retryDelay"), "{dialect}: {body}");
    }
}

#[test]
fn metadata_round_trips_through_headers() {
    let limit = |limit, remaining| RateLimit {
        limit: Some(limit),
        remaining: Some(remaining),
        reset_after: Some(Duration::from_millis(1500)),
    };
    let given = ResponseMetadata {
        request_id: Some("req-7".into()),
        request_limit: limit(10, 9),
        token_limit: limit(1000, 900),
        retry_after: None,
    };
    let read = |dialect: Dialect| {
        let headers = dialect.server_codec().encode_headers(&given);
        parse_response_headers(&headers.into_iter().collect())
    };
    let openai = read(Dialect::named("openai-chat"));
    assert_eq!((openai.request_limit, openai.token_limit), (given.request_limit, given.token_limit));
    let anthropic = read(Dialect::named("anthropic"));
    assert_eq!(anthropic.token_limit, RateLimit { reset_after: None, ..given.token_limit });
    for dialect in [
        Dialect::named("openai-chat"),
        Dialect::named("openai-responses"),
        Dialect::named("anthropic"),
        Dialect::named("cohere"),
        Dialect::named("bedrock"),
    ] {
        assert_eq!(read(dialect).request_id.as_deref(), Some("req-7"), "{dialect}");
    }
}
