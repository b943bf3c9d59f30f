//! Messages and their content blocks, encoded and decoded.

use serde_json::{Value, json};

use crate::chat::{Attachment, AttachmentSource, Message, Part, Role, ToolCall, ToolResult};
use crate::dialect::attachment;
use crate::dialect::field_reader::read_all_fields;
use crate::dialect::parsed_message::{
    arguments_as_object, nonblank_parts, portable_call_id, provider_specific_message,
};
use crate::dialect::wire_json::role_name;

/// Sent for an empty tool result, because blank texts are rejected.
pub(in crate::dialect) const EMPTY_RESULT_TEXT: &str = "(no output)";

/// Roles must alternate, so consecutive messages of one role are merged.
pub(super) fn encode_messages(messages: &[Message]) -> Vec<Value> {
    let mut encoded: Vec<Value> = Vec::with_capacity(messages.len());
    for message in messages {
        if let Some(block) = provider_specific_message(message) {
            encoded.push(block.clone());
            continue;
        }
        let mut blocks: Vec<Value> = nonblank_parts(message).filter_map(encode_block).collect();
        // Tool results must come first.
        blocks.sort_by_key(|block| block.get("toolResult").is_none() && message.role == Role::User);
        match encoded.last_mut().filter(|last| last["role"] == role_name(message)) {
            Some(last) => {
                if let Some(content) = last["content"].as_array_mut() {
                    content.extend(blocks);
                }
            }
            None => encoded.push(json!({"role": role_name(message), "content": blocks})),
        }
    }
    encoded
}

pub(super) fn decode_message(message: &Value) -> Message {
    let role = match message["role"].as_str() {
        Some("assistant") => Role::Assistant,
        Some("user") => Role::User,
        _ => {
            return Message {
                role: Role::User,
                parts: vec![Part::ProviderSpecific { block: message.clone() }],
                model_ref: None,
            };
        }
    };
    let parts = message["content"].as_array().into_iter().flatten().map(decode_block).collect();
    Message { role, parts, model_ref: None }
}

/// `None` if the dialect cannot represent the part.
pub(super) fn encode_block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"text": text}),
        Part::Image(Attachment { media_type, source: AttachmentSource::Base64(data), .. }) => {
            json!({"image": {"format": attachment::short_format(media_type), "source": {"bytes": data}}})
        }
        Part::Document(Attachment { media_type, source: AttachmentSource::Base64(data), name }) => {
            let name = sanitize_document_name(name.as_deref().unwrap_or("document"));
            let format = attachment::short_format(media_type);
            json!({"document": {"format": format, "name": name, "source": {"bytes": data}}})
        }
        Part::Reasoning { text, state } => {
            let state = state.as_ref()?;
            match (state.get("signature"), state.get("redactedContent")) {
                (Some(signature), _) => {
                    let reasoning = json!({"text": text, "signature": signature});
                    json!({"reasoningContent": {"reasoningText": reasoning}})
                }
                (None, Some(data)) => json!({"reasoningContent": {"redactedContent": data}}),
                (None, None) => return None,
            }
        }
        Part::ToolCall(call) => {
            let arguments = arguments_as_object(&call.arguments);
            json!({"toolUse": {"toolUseId": portable_call_id(&call.id), "name": call.name, "input": arguments}})
        }
        Part::ToolResult(result) => {
            // Bedrock rejects blank texts.
            let text = if result.content.trim().is_empty() { EMPTY_RESULT_TEXT } else { &result.content };
            let mut object =
                json!({"toolUseId": portable_call_id(&result.call_id), "content": [{"text": text}]});
            if result.is_error {
                object["status"] = json!("error");
            }
            json!({"toolResult": object})
        }
        Part::ProviderSpecific { block } => block.clone(),
        Part::Image(_) | Part::Document(_) => return None,
    })
}

/// Bedrock accepts letters, digits, single spaces, hyphens, parentheses, and square brackets.
fn sanitize_document_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']');
    let words: Vec<&str> = name.split(|c: char| !allowed(c)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "document".to_owned() } else { words.join(" ") }
}

/// A block with fields that [`Part`] cannot represent is kept verbatim.
fn decode_block(block: &Value) -> Part {
    let known = read_all_fields(block, |fields| {
        if let Some(text) = fields.take_string("text") {
            return Some(Part::Text { text });
        }
        fields
            .take_object("image", |image| Some(Part::Image(decode_attachment(image, None)?)))
            .or_else(|| {
                fields.take_object("document", |document| {
                    let name = document.take_string("name");
                    Some(Part::Document(decode_attachment(document, name)?))
                })
            })
            .or_else(|| fields.take_object("toolUse", decode_tool_use).map(Part::ToolCall))
            .or_else(|| fields.take_object("toolResult", decode_tool_result).map(Part::ToolResult))
            .or_else(|| fields.take_object("reasoningContent", decode_reasoning))
    });
    known.unwrap_or_else(|| Part::ProviderSpecific { block: block.clone() })
}

type FieldReader = crate::dialect::field_reader::FieldReader;

fn decode_attachment(fields: &mut FieldReader, name: Option<String>) -> Option<Attachment> {
    let media_type = attachment::media_type_of(&fields.take_string("format")?);
    let data = fields.take_object("source", |source| source.take_string("bytes"))?;
    Some(Attachment { name, ..attachment::from_base64(media_type, data) })
}

fn decode_tool_use(fields: &mut FieldReader) -> Option<ToolCall> {
    Some(ToolCall {
        id: fields.take_string("toolUseId")?,
        name: fields.take_string("name")?,
        arguments: fields.take_with("input", |input| Some(input.clone()))?,
    })
}

fn decode_tool_result(fields: &mut FieldReader) -> Option<ToolResult> {
    let content = fields.take_with("content", |content| match &content.as_array()?[..] {
        [] => Some(String::new()),
        [one] => read_all_fields(one, |one| one.take_string("text")),
        _ => None,
    })?;
    let is_error = fields.take_if_equal("status", &json!("error"));
    fields.take_if_equal("status", &json!("success"));
    Some(ToolResult { call_id: fields.take_string("toolUseId")?, name: String::new(), content, is_error })
}

fn decode_reasoning(fields: &mut FieldReader) -> Option<Part> {
    if let Some(data) = fields.take_string("redactedContent") {
        let state = Some(json!({"redactedContent": data}));
        return Some(Part::Reasoning { text: String::new(), state });
    }
    fields.take_object("reasoningText", |text_fields| {
        let text = text_fields.take_string("text")?;
        let state = text_fields.take_string("signature").map(|signature| json!({"signature": signature}));
        Some(Part::Reasoning { text, state })
    })
}
