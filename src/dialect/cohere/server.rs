use serde_json::{Value, json};

use super::{Cohere, request};
use crate::chat::{FinishReason, Response, StreamEvent, TokenCount, Usage};
use crate::dialect::function_tools::encode_tool_call;
use crate::dialect::retry_after::encode_retry_after;
use crate::dialect::sse_stream_decoder::encode_sse_frame;
use crate::dialect::wire_json::{self, encode_known_counts, encode_known_fields};
use crate::dialect::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder,
};

impl ServerCodec for Cohere {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        _timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
        let mut content: Vec<Value> =
            response.reasoning.iter().map(|r| json!({"type": "thinking", "thinking": r})).collect();
        if !response.text.is_empty() {
            content.push(json!({"type": "text", "text": response.text}));
        }
        let mut message = json!({"role": "assistant", "content": content});
        if !response.tool_calls.is_empty() {
            message["tool_calls"] = response.tool_calls.iter().map(|c| encode_tool_call(&c.id, c)).collect();
        }
        let mut wire = json!({
            "id": identity.response_id, "finish_reason": encode_finish_reason(response.finish_reason), "message": message,
        });
        if let Some(usage) = encode_usage(&response.usage) {
            wire["usage"] = usage;
        }
        wire_json::encode_json(&wire)
    }

    fn encode_headers(&self, metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        headers.extend(metadata.request_id.clone().map(|id| ("x-debug-trace-id", id)));
        headers.extend(metadata.retry_after.map(|wait| ("retry-after", encode_retry_after(wait))));
        headers
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        let mut wire = json!({});
        if let Some(id) = &failure.metadata.request_id {
            wire["id"] = json!(id);
        }
        wire["message"] = json!(failure.message);
        ServerErrorResponse {
            status: failure.status.unwrap_or(wire_json::default_error_status(failure.class)),
            headers: self.encode_headers(failure.metadata),
            body: wire_json::encode_json(&wire),
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

/// `None` if no count is known. Only reasoning that took place is counted.
fn encode_usage(usage: &Usage) -> Option<Value> {
    let (input, output) = (usage.input_tokens, usage.output_tokens);
    // Without counts of their own, the billed tokens are the same.
    let (billed_input, billed_output) =
        usage.billed_tokens.map_or((input, output), |(input, output)| (Some(input), Some(output)));
    let billed = [("input_tokens", billed_input), ("output_tokens", billed_output)];
    let reasoning = usage.reasoning_tokens.filter(|count| *count > TokenCount::ZERO);
    let tokens = [("input_tokens", input), ("output_tokens", output), ("reasoning_tokens", reasoning)];
    encode_known_fields([
        ("billed_units", encode_known_counts(&billed)),
        ("tokens", encode_known_counts(&tokens)),
        ("cached_tokens", usage.cached_input_tokens.map(Value::from)),
    ])
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
            .map_or_else(Vec::new, |index| Self::encode_frame("tool-call-end", Some(index), None))
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
    fn encode_start(&mut self, _known: &Usage) -> Vec<u8> {
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
                let mut delta = json!({"finish_reason": encode_finish_reason(*reason)});
                if let Some(usage) = encode_usage(&self.usage) {
                    delta["usage"] = usage;
                }
                out.extend(Self::encode_frame("message-end", None, Some(&delta)));
                out
            }
            _ => Vec::new(),
        }
    }

    fn encode_end(&mut self) -> Vec<u8> {
        b"data: [DONE]\n\n".to_vec()
    }

    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8> {
        let delta = json!({"finish_reason": "ERROR", "error": failure.message});
        Self::encode_frame("message-end", None, Some(&delta))
    }
}
