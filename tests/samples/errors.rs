//! Checks the class of a recorded error against rules that are independent of the decoder.

use FailureClass as Class;
use regex::Regex;
use serde_json::Value;
use slalom::chat::FailureClass;
use slalom::dialect::WireResponse;

use super::manifest::Sample;

/// Patterns anywhere in the body that determine the class; the first match wins.
const CLASSES_BY_MESSAGE: [(&str, &[Class]); 13] = [
    ("api_key_invalid|api key not valid|incorrect api key|invalid.{0,3}api.?key", &[Class::Auth]),
    (
        "context_length_exceeded|maximum context length|prompt is too long|prompt too long|too_many_(prompt_)?tokens|\
         input token count .* exceeds|input tokens exceeded|exceeds the context window|request_too_large",
        &[Class::ContextOverflow],
    ),
    ("insufficient_quota|insufficient credits|billing_error|credit balance|perday", &[Class::QuotaExhausted]),
    ("model_not_found|deploymentnotfound|invalid_model", &[Class::ModelUnavailable]),
    ("content_filter|responsibleaipolicyviolation", &[Class::ContentPolicy]),
    ("model identifier is invalid", &[Class::ModelUnavailable]),
    (
        "don't have access to the model|does not have permission|country, region",
        &[Class::ModelUnavailable, Class::Auth],
    ),
    ("input was flagged", &[Class::ContentPolicy]),
    ("tool_use_failed", &[Class::BadRequest, Class::Malformed, Class::ServerError]),
    ("usage limit, please upgrade", &[Class::QuotaExhausted]),
    ("no available model provider", &[Class::ServerError, Class::ModelUnavailable]),
    ("maximum pending requests", &[Class::ServerError, Class::RateLimited]),
    ("model .{1,60} (not found|does not exist)|model_decommissioned", &[Class::ModelUnavailable]),
];

/// Patterns for the error type, used only if there is no status.
const CLASSES_BY_TYPE: [(&str, &[Class]); 4] = [
    ("overloaded|server_error|api_error|internal|unavailable|modelstreamerror", &[Class::ServerError]),
    ("rate_limit|throttling|resource_exhausted", &[Class::RateLimited]),
    ("authentication|permission", &[Class::Auth]),
    ("invalid_request|validation|invalid.argument", &[Class::BadRequest]),
];

/// The problems of a recorded error; `None` if the sample is not an error.
pub(super) fn check_error(sample: &Sample) -> Option<Vec<String>> {
    let body = sample.file("error.json").filter(|_| sample.status >= 400)?;
    let failure = sample.dialect.client_codec().decode_failure(WireResponse {
        status: sample.status,
        headers: &sample.headers(),
        body: &body,
    });
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let allowed = allowed_classes(Some(sample.status), &value);
    let mut wrong = Vec::new();
    if !allowed.contains(&failure.class) {
        wrong.push(format!("error: {failure}, expected {allowed:?}"));
    }
    if failure.message.is_empty() {
        wrong.push("error: empty message".to_owned());
    }
    Some(wrong)
}

/// The allowed classes of an error inside a response with status 200.
pub(super) fn classes_in_band(body: &Value) -> Vec<Class> {
    allowed_classes(None, body)
}

/// The allowed classes of an error body; `status` is `None` inside a response with status 200.
pub(super) fn allowed_classes(status: Option<u16>, body: &Value) -> Vec<Class> {
    let inner = if body["error"].is_object() { &body["error"] } else { body };
    let body_text = body.to_string();
    if let Some(classes) = first_match(&CLASSES_BY_MESSAGE, &body_text) {
        return classes;
    }
    let status_in_body =
        [&inner["code"], &inner["status_code"]].iter().find_map(|code| code.as_u64()).filter(|n| *n >= 400);
    match status.or(status_in_body.and_then(|status_in_body| u16::try_from(status_in_body).ok())) {
        Some(400 | 409 | 422) => vec![Class::BadRequest],
        Some(401 | 403) => vec![Class::Auth],
        Some(402) => vec![Class::QuotaExhausted],
        Some(404) => vec![Class::ModelUnavailable],
        Some(408 | 504) => vec![Class::Timeout, Class::ServerError],
        Some(413) => vec![Class::ContextOverflow],
        Some(424) => vec![Class::Unknown, Class::ServerError],
        Some(429) => vec![Class::RateLimited],
        Some(500..) => vec![Class::ServerError],
        Some(_) => vec![Class::Unknown],
        None => {
            let kind = format!("{} {} {}", inner["code"], inner["type"], inner["status"]);
            first_match(&CLASSES_BY_TYPE, &kind).unwrap_or_else(|| vec![Class::ServerError, Class::Unknown])
        }
    }
}

fn first_match(table: &[(&str, &[Class])], text: &str) -> Option<Vec<Class>> {
    let text = text.to_lowercase();
    table
        .iter()
        .find(|(pattern, _)| Regex::new(pattern).unwrap().is_match(&text))
        .map(|(_, classes)| classes.to_vec())
}
