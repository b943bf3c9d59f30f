//! The half that answers.

use serde_json::{Value, json};

use super::{OpenaiChat, request};
use crate::chat::{Event, FailureClass, FinishReason, Response, Usage};
use crate::dialect::functions::write_call;
use crate::dialect::sse_stream::write_frame;
use crate::dialect::wire;
use crate::dialect::{Asked, Server, ServerReply, Serving, StreamEncoder};

impl Server for OpenaiChat {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<Asked, String> {
        request::read(body)
    }

    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8> {
        let calls: Vec<Value> = response.tool_calls.iter().map(|c| write_call(&c.id, c)).collect();
        let mut message =
            json!({"role": "assistant", "content": response.text, "refusal": null, "annotations": []});
        if response.finish_reason == FinishReason::Refusal {
            message["content"] = Value::Null;
            message["refusal"] = json!(response.text);
        }
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        if let Some(reasoning) = &response.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        wire::write(&json!({
            "id": serving.id, "object": "chat.completion", "created": 0, "model": serving.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_word(response.finish_reason)}],
            "usage": usage(&response.usage), "system_fingerprint": null,
        }))
    }

    fn answer_headers(&self, serving: &Serving) -> Vec<(&'static str, String)> {
        vec![
            ("x-request-id", format!("req_{}", serving.id)),
            ("x-ratelimit-limit-requests", "10000".to_owned()),
            ("x-ratelimit-remaining-requests", "9999".to_owned()),
            ("x-ratelimit-reset-requests", "6ms".to_owned()),
        ]
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply {
        let (status, kind, code) = match class {
            FailureClass::RateLimited => (429, "requests", "rate_limit_exceeded"),
            FailureClass::QuotaExhausted => (429, "insufficient_quota", "insufficient_quota"),
            FailureClass::Auth => (401, "invalid_request_error", "invalid_api_key"),
            FailureClass::ModelUnavailable => (404, "invalid_request_error", "model_not_found"),
            FailureClass::ContextOverflow => (400, "invalid_request_error", "context_length_exceeded"),
            FailureClass::ContentPolicy => (400, "invalid_request_error", "content_policy_violation"),
            FailureClass::BadRequest => (400, "invalid_request_error", ""),
            FailureClass::Timeout => (408, "timeout", ""),
            FailureClass::Unreachable => (503, "server_error", "service_unavailable"),
            _ => (500, "server_error", ""),
        };
        let code = if code.is_empty() { Value::Null } else { json!(code) };
        let mut headers = vec![("x-request-id", "req_sim".to_owned())];
        if class == FailureClass::RateLimited {
            headers.push(("retry-after-ms", "250".to_owned()));
            headers.push(("x-ratelimit-remaining-requests", "0".to_owned()));
            headers.push(("x-ratelimit-reset-requests", "250ms".to_owned()));
        }
        let body =
            wire::write(&json!({"error": {"message": message, "type": kind, "param": null, "code": code}}));
        ServerReply { status, headers, body }
    }

    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder> {
        Box::new(Encoder { serving: serving.clone(), usage: Usage::default() })
    }
}

fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Error => "error",
        FinishReason::Stop | FinishReason::Refusal | FinishReason::Pause | FinishReason::Other => "stop",
    }
}

fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens.unwrap_or(0)},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens.unwrap_or(0)},
    })
}

struct Encoder {
    serving: Serving,
    usage: Usage,
}

impl Encoder {
    fn chunk(&self, delta: &Value, finish: Option<&str>) -> Vec<u8> {
        write_frame(
            None,
            &json!({
                "id": self.serving.id, "object": "chat.completion.chunk", "created": 0, "model": self.serving.model,
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}], "usage": null,
            }),
        )
    }
}

impl StreamEncoder for Encoder {
    fn open(&mut self, _input: &Usage) -> Vec<u8> {
        self.chunk(&json!({"role": "assistant", "content": "", "refusal": null}), None)
    }

    fn event(&mut self, event: &Event) -> Vec<u8> {
        match event {
            Event::Text(text) => self.chunk(&json!({"content": text}), None),
            Event::Reasoning(text) => self.chunk(&json!({"reasoning_content": text}), None),
            Event::ToolCall { index, id, name } => {
                let function = json!({"name": name, "arguments": ""});
                self.chunk(&json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}), None)
            }
            Event::ToolArguments { index, piece } => {
                self.chunk(&json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), None)
            }
            Event::Finish(reason) => self.chunk(&json!({}), Some(finish_word(*reason))),
            Event::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self) -> Vec<u8> {
        let last = json!({
            "id": self.serving.id, "object": "chat.completion.chunk", "created": 0, "model": self.serving.model,
            "choices": [], "usage": usage(&self.usage),
        });
        let mut out = write_frame(None, &last);
        out.extend_from_slice(b"data: [DONE]\n\n");
        out
    }

    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = OpenaiChat.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        write_frame(None, &value)
    }
}
