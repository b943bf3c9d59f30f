//! The half that answers.

use serde_json::{Value, json};

use super::turn::write_block;
use super::{Anthropic, request};
use crate::chat::{Event, FailureClass, FinishReason, Part, Response, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder, wire};

impl Server for Anthropic {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(body)
    }

    fn thought_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"signature": seed}))
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let unsigned = |part: &Part| match part {
            Part::Reasoning { text, state: None } => {
                Some(json!({"type": "thinking", "thinking": text, "signature": ""}))
            }
            other => write_block(other),
        };
        let content: Vec<Value> = response.parts.iter().filter_map(unsigned).collect();
        wire::write(&json!({
            "id": serving.id, "type": "message", "role": "assistant", "model": serving.model, "content": content,
            "stop_reason": stop_word(response.finish_reason), "stop_sequence": null, "usage": usage(&response.usage),
        }))
    }

    fn answer_headers(&self, serving: &Serving) -> Vec<(&'static str, String)> {
        vec![
            ("request-id", format!("req_{}", serving.id)),
            ("anthropic-ratelimit-requests-limit", "10000".to_owned()),
            ("anthropic-ratelimit-requests-remaining", "9999".to_owned()),
        ]
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let (status, kind) = match class {
            FailureClass::RateLimited => (429, "rate_limit_error"),
            FailureClass::QuotaExhausted => (402, "billing_error"),
            FailureClass::Auth => (401, "authentication_error"),
            FailureClass::ModelUnavailable => (404, "not_found_error"),
            FailureClass::BadRequest | FailureClass::ContextOverflow | FailureClass::ContentPolicy => {
                (400, "invalid_request_error")
            }
            FailureClass::Timeout => (504, "timeout_error"),
            FailureClass::Unreachable => (500, "api_error"),
            _ => (529, "overloaded_error"),
        };
        let mut headers = vec![("request-id", "req_sim".to_owned())];
        if class == FailureClass::RateLimited {
            headers.push(("retry-after", "1".to_owned()));
            headers.push(("anthropic-ratelimit-requests-remaining", "0".to_owned()));
        }
        let error = json!({"type": kind, "message": message});
        let body = wire::write(&json!({"type": "error", "error": error, "request_id": "req_sim"}));
        ServerReply { status, headers, body }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { serving: serving.clone(), usage: Usage::default(), open: None, blocks: 0 })
    }
}

fn stop_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Refusal | FinishReason::ContentFilter => "refusal",
        FinishReason::Pause => "pause_turn",
        FinishReason::Stop | FinishReason::Error | FinishReason::Other => "end_turn",
    }
}

/// The vendor's convention: `input_tokens` leaves both cache figures out.
fn usage(usage: &Usage) -> Value {
    let (read, write) = (usage.cached_input_tokens.unwrap_or(0), usage.cache_write_tokens.unwrap_or(0));
    let mut wire = json!({
        "input_tokens": usage.input_tokens.unwrap_or(0).saturating_sub(read + write),
        "cache_creation_input_tokens": write, "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens.unwrap_or(0),
    });
    if let Some(thinking) = usage.reasoning_tokens {
        wire["output_tokens_details"] = json!({"thinking_tokens": thinking});
    }
    wire
}

#[derive(Clone, Copy, PartialEq)]
enum Open {
    Text,
    Thinking,
    Redacted,
    Call(usize),
}

struct Encoder {
    serving: Serving,
    usage: Usage,
    open: Option<Open>,
    blocks: usize,
}

impl Encoder {
    /// Opens a block of that kind unless it is open already, closing the one before it.
    fn enter(&mut self, kind: Open, block: &Value) -> Vec<u8> {
        if self.open == Some(kind) {
            return Vec::new();
        }
        let mut out = self.leave();
        self.open = Some(kind);
        let start = json!({"type": "content_block_start", "index": self.blocks, "content_block": block});
        out.extend(write_frame(Some("content_block_start"), &start));
        out
    }

    fn leave(&mut self) -> Vec<u8> {
        if self.open.take().is_none() {
            return Vec::new();
        }
        self.blocks += 1;
        write_frame(
            Some("content_block_stop"),
            &json!({"type": "content_block_stop", "index": self.blocks - 1}),
        )
    }

    fn delta(&self, delta: &Value) -> Vec<u8> {
        let event = json!({"type": "content_block_delta", "index": self.blocks, "delta": delta});
        write_frame(Some("content_block_delta"), &event)
    }
}

impl StreamEncoder for Encoder {
    fn open(&mut self, input: &Usage) -> Vec<u8> {
        let opening = Usage { output_tokens: Some(1), ..*input };
        let message = json!({
            "id": self.serving.id, "type": "message", "role": "assistant", "model": self.serving.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage(&opening),
        });
        write_frame(Some("message_start"), &json!({"type": "message_start", "message": message}))
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        match event {
            Event::Text(text) => {
                let mut out = self.enter(Open::Text, &json!({"type": "text", "text": ""}));
                out.extend(self.delta(&json!({"type": "text_delta", "text": text})));
                out
            }
            Event::Reasoning(text) => {
                let mut out =
                    self.enter(Open::Thinking, &json!({"type": "thinking", "thinking": "", "signature": ""}));
                out.extend(self.delta(&json!({"type": "thinking_delta", "thinking": text})));
                out
            }
            Event::ToolCall { index, id, name } => self
                .enter(Open::Call(*index), &json!({"type": "tool_use", "id": id, "name": name, "input": {}})),
            Event::ToolArguments { piece, .. } => {
                self.delta(&json!({"type": "input_json_delta", "partial_json": piece}))
            }
            Event::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            Event::Finish(reason) => {
                let mut out = self.leave();
                let delta = json!({"stop_reason": stop_word(*reason), "stop_sequence": null});
                let event = json!({"type": "message_delta", "delta": delta, "usage": usage(&self.usage)});
                out.extend(write_frame(Some("message_delta"), &event));
                out
            }
            Event::ReasoningState(state) => match (state.get("signature"), state.get("data")) {
                (Some(signature), _) if self.open == Some(Open::Thinking) => {
                    let mut out = self.delta(&json!({"type": "signature_delta", "signature": signature}));
                    out.extend(self.leave());
                    out
                }
                (None, Some(data)) => {
                    let block = json!({"type": "redacted_thinking", "data": data});
                    let mut out = self.enter(Open::Redacted, &block);
                    out.extend(self.leave());
                    out
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<u8> {
        write_frame(Some("message_stop"), &json!({"type": "message_stop"}))
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = Anthropic.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        write_frame(Some("error"), &value)
    }
}
