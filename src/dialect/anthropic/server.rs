use serde_json::{Value, json};

use super::messages::encode_block;
use super::{Anthropic, request};
use crate::chat::{FailureClass, FinishReason, Part, Response, StreamEvent, TokenCount, Usage};
use crate::dialect::retry_after::encode_retry_after;
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder,
};

impl ServerCodec for Anthropic {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn wrap_reasoning_state(&self, content: &str) -> Option<Value> {
        Some(json!({"signature": content}))
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        _timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
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

    fn encode_headers(&self, metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        // Resets are left out: this dialect states them as a time of day, which needs a clock.
        let (requests, tokens) = (&metadata.request_limit, &metadata.token_limit);
        let counts = [
            ("anthropic-ratelimit-requests-limit", requests.limit),
            ("anthropic-ratelimit-requests-remaining", requests.remaining),
            ("anthropic-ratelimit-tokens-limit", tokens.limit),
            ("anthropic-ratelimit-tokens-remaining", tokens.remaining),
        ];
        let mut headers = Vec::new();
        headers.extend(metadata.request_id.clone().map(|id| ("request-id", id)));
        headers.extend(metadata.retry_after.map(|wait| ("retry-after", encode_retry_after(wait))));
        headers.extend(counts.into_iter().filter_map(|(name, count)| Some((name, count?.to_string()))));
        headers
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        ServerErrorResponse {
            status: error_codes(failure).0,
            headers: self.encode_headers(failure.metadata),
            body: wire_json::encode_json(&encode_error(failure)),
        }
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

fn encode_error(failure: &ServerFailure<'_>) -> Value {
    let error = json!({"type": error_codes(failure).1, "message": failure.message});
    let mut wire = json!({"type": "error", "error": error});
    if let Some(id) = &failure.metadata.request_id {
        wire["request_id"] = json!(id);
    }
    wire
}

/// The status and the error type.
fn error_codes(failure: &ServerFailure<'_>) -> (u16, &'static str) {
    let (status, kind) = match failure.class {
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
    match failure.status {
        Some(413) => (413, "request_too_large"),
        given => (given.unwrap_or(status), kind),
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

/// In this dialect, `input_tokens` excludes both cache counts, and only reasoning that took place is counted.
fn encode_usage(usage: &Usage) -> Value {
    let (read, write) = (usage.cached_input_tokens, usage.cache_write_tokens);
    let cached = Usage::sum_known(&[read, write]).unwrap_or(TokenCount::ZERO);
    let counts = encode_known_counts(&[
        ("input_tokens", usage.input_tokens.map(|input| input.saturating_sub(cached))),
        ("cache_creation_input_tokens", write),
        ("cache_read_input_tokens", read),
        ("output_tokens", usage.output_tokens),
    ]);
    let mut wire = counts.unwrap_or_else(|| json!({}));
    if let Some(thinking) = usage.reasoning_tokens.filter(|count| *count > TokenCount::ZERO) {
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
    fn encode_start(&mut self, known: &Usage) -> Vec<u8> {
        let message = json!({
            "id": self.identity.response_id, "type": "message", "role": "assistant", "model": self.identity.model, "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": encode_usage(known),
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

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        encode_sse_frame(Some("error"), &encode_error(failure))
    }
}
