use serde_json::{Value, json};

use super::encoder::OpenaiResponsesEncoder;
use super::items::encode_tool_call;
use super::{OpenaiResponses, request};
use crate::chat::{FinishReason, Part, Response, Usage};
use crate::dialect::wire_json::{self, encode_known_counts, encode_known_fields};
use crate::dialect::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder, openai_server,
};

impl ServerCodec for OpenaiResponses {
    fn decode_request(&self, _path: &str, body: &[u8]) -> Result<ServerRequest, String> {
        request::decode_request_body(body)
    }

    fn wrap_reasoning_state(&self, content: &str) -> Option<Value> {
        Some(json!({"type": "reasoning", "summary": [], "encrypted_content": content}))
    }

    fn encode_headers(&self, metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        openai_server::encode_headers(metadata)
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        _timing: Option<ResponseTiming>,
    ) -> Vec<u8> {
        wire_json::encode_json(&encode_response_object(
            identity,
            &encode_output_items(response, identity),
            response.finish_reason,
            &response.usage,
        ))
    }

    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse {
        openai_server::encode_failure(failure)
    }

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder> {
        Box::new(OpenaiResponsesEncoder::new(identity.clone()))
    }
}

/// Text between reasoning and calls becomes a message item of its own.
fn encode_output_items(response: &Response, identity: &ResponseIdentity) -> Vec<Value> {
    let refusal = response.finish_reason == FinishReason::Refusal;
    let item = |part: &Part| match part {
        Part::Text { text } => Some(encode_message_item(text, refusal)),
        Part::Reasoning { text, state } => Some(encode_reasoning_item(text, state.as_ref())),
        Part::ToolCall(call) => Some(encode_tool_call(call)),
        Part::ProviderSpecific { block } => Some(block.clone()),
        Part::Image(_) | Part::Document(_) | Part::ToolResult(_) => None,
    };
    let named = |(at, item): (usize, Value)| assign_item_id(item, identity, at);
    response.parts.iter().filter_map(item).enumerate().map(named).collect()
}

/// Adds an ID derived from the response's ID and the item's position. Provider-specific items already have one.
pub(super) fn assign_item_id(mut item: Value, identity: &ResponseIdentity, at: usize) -> Value {
    let prefix = match item["type"].as_str() {
        Some("message") => "msg",
        Some("function_call") => "fc",
        Some("reasoning") if item.get("id").is_none() => "rs",
        _ => return item,
    };
    item["id"] = json!(format!("{prefix}_{}_{at}", identity.response_id));
    item
}

pub(super) fn encode_reasoning_item(text: &str, state: Option<&Value>) -> Value {
    let mut item = state.cloned().unwrap_or_else(|| json!({"type": "reasoning"}));
    let summary = (!text.is_empty()).then(|| json!({"type": "summary_text", "text": text}));
    item["summary"] = summary.into_iter().collect();
    item
}

pub(super) fn encode_message_item(text: &str, refusal: bool) -> Value {
    let part = if refusal {
        json!({"type": "refusal", "refusal": text})
    } else {
        json!({"type": "output_text", "text": text, "annotations": []})
    };
    json!({"type": "message", "role": "assistant", "status": "completed", "content": [part]})
}

pub(super) fn encode_response_object(
    identity: &ResponseIdentity,
    output: &[Value],
    reason: FinishReason,
    usage: &Usage,
) -> Value {
    let why = match reason {
        FinishReason::Length => Some("max_output_tokens"),
        FinishReason::ContentFilter => Some("content_filter"),
        _ => None,
    };
    let status = match reason {
        FinishReason::Error => "failed",
        _ if why.is_some() => "incomplete",
        _ => "completed",
    };
    let error = (status == "failed").then(|| json!({"code": "server_error", "message": "The model failed."}));
    json!({
        "id": identity.response_id, "object": "response", "created_at": identity.created_at.as_second(), "model": identity.model, "error": error,
        "status": status,
        "incomplete_details": why.map(|reason| json!({"reason": reason})), "output": output,
        "usage": encode_usage(usage),
    })
}

/// `None` if no count is known.
fn encode_usage(usage: &Usage) -> Option<Value> {
    let total = wire_json::sum_both(usage.input_tokens, usage.output_tokens);
    encode_known_fields([
        ("input_tokens", usage.input_tokens.map(Value::from)),
        ("input_tokens_details", encode_known_counts(&[("cached_tokens", usage.cached_input_tokens)])),
        ("output_tokens", usage.output_tokens.map(Value::from)),
        ("output_tokens_details", encode_known_counts(&[("reasoning_tokens", usage.reasoning_tokens)])),
        ("total_tokens", total.map(Value::from)),
    ])
}
