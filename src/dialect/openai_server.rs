//! What servers of both OpenAI dialects share: headers and errors.

use std::time::Duration;

use serde_json::{Value, json};

use super::{RateLimit, ResponseMetadata, ServerErrorResponse, ServerFailure, wire_json};
use crate::chat::FailureClass;

pub(super) fn encode_headers(metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    headers.extend(metadata.request_id.clone().map(|id| ("x-request-id", id)));
    headers.extend(metadata.retry_after.map(|wait| ("retry-after-ms", wait.as_millis().to_string())));
    let requests =
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    let tokens = ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
    headers.extend(encode_rate_limit(requests, &metadata.request_limit));
    headers.extend(encode_rate_limit(tokens, &metadata.token_limit));
    headers
}

/// `names` are the headers for the limit, the rest of it, and its reset.
fn encode_rate_limit(
    names: [&'static str; 3],
    limit: &RateLimit,
) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let values = [
        limit.limit.map(|count| count.to_string()),
        limit.remaining.map(|count| count.to_string()),
        limit.reset_after.map(format_duration),
    ];
    names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
}

/// A Go-style duration such as `6ms` or `1.5s`.
fn format_duration(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds @ ..1000 => format!("{milliseconds}ms"),
        _ => format!("{}s", duration.as_secs_f64()),
    }
}

pub(super) fn encode_failure(failure: &ServerFailure<'_>) -> ServerErrorResponse {
    ServerErrorResponse {
        status: failure.status.unwrap_or(error_codes(failure.class).0),
        headers: encode_headers(failure.metadata),
        body: wire_json::encode_json(&encode_error(failure)),
    }
}

pub(super) fn encode_error(failure: &ServerFailure<'_>) -> Value {
    let (_, kind, code) = error_codes(failure.class);
    json!({"error": {"message": failure.message, "type": kind, "param": null, "code": code}})
}

/// The status, the error type, and the code for a class.
fn error_codes(class: FailureClass) -> (u16, &'static str, Option<&'static str>) {
    match class {
        FailureClass::RateLimited => (429, "requests", Some("rate_limit_exceeded")),
        FailureClass::QuotaExhausted => (429, "insufficient_quota", Some("insufficient_quota")),
        FailureClass::Auth => (401, "invalid_request_error", Some("invalid_api_key")),
        FailureClass::ModelUnavailable => (404, "invalid_request_error", Some("model_not_found")),
        FailureClass::ContextOverflow => (400, "invalid_request_error", Some("context_length_exceeded")),
        FailureClass::ContentPolicy => (400, "invalid_request_error", Some("content_policy_violation")),
        FailureClass::BadRequest => (400, "invalid_request_error", None),
        FailureClass::Timeout => (408, "timeout", None),
        FailureClass::Unreachable => (503, "server_error", Some("service_unavailable")),
        _ => (500, "server_error", None),
    }
}
