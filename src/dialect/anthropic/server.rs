//! The half that answers.

use serde_json::{Value, json};

use super::Anthropic;
use super::wire::Body;
use crate::chat::{Event, FailureClass, FinishReason, Message, Request, Response, Role, Usage};
use crate::dialect::sse_stream::write_frame;
use crate::dialect::wire::{self, Content};
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder};

impl Server for Anthropic {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        let body: Body = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let mut request = Request {
            temperature: body.temperature,
            top_p: body.top_p,
            max_tokens: Some(body.max_tokens),
            stop: body.stop_sequences,
            ..Request::default()
        };
        if let Some(system) = body.system {
            request.system = Some(texts(system)?.join("\n\n"));
        }
        for turn in body.messages {
            let role = if turn.role == "assistant" { Role::Assistant } else { Role::User };
            request.messages.push(Message { role, parts: texts(turn.content)? });
        }
        Ok(Asked { model: body.model, request, stream: body.stream })
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let mut content = Vec::new();
        content.extend(
            response.reasoning.iter().map(|r| json!({"type": "thinking", "thinking": r, "signature": ""})),
        );
        if !response.text.is_empty() {
            content.push(json!({"type": "text", "text": response.text}));
        }
        content.extend(
            response
                .tool_calls
                .iter()
                .map(|c| json!({"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments})),
        );
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
            FailureClass::ContextOverflow => (413, "request_too_large"),
            FailureClass::BadRequest | FailureClass::ContentPolicy => (400, "invalid_request_error"),
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

fn texts(content: Value) -> Result<Vec<String>, String> {
    let content: Content = serde_json::from_value(content).map_err(|e| e.to_string())?;
    Ok(content.0.into_iter().filter_map(|part| part.text).collect())
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
            Event::Restart | Event::Model(_) | Event::ProviderField { .. } | Event::Unexpected(_) => {
                Vec::new()
            }
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
