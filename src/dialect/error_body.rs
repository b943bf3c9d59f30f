//! Parses the many error formats of providers into one.

use std::time::Duration;

use serde_json::Value;

use super::classify_failure::{ErrorFields, classify_error};
use super::response_headers::find_request_id;
use super::{WireResponse, retry_after};
use crate::chat::{Failure, FailurePhase, sanitize_message};

/// Our code for an exhausted daily quota, which Google reports in an error detail.
const DAILY_QUOTA_CODE: &str = "quota_per_day";

/// The fields of an error body, independent of its format.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorBody {
    message: String,
    code: String,
    error_type: String,
    /// The HTTP status inside the body. Errors within a stream have no other status.
    status: Option<u16>,
    request_id: Option<String>,
    retry_delay: Option<Duration>,
}

impl ErrorBody {
    /// Parses `{"error": {…}}`, `{"error": "text"}`, a flat object, `{"detail": …}`, or an array of any of
    /// these.
    pub(super) fn from_json(value: &Value) -> Self {
        let outer = value.as_array().and_then(|list| list.last()).unwrap_or(value);
        if let Value::String(text) = outer {
            return Self { message: text.clone(), ..Self::default() };
        }
        let inner = match outer.get("error") {
            Some(error) if error.is_object() => error,
            _ => outer,
        };
        let either = |name: &str| inner.get(name).or_else(|| outer.get(name)).filter(|v| !v.is_null());
        let message = ["message", "Message", "detail", "msg", "error"].iter().find_map(|name| either(name));
        let status =
            either("status").map(string_or_number).filter(|s| s.parse::<u16>().is_err()).unwrap_or_default();
        let mut body = Self {
            message: message.map(message_text).unwrap_or_default(),
            code: either("code").or_else(|| either("error_code")).map(string_or_number).unwrap_or_default(),
            error_type: [
                status,
                inner
                    .get("type")
                    .or_else(|| inner.get("error_type"))
                    .map(string_or_number)
                    .unwrap_or_default(),
            ]
            .into_iter()
            .find(|k| !k.is_empty())
            .unwrap_or_default(),
            status: ["code", "status", "status_code"]
                .iter()
                .find_map(|name| parse_error_status(either(name)?)),
            request_id: ["request_id", "requestId", "id"]
                .iter()
                .find_map(|n| outer.get(n)?.as_str())
                .map(str::to_owned),
            retry_delay: None,
        };
        body.parse_details(inner.get("details"));
        body
    }

    /// Parses an error body. A body that is not JSON becomes the message.
    fn from_bytes(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if !value.is_null() => Self::from_json(&value),
            _ => Self { message: html_title_or_text(&String::from_utf8_lossy(bytes)), ..Self::default() },
        }
    }

    pub(super) fn decode_failure(reply: WireResponse<'_>) -> Failure {
        let mut body = Self::from_bytes(reply.body);
        if let Some(kind) = reply.headers.get("x-amzn-errortype").filter(|_| body.error_type.is_empty()) {
            // AWS sends `ThrottlingException:http://internal…`.
            kind.split(':').next().unwrap_or_default().clone_into(&mut body.error_type);
        }
        let mut failure = body.into_failure(Some(reply.status));
        failure.status = Some(reply.status);
        if (300..400).contains(&reply.status) {
            // Redirects are not followed, because the request would carry the API key to the new host.
            let target = reply.headers.get("location").map_or("an unknown location".to_owned(), url_origin);
            failure.message = sanitize_message(&format!("redirect to {target} not followed"));
        } else if failure.message.is_empty() {
            failure.message = format!("HTTP status {} without a message", reply.status);
        }
        failure.request_id = find_request_id(reply.headers).or(failure.request_id);
        failure.is_model_retired |= reply.status == 410;
        let limited = failure.class == crate::chat::FailureClass::RateLimited;
        failure.retry_after = retry_after::parse_retry_after(reply.headers, limited).or(failure.retry_after);
        failure.should_retry = reply.headers.get("x-should-retry").and_then(|v| v.parse().ok());
        failure
    }

    /// Decodes an error received within a 200 response.
    pub(super) fn decode_in_band_failure(value: &Value) -> Failure {
        Self::from_json(value).into_failure(None)
    }

    fn into_failure(self, status: Option<u16>) -> Failure {
        let fields = ErrorFields {
            status: status.or(self.status),
            code: &self.code,
            error_type: &self.error_type,
            message: &self.message,
        };
        let mut failure = Failure::new(classify_error(fields), FailurePhase::Body, &self.message);
        failure.is_model_retired = ["decommissioned", "model_deprecated"]
            .iter()
            .any(|w| self.code.contains(w) || self.message.contains(w));
        failure.provider_code =
            [self.code, self.error_type].into_iter().find(|c| !c.is_empty()).map(|c| sanitize_message(&c));
        failure.request_id = self.request_id.map(|id| sanitize_message(&id));
        failure.retry_after = self.retry_delay;
        failure
    }

    /// Google's details contain the reason for a rejected key, the exhausted quota, and the retry delay;
    /// Anthropic's contain a more specific code.
    fn parse_details(&mut self, details: Option<&Value>) {
        if let Some(code) = details.and_then(|d| d.get("error_code")).and_then(Value::as_str) {
            code.clone_into(&mut self.code);
        }
        for detail in details.and_then(Value::as_array).into_iter().flatten() {
            // Quota precedes rate limit, regardless of the order of the details.
            if let Some(reason) =
                detail.get("reason").and_then(Value::as_str).filter(|_| self.code != DAILY_QUOTA_CODE)
            {
                reason.clone_into(&mut self.code);
            }
            if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
                self.retry_delay = retry_after::parse_duration(delay);
            }
            let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
            if violations.filter_map(|v| v.get("quotaId")?.as_str()).any(|id| id.contains("PerDay")) {
                DAILY_QUOTA_CODE.clone_into(&mut self.code);
            }
        }
    }
}

fn string_or_number(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A message that is an object or an array (FastAPI's validation errors) is returned as JSON.
fn message_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn parse_error_status(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|n| (400..600).contains(n))
}

/// The title of an HTML page; otherwise the start of the text.
fn html_title_or_text(body: &str) -> String {
    let lower = body.to_ascii_lowercase();
    if let Some((start, end)) = lower.find("<title>").zip(lower.find("</title>")) {
        return body.get(start + 7..end).unwrap_or_default().trim().to_owned();
    }
    if lower.trim_start().starts_with('<') {
        "an HTML page without a title".to_owned()
    } else {
        body.trim().to_owned()
    }
}

/// Scheme and host of a URL, or the path for the same host. The query is dropped because it may contain a
/// key.
fn url_origin(location: &str) -> String {
    match location.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}")
        }
        None => location.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;
    use crate::dialect::WireHeaders;

    fn failure(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        let headers: WireHeaders = headers.iter().copied().collect();
        ErrorBody::decode_failure(WireResponse { status, headers: &headers, body: body.as_bytes() })
    }

    #[test]
    fn format_cases() {
        let cases = [
            (r#"{"error":{"message":"no","type":"t","code":"c"}}"#, "no", Some("c")),
            (r#"{"code":"invalid-argument","error":"bad"}"#, "bad", Some("invalid-argument")),
            (r#"{"object":"error","message":"flat","type":"x","code":400}"#, "flat", Some("400")),
            (r#"{"detail":"Unauthorized"}"#, "Unauthorized", None),
            (r#"[{"error":{"code":400,"message":"list","status":"INVALID_ARGUMENT"}}]"#, "list", Some("400")),
            ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway", None),
            ("plain", "plain", None),
        ];
        for (body, message, code) in cases {
            let failure = failure(418, &[], body);
            assert_eq!(
                (failure.message.as_str(), failure.provider_code.as_deref()),
                (message, code),
                "{body}"
            );
        }
        assert_eq!(failure(500, &[], "").message, "HTTP status 500 without a message");
    }

    #[test]
    fn google_detail_cases() {
        let body = r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        let per_day = failure(429, &[], body);
        assert_eq!(per_day.class, FailureClass::QuotaExhausted);
        assert_eq!(per_day.retry_after, Some(Duration::from_millis(34_500)));
        assert_eq!(failure(429, &[], &body.replace("PerDay", "PerMinute")).class, FailureClass::RateLimited);
        let key = r#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!(failure(400, &[], key).class, FailureClass::Auth);
    }

    #[test]
    fn redirect_message_omits_credentials() {
        for (location, message) in [
            (
                "https://me:planted@evil.example/v1?key=planted",
                "redirect to https://evil.example not followed",
            ),
            ("/login?next=planted", "redirect to /login not followed"),
        ] {
            let headers: WireHeaders = [("location", location)].into_iter().collect();
            let failure =
                ErrorBody::decode_failure(WireResponse { status: 307, headers: &headers, body: b"" });
            assert_eq!(failure.message, message);
        }
    }

    #[test]
    fn response_headers_are_decoded() {
        let failure =
            failure(529, &[("Request-Id", "req_1"), ("x-should-retry", "false"), ("retry-after", "2")], "{}");
        assert_eq!(failure.request_id.as_deref(), Some("req_1"));
        assert_eq!(failure.should_retry, Some(false));
        assert_eq!(failure.retry_after, Some(Duration::from_secs(2)));
    }
}
