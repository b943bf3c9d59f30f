//! The many shapes that providers give an error, read into one.

use std::time::Duration;

use serde_json::Value;

use super::account::request_id;
use super::classify::{Signs, classify};
use super::{Reply, wait};
use crate::chat::{Failure, Phase, clean_message};

/// The code that stands for a used-up daily quota, which Google says in a detail.
const PER_DAY: &str = "quota_per_day";

/// What an error body says, whoever wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ErrorBody {
    message: String,
    code: String,
    kind: String,
    /// An HTTP status inside the body: the only one there is when the error came in the middle of a stream.
    number: Option<u16>,
    request_id: Option<String>,
    retry_delay: Option<Duration>,
}

impl ErrorBody {
    /// Reads an error out of JSON: `{"error": {…}}`, `{"error": "text"}`, a flat object, `{"detail": …}`, or any of
    /// these in a list.
    pub(super) fn of(value: &Value) -> Self {
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
        let status = either("status").map(word).filter(|s| s.parse::<u16>().is_err()).unwrap_or_default();
        let mut body = Self {
            message: message.map(prose).unwrap_or_default(),
            code: either("code").or_else(|| either("error_code")).map(word).unwrap_or_default(),
            kind: [
                status,
                inner.get("type").or_else(|| inner.get("error_type")).map(word).unwrap_or_default(),
            ]
            .into_iter()
            .find(|k| !k.is_empty())
            .unwrap_or_default(),
            number: ["code", "status", "status_code"].iter().find_map(|name| http_status(either(name)?)),
            request_id: ["request_id", "requestId", "id"]
                .iter()
                .find_map(|n| outer.get(n)?.as_str())
                .map(str::to_owned),
            retry_delay: None,
        };
        body.read_details(inner.get("details"));
        body
    }

    /// Reads the bytes of an error's body; what is no JSON is shown as text.
    fn of_bytes(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if !value.is_null() => Self::of(&value),
            _ => Self { message: page_text(&String::from_utf8_lossy(bytes)), ..Self::default() },
        }
    }

    /// The failure of a reply with an error status.
    pub(super) fn failure_of(reply: Reply<'_>) -> Failure {
        let mut body = Self::of_bytes(reply.body);
        if let Some(kind) = reply.headers.get("x-amzn-errortype").filter(|_| body.kind.is_empty()) {
            // `ThrottlingException:http://internal…`
            kind.split(':').next().unwrap_or_default().clone_into(&mut body.kind);
        }
        let mut failure = body.failure(Some(reply.status));
        failure.status = Some(reply.status);
        if (300..400).contains(&reply.status) {
            // A redirected request would take the key along to wherever it is sent.
            let to = reply.headers.get("location").map_or("nowhere".to_owned(), host_of);
            failure.message = clean_message(&format!("a redirect to {to}, which is not followed"));
        } else if failure.message.is_empty() {
            failure.message = format!("HTTP status {} without a message", reply.status);
        }
        failure.request_id = request_id(reply.headers).or(failure.request_id);
        failure.gone |= reply.status == 410;
        let limited = failure.class == crate::chat::FailureClass::RateLimited;
        failure.retry_after = wait::retry_after(reply.headers, limited).or(failure.retry_after);
        failure.should_retry = reply.headers.get("x-should-retry").and_then(|v| v.parse().ok());
        failure
    }

    /// The failure of an error that came inside a 200.
    pub(super) fn in_band(value: &Value) -> Failure {
        Self::of(value).failure(None)
    }

    fn failure(self, status: Option<u16>) -> Failure {
        let signs = Signs {
            status: status.or(self.number),
            code: &self.code,
            kind: &self.kind,
            message: &self.message,
        };
        let mut failure = Failure::new(classify(signs), Phase::Body, &self.message);
        failure.gone = ["decommissioned", "model_deprecated"]
            .iter()
            .any(|w| self.code.contains(w) || self.message.contains(w));
        failure.code = [self.code, self.kind].into_iter().find(|c| !c.is_empty()).map(|c| clean_message(&c));
        failure.request_id = self.request_id.map(|id| clean_message(&id));
        failure.retry_after = self.retry_delay;
        failure
    }

    /// Google's details: the reason of a refused key, which quota is used up, and how long to wait. Anthropic's: a
    /// finer code.
    fn read_details(&mut self, details: Option<&Value>) {
        if let Some(code) = details.and_then(|d| d.get("error_code")).and_then(Value::as_str) {
            code.clone_into(&mut self.code);
        }
        for detail in details.and_then(Value::as_array).into_iter().flatten() {
            // Quota comes before rate limit, whichever detail comes first.
            if let Some(reason) =
                detail.get("reason").and_then(Value::as_str).filter(|_| self.code != PER_DAY)
            {
                reason.clone_into(&mut self.code);
            }
            if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
                self.retry_delay = wait::duration(delay);
            }
            let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
            if violations.filter_map(|v| v.get("quotaId")?.as_str()).any(|id| id.contains("PerDay")) {
                PER_DAY.clone_into(&mut self.code);
            }
        }
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A message may itself be an object or a list (FastAPI's validation errors): its texts, else its JSON.
fn prose(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn http_status(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|n| (400..600).contains(n))
}

/// A page's text: its title where it is HTML, else its beginning.
fn page_text(body: &str) -> String {
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

/// Scheme and host of an address, or a path on the same host; what follows may hold a key.
fn host_of(location: &str) -> String {
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
    use crate::dialect::Headers;

    fn failure(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        let headers: Headers = headers.iter().copied().collect();
        ErrorBody::failure_of(Reply { status, headers: &headers, body: body.as_bytes() })
    }

    #[test]
    fn shapes() {
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
            assert_eq!((failure.message.as_str(), failure.code.as_deref()), (message, code), "{body}");
        }
        assert_eq!(failure(500, &[], "").message, "HTTP status 500 without a message");
    }

    #[test]
    fn google_details() {
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
    fn a_redirect_says_where_it_leads_and_no_more() {
        for (location, said) in [
            (
                "https://me:planted@evil.example/v1?key=planted",
                "a redirect to https://evil.example, which is not followed",
            ),
            ("/login?next=planted", "a redirect to /login, which is not followed"),
        ] {
            let headers: Headers = [("location", location)].into_iter().collect();
            let failure = ErrorBody::failure_of(Reply { status: 307, headers: &headers, body: b"" });
            assert_eq!(failure.message, said);
        }
    }

    #[test]
    fn headers_are_read() {
        let failure =
            failure(529, &[("Request-Id", "req_1"), ("x-should-retry", "false"), ("retry-after", "2")], "{}");
        assert_eq!(failure.request_id.as_deref(), Some("req_1"));
        assert_eq!(failure.should_retry, Some(false));
        assert_eq!(failure.retry_after, Some(Duration::from_secs(2)));
    }
}
