use serde_json::{Value, json};

use super::{OpenaiChat, request};
use crate::chat::{FailureClass, FinishReason, Response, StreamEvent, Usage};
use crate::dialect::function_tools::encode_tool_call;
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::wire_json;
use crate::dialect::{ResponseIdentity, ServerCodec, ServerErrorResponse, ServerRequest, StreamEncoder};

impl ServerCodec for OpenaiChat {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8> {
        let calls: Vec<Value> = response.tool_calls.iter().map(|c| encode_tool_call(&c.id, c)).collect();
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
        wire_json::encode_json(&json!({
            "id": identity.response_id, "object": "chat.completion", "created": 0, "model": identity.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": encode_finish_reason(response.finish_reason)}],
            "usage": encode_usage(&response.usage), "system_fingerprint": null,
        }))
    }

    fn response_headers(&self, identity: &ResponseIdentity) -> Vec<(&'static str, String)> {
        vec![
            ("x-request-id", format!("req_{}", identity.response_id)),
            ("x-ratelimit-limit-requests", "10000".to_owned()),
            ("x-ratelimit-remaining-requests", "9999".to_owned()),
            ("x-ratelimit-reset-requests", "6ms".to_owned()),
        ]
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse {
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
        let body = wire_json::encode_json(
            &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
        );
        ServerErrorResponse { status, headers, body }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(OpenaiChatEncoder { identity: identity.clone(), usage: Usage::default() })
    }
}

fn encode_finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Error => "error",
        FinishReason::Stop | FinishReason::Refusal | FinishReason::Pause | FinishReason::Other => "stop",
    }
}

fn encode_usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens.unwrap_or(0)},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens.unwrap_or(0)},
    })
}

struct OpenaiChatEncoder {
    identity: ResponseIdentity,
    usage: Usage,
}

impl OpenaiChatEncoder {
    fn encode_chunk(&self, delta: &Value, finish: Option<&str>) -> Vec<u8> {
        encode_sse_frame(
            None,
            &json!({
                "id": self.identity.response_id, "object": "chat.completion.chunk", "created": 0, "model": self.identity.model,
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}], "usage": null,
            }),
        )
    }
}

impl StreamEncoder for OpenaiChatEncoder {
    fn encode_start(&mut self, _input: &Usage) -> Vec<u8> {
        self.encode_chunk(&json!({"role": "assistant", "content": "", "refusal": null}), None)
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        match event {
            StreamEvent::TextDelta(text) => self.encode_chunk(&json!({"content": text}), None),
            StreamEvent::ReasoningDelta(text) => self.encode_chunk(&json!({"reasoning_content": text}), None),
            StreamEvent::ToolCallStart { index, id, name } => {
                let function = json!({"name": name, "arguments": ""});
                self.encode_chunk(&json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}), None)
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => self.encode_chunk(
                &json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}),
                None,
            ),
            StreamEvent::Finish(reason) => self.encode_chunk(&json!({}), Some(encode_finish_reason(*reason))),
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn encode_end(&mut self) -> Vec<u8> {
        let last = json!({
            "id": self.identity.response_id, "object": "chat.completion.chunk", "created": 0, "model": self.identity.model,
            "choices": [], "usage": encode_usage(&self.usage),
        });
        let mut out = encode_sse_frame(None, &last);
        out.extend_from_slice(b"data: [DONE]\n\n");
        out
    }

    fn encode_error(&mut self, class: FailureClass, message: &str) -> Vec<u8> {
        let body = OpenaiChat.encode_failure(class, message).body;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        encode_sse_frame(None, &value)
    }
}
