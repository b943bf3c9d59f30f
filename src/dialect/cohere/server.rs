use serde_json::{Value, json};

use super::{Cohere, request};
use crate::chat::{FailureClass, FinishReason, Response, StreamEvent, Usage};
use crate::dialect::function_tools::encode_tool_call;
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::{
    ResponseIdentity, ServerCodec, ServerErrorResponse, ServerRequest, StreamEncoder, wire_json,
};

impl ServerCodec for Cohere {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8> {
        let mut content: Vec<Value> =
            response.reasoning.iter().map(|r| json!({"type": "thinking", "thinking": r})).collect();
        if !response.text.is_empty() {
            content.push(json!({"type": "text", "text": response.text}));
        }
        let mut message = json!({"role": "assistant", "content": content});
        if !response.tool_calls.is_empty() {
            message["tool_calls"] = response.tool_calls.iter().map(|c| encode_tool_call(&c.id, c)).collect();
        }
        wire_json::encode_json(&json!({
            "id": identity.response_id, "finish_reason": encode_finish_reason(response.finish_reason), "message": message,
            "usage": encode_usage(&response.usage),
        }))
    }

    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse {
        let status = wire_json::default_error_status(class);
        let mut headers = vec![("x-debug-trace-id", "trace-sim".to_owned())];
        if class == FailureClass::RateLimited {
            headers.push(("retry-after", "1".to_owned()));
        }
        ServerErrorResponse {
            status,
            headers,
            body: wire_json::encode_json(&json!({"id": "sim-error", "message": message})),
        }
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(CohereEncoder {
            identity: identity.clone(),
            usage: Usage::default(),
            current_block: None,
            block_index: 0,
            open_tool_call: None,
        })
    }
}

fn encode_finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        FinishReason::ContentFilter | FinishReason::Refusal => "ERROR_TOXIC",
        FinishReason::Error => "ERROR",
        FinishReason::Stop | FinishReason::Pause | FinishReason::Other => "COMPLETE",
    }
}

fn encode_usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0));
    let mut tokens = json!({"input_tokens": input, "output_tokens": output});
    if let Some(reasoning) = usage.reasoning_tokens {
        tokens["reasoning_tokens"] = json!(reasoning);
    }
    json!({
        "billed_units": {"input_tokens": input, "output_tokens": output}, "tokens": tokens,
        "cached_tokens": usage.cached_input_tokens.unwrap_or(0),
    })
}

struct CohereEncoder {
    identity: ResponseIdentity,
    usage: Usage,
    /// The type of the open content block.
    current_block: Option<&'static str>,
    block_index: usize,
    /// The index of the open tool call.
    open_tool_call: Option<usize>,
}

impl CohereEncoder {
    fn encode_frame(kind: &str, index: Option<usize>, delta: Option<&Value>) -> Vec<u8> {
        let mut event = json!({"type": kind});
        if let Some(index) = index {
            event["index"] = json!(index);
        }
        if let Some(delta) = delta {
            event["delta"] = delta.clone();
        }
        encode_sse_frame(Some(kind), &event)
    }

    fn close_block(&mut self) -> Vec<u8> {
        if self.current_block.take().is_some() {
            self.block_index += 1;
            return Self::encode_frame("content-end", Some(self.block_index - 1), None);
        }
        self.open_tool_call
            .take()
            .map(|index| Self::encode_frame("tool-call-end", Some(index), None))
            .unwrap_or_default()
    }

    fn encode_content_delta(&mut self, kind: &'static str, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if self.current_block != Some(kind) {
            out = self.close_block();
            self.current_block = Some(kind);
            let content = json!({"type": kind, kind: ""});
            out.extend(Self::encode_frame(
                "content-start",
                Some(self.block_index),
                Some(&json!({"message": {"content": content}})),
            ));
        }
        let delta = json!({"message": {"content": {kind: text}}});
        out.extend(Self::encode_frame("content-delta", Some(self.block_index), Some(&delta)));
        out
    }
}

impl StreamEncoder for CohereEncoder {
    fn encode_start(&mut self, _input: &Usage) -> Vec<u8> {
        let message =
            json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
        let event =
            json!({"type": "message-start", "id": self.identity.response_id, "delta": {"message": message}});
        encode_sse_frame(Some("message-start"), &event)
    }

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8> {
        match event {
            StreamEvent::TextDelta(text) => self.encode_content_delta("text", text),
            StreamEvent::ReasoningDelta(text) => self.encode_content_delta("thinking", text),
            StreamEvent::ToolCallStart { index, id, name } => {
                let mut out = self.close_block();
                self.open_tool_call = Some(*index);
                let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                let delta = json!({"message": {"tool_calls": call}});
                out.extend(Self::encode_frame("tool-call-start", Some(*index), Some(&delta)));
                out
            }
            StreamEvent::ToolCallDelta { index, arguments_delta: piece } => {
                let delta = json!({"message": {"tool_calls": {"function": {"arguments": piece}}}});
                Self::encode_frame("tool-call-delta", Some(*index), Some(&delta))
            }
            StreamEvent::Usage(usage) => {
                self.usage.merge(usage);
                Vec::new()
            }
            StreamEvent::Finish(reason) => {
                let mut out = self.close_block();
                let delta = json!({"finish_reason": encode_finish_reason(*reason), "usage": encode_usage(&self.usage)});
                out.extend(Self::encode_frame("message-end", None, Some(&delta)));
                out
            }
            _ => Vec::new(),
        }
    }

    fn encode_end(&mut self) -> Vec<u8> {
        b"data: [DONE]\n\n".to_vec()
    }

    fn encode_error(&mut self, _class: FailureClass, message: &str) -> Vec<u8> {
        let delta = json!({"finish_reason": "ERROR", "error": message});
        Self::encode_frame("message-end", None, Some(&delta))
    }
}
