//! Messages and their content blocks, encoded and decoded.

use serde_json::{Value, json};

use crate::chat::{Attachment, AttachmentSource, Message, Part, Role, ToolCall, ToolResult};
use crate::dialect::attachment;
use crate::dialect::field_reader::read_all_fields;
use crate::dialect::parsed_message::{
    arguments_as_object, nonblank_parts, portable_call_id, provider_specific_message,
};
use crate::dialect::wire_json::{is_plain_text_part, role_name};

pub(super) fn encode_message(message: &Message) -> Value {
    if let Some(block) = provider_specific_message(message) {
        return block.clone();
    }
    let mut blocks: Vec<Value> = nonblank_parts(message).filter_map(encode_block).collect();
    // Tool results must come first.
    blocks.sort_by_key(|block| block["type"] != "tool_result" && message.role == Role::User);
    let content = match &mut blocks[..] {
        [one] if is_plain_text_part(one) => one["text"].take(),
        _ => Value::Array(blocks),
    };
    json!({"role": role_name(message), "content": content})
}

pub(super) fn decode_message(message: &Value) -> Message {
    let role = match message["role"].as_str() {
        Some("assistant") => Role::Assistant,
        Some("user") => Role::User,
        // Newer models also accept system messages within the conversation.
        _ => {
            return Message {
                role: Role::User,
                parts: vec![Part::ProviderSpecific { block: message.clone() }],
                model_ref: None,
            };
        }
    };
    let parts = match &message["content"] {
        Value::String(text) => vec![Part::from_text(text)],
        Value::Array(blocks) => blocks.iter().map(decode_block).collect(),
        _ => Vec::new(),
    };
    Message { role, parts, model_ref: None }
}

/// `None` if the dialect cannot represent the part.
pub(super) fn encode_block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image(image) => json!({"type": "image", "source": encode_source(image)}),
        Part::Document(document) => {
            let mut block = json!({"type": "document", "source": encode_source(document)});
            if let Some(name) = &document.name {
                block["title"] = json!(name);
            }
            block
        }
        // Reasoning without its signature is rejected.
        Part::Reasoning { text, state } => {
            let state = state.as_ref()?;
            match (state.get("signature"), state.get("data")) {
                (Some(signature), _) => {
                    json!({"type": "thinking", "thinking": text, "signature": signature})
                }
                (None, Some(data)) => json!({"type": "redacted_thinking", "data": data}),
                (None, None) => return None,
            }
        }
        Part::ToolCall(call) => {
            json!({"type": "tool_use", "id": portable_call_id(&call.id), "name": call.name, "input": arguments_as_object(&call.arguments)})
        }
        Part::ToolResult(result) => {
            let mut block = json!({"type": "tool_result", "tool_use_id": portable_call_id(&result.call_id), "content": result.content});
            if result.is_error {
                block["is_error"] = json!(true);
            }
            block
        }
        Part::ProviderSpecific { block } => block.clone(),
    })
}

fn encode_source(media: &Attachment) -> Value {
    match &media.source {
        AttachmentSource::Url(url) => json!({"type": "url", "url": url}),
        AttachmentSource::Base64(data) => {
            json!({"type": "base64", "media_type": media.media_type, "data": data})
        }
    }
}

/// A block with fields that [`Part`] cannot represent is kept verbatim.
fn decode_block(block: &Value) -> Part {
    let known = read_all_fields(block, |fields| match fields.take_string("type")?.as_str() {
        "text" => Some(Part::Text { text: fields.take_string("text")? }),
        "image" => Some(Part::Image(fields.take_with("source", decode_source)?)),
        "document" => {
            let name = fields.take_string("title");
            Some(Part::Document(Attachment { name, ..fields.take_with("source", decode_source)? }))
        }
        "thinking" => {
            let text = fields.take_string("thinking")?;
            Some(Part::Reasoning {
                text,
                state: Some(json!({"signature": fields.take_string("signature")?})),
            })
        }
        "redacted_thinking" => Some(Part::Reasoning {
            text: String::new(),
            state: Some(json!({"data": fields.take_string("data")?})),
        }),
        "tool_use" => Some(Part::ToolCall(ToolCall {
            id: fields.take_string("id")?,
            name: fields.take_string("name")?,
            arguments: fields.take_with("input", |input| Some(input.clone()))?,
        })),
        "tool_result" => Some(Part::ToolResult(ToolResult {
            call_id: fields.take_string("tool_use_id")?,
            name: String::new(),
            content: fields.take_with("content", decode_tool_result_text).unwrap_or_default(),
            is_error: fields.take_bool("is_error").unwrap_or(false),
        })),
        _ => None,
    });
    known.unwrap_or_else(|| Part::ProviderSpecific { block: block.clone() })
}

fn decode_source(source: &Value) -> Option<Attachment> {
    read_all_fields(source, |fields| match fields.take_string("type")?.as_str() {
        "base64" => {
            Some(attachment::from_base64(fields.take_string("media_type")?, fields.take_string("data")?))
        }
        "url" => Some(Attachment {
            media_type: String::new(),
            source: AttachmentSource::Url(fields.take_string("url")?),
            name: None,
        }),
        _ => None,
    })
}

/// The text of a result that is a string or a single text block.
fn decode_tool_result_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => match &blocks[..] {
            [one] => read_all_fields(one, |block| {
                block.take_if_equal("type", &json!("text")).then(|| block.take_string("text"))?
            }),
            _ => None,
        },
        _ => None,
    }
}
