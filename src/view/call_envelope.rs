//! The JSON object of a call, the same for every provider and for failures.

use serde::Serialize;
use serde_json::{Map, Value};

use super::format::round_milliseconds;
use super::reasons::{describe_skip, describe_stop};
use crate::catalog::Cost;
use crate::chat::{Citation, Failure, Message, ToolCall, Usage};
use crate::dialect::{ParsedResponseHeaders, RateLimit};
use crate::eval::StructuredOutput;
use crate::route::{Attempt, CallRecord};

/// The object `slalom.call/1`.
#[derive(Debug, Serialize)]
pub(crate) struct CallEnvelope<'a> {
    schema: &'static str,
    id: &'a str,
    route: Option<&'a str>,
    requested_model: &'a str,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    served_model: Option<&'a str>,
    text: &'a str,
    reasoning: Option<&'a str>,
    tool_calls: &'a [ToolCall],
    citations: &'a [Citation],
    structured: Option<Value>,
    schema_error: Option<String>,
    finish_reason: &'static str,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    cost_source: &'static str,
    first_token_ms: Option<u64>,
    latency_ms: u64,
    /// The part of the latency spent waiting for limits.
    queued_ms: u64,
    failovers: usize,
    attempts: Vec<AttemptObject<'a>>,
    skipped: Vec<SkippedObject<'a>>,
    not_tried: Vec<ModelObject<'a>>,
    /// The answer as a message to send back, with tool results or the next prompt.
    message: Option<Message>,
    unexpected: &'a [String],
    provider_fields: &'a Map<String, Value>,
    simulated: bool,
    /// The injected outages; absent from ordinary calls.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    drill: &'a [String],
    error: Option<ErrorObject>,
}

impl<'a> CallEnvelope<'a> {
    #[must_use]
    pub(crate) fn with_drills(self, drill: &'a [String]) -> Self {
        Self { drill, ..self }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct AttemptObject<'a> {
    provider: &'a str,
    model: &'a str,
    outcome: &'static str,
    started_ms: u64,
    duration_ms: u64,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    failure: Option<FailureObject<'a>>,
    rate_limits: Option<RateLimitsObject>,
}

/// Remaining limits at the provider, as reported by its headers.
#[derive(Debug, Serialize)]
struct RateLimitsObject {
    requests: RateLimitObject,
    tokens: RateLimitObject,
}

#[derive(Debug, Serialize)]
struct RateLimitObject {
    limit: Option<u64>,
    remaining: Option<u64>,
    reset_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct FailureObject<'a> {
    class: &'static str,
    phase: crate::chat::FailurePhase,
    status: Option<u16>,
    code: Option<&'a str>,
    message: &'a str,
    retry_after_ms: Option<u64>,
    request_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct SkippedObject<'a> {
    provider: &'a str,
    model: &'a str,
    reason: &'static str,
    detail: String,
}

#[derive(Debug, Serialize)]
struct ModelObject<'a> {
    provider: &'a str,
    model: &'a str,
}

#[derive(Debug, Serialize)]
struct ErrorObject {
    /// Class of the last attempt's failure.
    class: Option<&'static str>,
    /// Why the call ended.
    reason: &'static str,
    message: String,
    hint: Option<String>,
}

/// `hint` is advice for a failed call; `structured` is the JSON of a structured answer, or the reason why it
/// does not match its schema.
pub(crate) fn call_envelope<'a>(
    record: &'a CallRecord,
    structured: Option<&StructuredOutput>,
    hint: Option<String>,
) -> CallEnvelope<'a> {
    static EMPTY_FIELDS: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let answer = record.outcome.as_ref().ok();
    let response = answer.map(|answer| &answer.response);
    let no_answer = record.outcome.as_ref().err();
    let cost = record.total_cost();
    CallEnvelope {
        schema: "slalom.call/1",
        id: &record.id,
        route: record.route.as_deref(),
        requested_model: &record.requested_model,
        provider: answer.map(|a| a.model_ref.provider.as_str()),
        model: answer.map(|a| a.model_ref.model.as_str()),
        served_model: response.and_then(|r| r.served_model.as_deref()),
        text: response.map_or_else(|| no_answer.map_or("", |n| n.shown_text.as_str()), |r| r.text.as_str()),
        reasoning: response.and_then(|r| r.reasoning.as_deref()),
        tool_calls: response.map_or(&[], |r| &r.tool_calls),
        citations: response.map_or(&[], |r| &r.citations),
        structured: structured.and_then(|s| s.as_ref().ok().cloned()),
        schema_error: structured.and_then(|s| s.as_ref().err().cloned()),
        finish_reason: response.map_or("error", |r| r.finish_reason.as_str()),
        usage: response.map(|r| r.usage),
        cost_usd: cost.usd(),
        cost_source: cost.source.name(),
        first_token_ms: record.first_token.map(round_milliseconds),
        latency_ms: round_milliseconds(record.latency),
        queued_ms: round_milliseconds(record.queued_time),
        failovers: record.failover_count(),
        attempts: record.attempts.iter().map(attempt_object).collect(),
        skipped: record
            .skipped
            .iter()
            .map(|(model, skip)| SkippedObject {
                provider: &model.provider,
                model: &model.model,
                reason: skip.code(),
                detail: describe_skip(skip),
            })
            .collect(),
        not_tried: record
            .untried
            .iter()
            .map(|model| ModelObject { provider: &model.provider, model: &model.model })
            .collect(),
        message: answer.map(|a| a.response.to_message(a.model_ref.to_string())),
        unexpected: response.map_or(&[], |r| &r.unexpected_fields),
        provider_fields: response.map_or(&EMPTY_FIELDS, |r| &r.provider_fields),
        simulated: record.is_simulated(),
        drill: &[],
        error: no_answer.map(|no_answer| ErrorObject {
            class: no_answer.failure.as_ref().map(|f| f.class.as_str()),
            reason: no_answer.reason.code(),
            message: no_answer
                .failure
                .as_ref()
                .map_or_else(|| describe_stop(no_answer.reason), |f| f.message.clone()),
            hint,
        }),
    }
}

pub(super) fn attempt_object(attempt: &Attempt) -> AttemptObject<'_> {
    AttemptObject {
        provider: &attempt.model_ref.provider,
        model: &attempt.model_ref.model,
        outcome: if attempt.failure.is_none() { "answered" } else { "failed" },
        started_ms: round_milliseconds(attempt.start_offset),
        duration_ms: round_milliseconds(attempt.duration),
        usage: attempt.usage,
        cost_usd: Cost::usd(attempt.cost),
        failure: attempt.failure.as_ref().map(failure_object),
        rate_limits: rate_limits_object(&attempt.account),
    }
}

fn rate_limits_object(headers: &ParsedResponseHeaders) -> Option<RateLimitsObject> {
    let limit_object = |limit: RateLimit| RateLimitObject {
        limit: limit.limit,
        remaining: limit.remaining,
        reset_ms: limit.reset_after.map(round_milliseconds),
    };
    let is_reported =
        [headers.request_limit, headers.token_limit].iter().any(|limit| *limit != RateLimit::default());
    is_reported.then(|| RateLimitsObject {
        requests: limit_object(headers.request_limit),
        tokens: limit_object(headers.token_limit),
    })
}

fn failure_object(failure: &Failure) -> FailureObject<'_> {
    FailureObject {
        class: failure.class.as_str(),
        phase: failure.phase,
        status: failure.status,
        code: failure.provider_code.as_deref(),
        message: &failure.message,
        retry_after_ms: failure.retry_after.map(round_milliseconds),
        request_id: failure.request_id.as_deref(),
    }
}
