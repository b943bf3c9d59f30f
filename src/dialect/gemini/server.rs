//! The half that answers.

use serde_json::{Value, json};

use super::turn::write_parts;
use super::{Gemini, request};
use crate::chat::{Event, FailureClass, FinishReason, Part, Response, ToolCall, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for Gemini {
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(path, body)
    }

    fn thought_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"thoughtSignature": seed, "on": "call"}))
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let parts = write_parts(&response.parts, None);
        wire::write(&chunk(serving, &parts, Some(response.finish_reason), Some(&response.usage)))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
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
        ServerReply { status, headers: Vec::new(), body: wire::write(&json!({"error": error})) }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { serving: serving.clone(), usage: Usage::default(), held: Vec::new() })
    }
}

fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Pause => "CONTINUATION",
        FinishReason::Error => "MALFORMED_RESPONSE",
        FinishReason::Other => "OTHER",
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
    }
}

/// The vendor's convention: `candidatesTokenCount` leaves the thoughts out.
fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    let thoughts = usage.reasoning_tokens.unwrap_or(0);
    let mut wire = json!({
        "promptTokenCount": input, "candidatesTokenCount": output.saturating_sub(thoughts), "totalTokenCount": input + output,
    });
    if thoughts > 0 {
        wire["thoughtsTokenCount"] = json!(thoughts);
    }
    if let Some(cached) = usage.cached_input_tokens.filter(|c| *c > 0) {
        wire["cachedContentTokenCount"] = json!(cached);
    }
    wire
}

fn chunk(serving: &Serving, parts: &[Value], finish: Option<FinishReason>, counts: Option<&Usage>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(reason) = finish {
        candidate["finishReason"] = json!(finish_word(reason));
    }
    let mut chunk =
        json!({"candidates": [candidate], "modelVersion": serving.model, "responseId": serving.id});
    if let Some(counts) = counts {
        chunk["usageMetadata"] = usage(counts);
    }
    chunk
}

struct Encoder {
    serving: Serving,
    usage: Usage,
    /// Calls go out whole, with the marks on them, so they are held back: the part, and its arguments so far.
    held: Vec<(Part, String)>,
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        Vec::new()
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        let part = match event {
            Event::Text(text) => json!({"text": text}),
            Event::Reasoning(text) => json!({"text": text, "thought": true}),
            Event::ReasoningState(state) => {
                let part = Part::Reasoning { text: String::new(), state: Some(state.clone()) };
                self.held.push((part, String::new()));
                return Vec::new();
            }
            Event::ToolCall { id, name, .. } => {
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: Value::Null };
                self.held.push((Part::ToolCall(call), String::new()));
                return Vec::new();
            }
            Event::ToolArguments { index, piece } => {
                let calls = self.held.iter_mut().filter(|(part, _)| matches!(part, Part::ToolCall(_)));
                if let Some((_, arguments)) = calls.into_iter().nth(*index) {
                    arguments.push_str(piece);
                }
                return Vec::new();
            }
            Event::Usage(usage) => {
                self.usage.merge(usage);
                return Vec::new();
            }
            Event::Finish(reason) => {
                let whole = |(part, arguments): (Part, String)| match part {
                    Part::ToolCall(call) => {
                        let arguments = serde_json::from_str(&arguments).unwrap_or_else(|_| json!({}));
                        Part::ToolCall(ToolCall { arguments, ..call })
                    }
                    other => other,
                };
                let parts: Vec<Part> = std::mem::take(&mut self.held).into_iter().map(whole).collect();
                let parts = write_parts(&parts, None);
                return write_frame(None, &chunk(&self.serving, &parts, Some(*reason), Some(&self.usage)));
            }
            _ => return Vec::new(),
        };
        write_frame(None, &chunk(&self.serving, &[part], None, None))
    }

    fn close(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = Gemini.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        write_frame(None, &value)
    }
}
