use serde_json::{Value, json};

use super::{OpenaiChat, request};
use crate::chat::{FinishReason, Response, StreamEvent, Usage};
use crate::dialect::function_tools::encode_tool_call;
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::wire_json::{self, encode_known_counts, encode_known_fields};
use crate::dialect::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder, openai_server,
};

impl ServerCodec for OpenaiChat {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        _timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
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
            "id": identity.response_id, "object": "chat.completion", "created": identity.created_at.as_second(), "model": identity.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": encode_finish_reason(response.finish_reason)}],
            "usage": encode_usage(&response.usage), "system_fingerprint": null,
        }))
    }

    fn encode_headers(&self, metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        openai_server::encode_headers(metadata)
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        openai_server::encode_failure(failure)
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

/// `None` if no count is known.
fn encode_usage(usage: &Usage) -> Option<Value> {
    let total = wire_json::sum_both(usage.input_tokens, usage.output_tokens);
    encode_known_fields([
        ("prompt_tokens", usage.input_tokens.map(Value::from)),
        ("completion_tokens", usage.output_tokens.map(Value::from)),
        ("total_tokens", total.map(Value::from)),
        ("prompt_tokens_details", encode_known_counts(&[("cached_tokens", usage.cached_input_tokens)])),
        ("completion_tokens_details", encode_known_counts(&[("reasoning_tokens", usage.reasoning_tokens)])),
    ])
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
                "id": self.identity.response_id, "object": "chat.completion.chunk", "created": self.identity.created_at.as_second(), "model": self.identity.model,
                "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}], "usage": null,
            }),
        )
    }
}

impl StreamEncoder for OpenaiChatEncoder {
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
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
            "id": self.identity.response_id, "object": "chat.completion.chunk", "created": self.identity.created_at.as_second(), "model": self.identity.model,
            "choices": [], "usage": encode_usage(&self.usage),
        });
        let mut out = encode_sse_frame(None, &last);
        out.extend_from_slice(b"data: [DONE]\n\n");
        out
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        encode_sse_frame(None, &openai_server::encode_error(failure))
    }
}
