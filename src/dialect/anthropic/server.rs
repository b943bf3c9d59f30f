use serde_json::{Value, json};

use super::messages::encode_block;
use super::{Anthropic, request};
use crate::chat::{FailureClass, FinishReason, Part, Response, StreamEvent, Usage};
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::{
    ResponseIdentity, ServerCodec, ServerErrorResponse, ServerRequest, StreamEncoder, wire_json,
};

impl ServerCodec for Anthropic {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn reasoning_state(&self, seed: &str) -> Option<Value> {
        Some(json!({"signature": seed}))
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8> {
        let unsigned = |part: &Part| match part {
            Part::Reasoning { text, state: None } => {
                Some(json!({"type": "thinking", "thinking": text, "signature": ""}))
            }
            other => encode_block(other),
        };
        let content: Vec<Value> = response.parts.iter().filter_map(unsigned).collect();
        wire_json::encode_json(&json!({
            "id": identity.response_id, "type": "message", "role": "assistant", "model": identity.model, "content": content,
            "stop_reason": encode_finish_reason(response.finish_reason), "stop_sequence": null, "usage": encode_usage(&response.usage),
        }))
    }

    fn response_headers(&self, identity: &ResponseIdentity) -> Vec<(&'static str, String)> {
        vec![
            ("request-id", format!("req_{}", identity.response_id)),
            ("anthropic-ratelimit-requests-limit", "10000".to_owned()),
            ("anthropic-ratelimit-requests-remaining", "9999".to_owned()),
        ]
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse {
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
        let body = wire_json::encode_json(&json!({"type": "error", "error": error, "request_id": "req_sim"}));
        ServerErrorResponse { status, headers, body }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(AnthropicEncoder {
            identity: identity.clone(),
            usage: Usage::default(),
            current_block: None,
            block_index: 0,
        })
    }
}

fn encode_finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Refusal | FinishReason::ContentFilter => "refusal",
        FinishReason::Pause => "pause_turn",
        FinishReason::Stop | FinishReason::Error | FinishReason::Other => "end_turn",
    }
}

/// In this dialect, `input_tokens` excludes both cache counts.
fn encode_usage(usage: &Usage) -> Value {
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
enum AnthropicOpenBlock {
    Text,
    Thinking,
    RedactedThinking,
    ToolUse(usize),
}

struct AnthropicEncoder {
    identity: ResponseIdentity,
    usage: Usage,
    current_block: Option<AnthropicOpenBlock>,
    block_index: usize,
}

impl AnthropicEncoder {
    /// Closes the open block and opens one of this kind, unless it is already open.
    fn open_block(&mut self, kind: AnthropicOpenBlock, block: &Value) -> Vec<u8> {
        if self.current_block == Some(kind) {
            return Vec::new();
        }
        let mut out = self.close_block();
        self.current_block = Some(kind);
        let start = json!({"type": "content_block_start", "index": self.block_index, "content_block": block});
        out.extend(encode_sse_frame(Some("content_block_start"), &start));
        out
    }

    fn close_block(&mut self) -> Vec<u8> {
        if self.current_block.take().is_none() {
            return Vec::new();
        }
        self.block_index += 1;
        encode_sse_frame(
            Some("content_block_stop"),
            &json!({"type": "content_block_stop", "index": self.block_index - 1}),
        )
    }

    fn encode_delta(&self, delta: &Value) -> Vec<u8> {
        let event = json!({"type": "content_block_delta", "index": self.block_index, "delta": delta});
        encode_sse_frame(Some("content_block_delta"), &event)
    }
}

impl StreamEncoder for AnthropicEncoder {
    fn encode_start(&mut self, input: &Usage) -> Vec<u8> {
        let opening = Usage { output_tokens: Some(1), ..*input };
        let message = json!({
            "id": self.identity.response_id, "type": "message", "role": "assistant", "model": self.identity.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": encode_usage(&opening),
        });
        encode_sse_frame(Some("message_start"), &json!({"type": "message_start", "message": message}))
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        match event {
            StreamEvent::TextDelta(text) => {
                let mut out = self.open_block(AnthropicOpenBlock::Text, &json!({"type": "text", "text": ""}));
                out.extend(self.encode_delta(&json!({"type": "text_delta", "text": text})));
                out
            }
            StreamEvent::ReasoningDelta(text) => {
                let mut out = self.open_block(
                    AnthropicOpenBlock::Thinking,
                    &json!({"type": "thinking", "thinking": "", "signature": ""}),
                );
                out.extend(self.encode_delta(&json!({"type": "thinking_delta", "thinking": text})));
                out
            }
            StreamEvent::ToolCallStart { index, id, name } => self.open_block(
                AnthropicOpenBlock::ToolUse(*index),
                &json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            ),
            StreamEvent::ToolCallDelta { arguments_delta: piece, .. } => {
                self.encode_delta(&json!({"type": "input_json_delta", "partial_json": piece}))
            }
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            StreamEvent::Finish(reason) => {
                let mut out = self.close_block();
                let delta = json!({"stop_reason": encode_finish_reason(*reason), "stop_sequence": null});
                let event =
                    json!({"type": "message_delta", "delta": delta, "usage": encode_usage(&self.usage)});
                out.extend(encode_sse_frame(Some("message_delta"), &event));
                out
            }
            StreamEvent::ReasoningState(state) => match (state.get("signature"), state.get("data")) {
                (Some(signature), _) if self.current_block == Some(AnthropicOpenBlock::Thinking) => {
                    let mut out =
                        self.encode_delta(&json!({"type": "signature_delta", "signature": signature}));
                    out.extend(self.close_block());
                    out
                }
                (None, Some(data)) => {
                    let block = json!({"type": "redacted_thinking", "data": data});
                    let mut out = self.open_block(AnthropicOpenBlock::RedactedThinking, &block);
                    out.extend(self.close_block());
                    out
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn encode_end(&mut self) -> Vec<u8> {
        encode_sse_frame(Some("message_stop"), &json!({"type": "message_stop"}))
    }

    fn encode_error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = Anthropic.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        encode_sse_frame(Some("error"), &value)
    }
}
