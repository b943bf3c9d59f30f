use serde_json::{Value, json};

use super::messages::encode_parts;
use super::{Gemini, request};
use crate::chat::{FailureClass, FinishReason, Part, Response, StreamEvent, ToolCall, Usage};
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::{
    ResponseIdentity, ServerCodec, ServerErrorResponse, ServerRequest, StreamEncoder, wire_json,
};

impl ServerCodec for Gemini {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(path, body)
    }

    fn reasoning_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"thoughtSignature": seed, "on": "call"}))
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8> {
        let parts = encode_parts(&response.parts, None);
        wire_json::encode_json(&encode_chunk(
            identity,
            &parts,
            Some(response.finish_reason),
            Some(&response.usage),
        ))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse {
        let (status, word) = match class {
            FailureClass::RateLimited | FailureClass::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
            FailureClass::Auth
            | FailureClass::BadRequest
            | FailureClass::ContentPolicy
            | FailureClass::ContextOverflow => (400, "INVALID_ARGUMENT"),
            FailureClass::ModelUnavailable => (404, "NOT_FOUND"),
            FailureClass::Timeout => (504, "DEADLINE_EXCEEDED"),
            FailureClass::Unreachable => (500, "INTERNAL"),
            _ => (503, "UNAVAILABLE"),
        };
        let quota = |id: &str| json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]});
        let details = match class {
            FailureClass::RateLimited => json!([
                quota("GenerateRequestsPerMinutePerProjectPerModel"),
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.25s"},
            ]),
            FailureClass::QuotaExhausted => json!([quota("GenerateRequestsPerDayPerProjectPerModel")]),
            FailureClass::Auth => {
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}])
            }
            _ => json!([]),
        };
        let mut error = json!({"code": status, "message": message, "status": word});
        if details != json!([]) {
            error["details"] = details;
        }
        ServerErrorResponse {
            status,
            headers: Vec::new(),
            body: wire_json::encode_json(&json!({"error": error})),
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

/// In this dialect, `candidatesTokenCount` excludes reasoning tokens.
fn encode_usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    let mut wire = json!({
        "promptTokenCount": input, "candidatesTokenCount": output.saturating_sub(reasoning), "totalTokenCount": input + output,
    });
    if reasoning > 0 {
        wire["thoughtsTokenCount"] = json!(reasoning);
    }
    if let Some(cached) = usage.cached_input_tokens.filter(|c| *c > 0) {
        wire["cachedContentTokenCount"] = json!(cached);
    }
    wire
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
    if let Some(counts) = counts {
        chunk["usageMetadata"] = encode_usage(counts);
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
    fn encode_start(&mut self, _input: &Usage) -> Vec<u8> {
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

    fn encode_error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = Gemini.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        encode_sse_frame(None, &value)
    }
}
