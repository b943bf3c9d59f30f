use serde_json::{Value, json};

use super::messages::encode_parts;
use super::{Gemini, request};
use crate::chat::{FailureClass, FinishReason, Part, Response, StreamEvent, TokenCount, ToolCall, Usage};
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    ResponseIdentity, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure, ServerRequest,
    StreamEncoder,
};

impl ServerCodec for Gemini {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(path, body)
    }

    fn wrap_reasoning_state(&self, content: &str) -> Option<Value> {
        Some(json!({"thoughtSignature": content, "on": "call"}))
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        _timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
        let parts = encode_parts(&response.parts, None);
        wire_json::encode_json(&encode_chunk(
            identity,
            &parts,
            Some(response.finish_reason),
            Some(&response.usage),
        ))
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        ServerErrorResponse {
            status: failure.status.unwrap_or(error_codes(failure.class).0),
            headers: Vec::new(),
            body: wire_json::encode_json(&encode_error(failure)),
        }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(GeminiEncoder {
            identity: identity.clone(),
            usage: Usage::default(),
            pending_parts: Vec::new(),
        })
    }
}

fn encode_error(failure: &ServerFailure<'_>) -> Value {
    let (code, status) = error_codes(failure.class);
    let mut error =
        json!({"code": failure.status.unwrap_or(code), "message": failure.message, "status": status});
    let mut details = Vec::new();
    match failure.class {
        FailureClass::RateLimited => {
            details.push(encode_quota("GenerateRequestsPerMinutePerProjectPerModel"));
        }
        FailureClass::QuotaExhausted => {
            details.push(encode_quota("GenerateRequestsPerDayPerProjectPerModel"));
        }
        FailureClass::Auth => details
            .push(json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})),
        _ => {}
    }
    if let Some(wait) = failure.metadata.retry_after {
        let delay = format!("{}s", wait.as_secs_f64());
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
    }
    if !details.is_empty() {
        error["details"] = Value::Array(details);
    }
    json!({"error": error})
}

fn encode_quota(id: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]})
}

/// The code, which is also the HTTP status, and the status name for a class.
fn error_codes(class: FailureClass) -> (u16, &'static str) {
    match class {
        FailureClass::RateLimited | FailureClass::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
        FailureClass::Auth
        | FailureClass::BadRequest
        | FailureClass::ContentPolicy
        | FailureClass::ContextOverflow => (400, "INVALID_ARGUMENT"),
        FailureClass::ModelUnavailable => (404, "NOT_FOUND"),
        FailureClass::Timeout => (504, "DEADLINE_EXCEEDED"),
        FailureClass::Unreachable => (500, "INTERNAL"),
        _ => (503, "UNAVAILABLE"),
    }
}

fn encode_finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Pause => "CONTINUATION",
        FinishReason::Error => "MALFORMED_RESPONSE",
        FinishReason::Other => "OTHER",
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
    }
}

/// In this dialect, `candidatesTokenCount` excludes reasoning tokens, and zero counts of reasoning and of cached
/// tokens are left out. `None` if no count is known.
fn encode_usage(usage: &Usage) -> Option<Value> {
    let positive = |count: Option<TokenCount>| count.filter(|count| *count > TokenCount::ZERO);
    let reasoning = usage.reasoning_tokens.unwrap_or(TokenCount::ZERO);
    encode_known_counts(&[
        ("promptTokenCount", usage.input_tokens),
        ("candidatesTokenCount", usage.output_tokens.map(|output| output.saturating_sub(reasoning))),
        ("totalTokenCount", wire_json::sum_both(usage.input_tokens, usage.output_tokens)),
        ("thoughtsTokenCount", positive(usage.reasoning_tokens)),
        ("cachedContentTokenCount", positive(usage.cached_input_tokens)),
    ])
}

fn encode_chunk(
    identity: &ResponseIdentity,
    parts: &[Value],
    finish: Option<FinishReason>,
    counts: Option<&Usage>,
) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(reason) = finish {
        candidate["finishReason"] = json!(encode_finish_reason(reason));
    }
    let mut chunk = json!({"candidates": [candidate], "modelVersion": identity.model, "responseId": identity.response_id});
    if let Some(counts) = counts.and_then(encode_usage) {
        chunk["usageMetadata"] = counts;
    }
    chunk
}

struct GeminiEncoder {
    identity: ResponseIdentity,
    usage: Usage,
    /// Calls are sent complete and with their signatures, so parts are buffered with their arguments so far.
    pending_parts: Vec<(Part, String)>,
}

impl StreamEncoder for GeminiEncoder {
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
        Vec::new()
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        let part = match event {
            StreamEvent::TextDelta(text) => json!({"text": text}),
            StreamEvent::ReasoningDelta(text) => json!({"text": text, "thought": true}),
            StreamEvent::ReasoningState(state) => {
                let part = Part::Reasoning { text: String::new(), state: Some(state.clone()) };
                self.pending_parts.push((part, String::new()));
                return Vec::new();
            }
            StreamEvent::ToolCallStart { id, name, .. } => {
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: Value::Null };
                self.pending_parts.push((Part::ToolCall(call), String::new()));
                return Vec::new();
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => {
                let calls =
                    self.pending_parts.iter_mut().filter(|(part, _)| matches!(part, Part::ToolCall(_)));
                if let Some((_, arguments)) = calls.into_iter().nth(*index) {
                    arguments.push_str(piece);
                }
                return Vec::new();
            }
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                return Vec::new();
            }
            StreamEvent::Finish(reason) => {
                let whole = |(part, arguments): (Part, String)| match part {
                    Part::ToolCall(call) => {
                        let arguments = serde_json::from_str(&arguments).unwrap_or_else(|_| json!({}));
                        Part::ToolCall(ToolCall { arguments, ..call })
                    }
                    other => other,
                };
                let parts: Vec<Part> =
                    std::mem::take(&mut self.pending_parts).into_iter().map(whole).collect();
                let parts = encode_parts(&parts, None);
                return encode_sse_frame(
                    None,
                    &encode_chunk(&self.identity, &parts, Some(*reason), Some(&self.usage)),
                );
            }
            _ => return Vec::new(),
        };
        encode_sse_frame(None, &encode_chunk(&self.identity, &[part], None, None))
    }

    fn encode_end(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        encode_sse_frame(None, &encode_error(failure))
    }
}
