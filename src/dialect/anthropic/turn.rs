//! Turns and their content blocks, written and read side by side.

use serde_json::{Value, json};

use crate::chat::{Media, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::dialect::conversation::{arguments_object, own_turn, plain_id, spoken};
use crate::dialect::fields::whole;
use crate::dialect::media;
use crate::dialect::wire::{is_text, role};

/// One turn.
pub(super) fn write_turn(message: &Message) -> Value {
    if let Some(turn) = own_turn(message) {
        return turn.clone();
    }
    let mut blocks: Vec<Value> = spoken(message).filter_map(write_block).collect();
    // What tools gave back must stand first.
    blocks.sort_by_key(|block| block["type"] != "tool_result" && message.role == Role::User);
    let content = match &mut blocks[..] {
        [one] if is_text(one) => one["text"].take(),
        _ => Value::Array(blocks),
    };
    json!({"role": role(message), "content": content})
}

/// A turn as it was sent.
pub(super) fn read_turn(turn: &Value) -> Message {
    let role = match turn["role"].as_str() {
        Some("assistant") => Role::Assistant,
        Some("user") => Role::User,
        // Newer models take instructions between turns too.
        _ => return Message { role: Role::User, parts: vec![Part::Own { block: turn.clone() }], from: None },
    };
    let parts = match &turn["content"] {
        Value::String(text) => vec![Part::text(text)],
        Value::Array(blocks) => blocks.iter().map(read_block).collect(),
        _ => Vec::new(),
    };
    Message { role, parts, from: None }
}

/// One content block; `None` where the part has no place in this dialect.
pub(super) fn write_block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image(image) => json!({"type": "image", "source": write_source(image)}),
        Part::Document(document) => {
            let mut block = json!({"type": "document", "source": write_source(document)});
            if let Some(name) = &document.name {
                block["title"] = json!(name);
            }
            block
        }
        // Thoughts without the vendor's mark on them are refused.
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
            json!({"type": "tool_use", "id": plain_id(&call.id), "name": call.name, "input": arguments_object(&call.arguments)})
        }
        Part::ToolResult(result) => {
            let mut block = json!({"type": "tool_result", "tool_use_id": plain_id(&result.call_id), "content": result.content});
            if result.is_error {
                block["is_error"] = json!(true);
            }
            block
        }
        Part::Own { block } => block.clone(),
    })
}

fn write_source(media: &Media) -> Value {
    match &media.source {
        Source::Url(url) => json!({"type": "url", "url": url}),
        Source::Data(data) => json!({"type": "base64", "media_type": media.media_type, "data": data}),
    }
}

/// A block; one with something in it that the contract has no place for is kept as it is.
fn read_block(block: &Value) -> Part {
    let known = whole(block, |fields| match fields.text("type")?.as_str() {
        "text" => Some(Part::Text { text: fields.text("text")? }),
        "image" => Some(Part::Image(fields.take("source", read_source)?)),
        "document" => {
            let name = fields.text("title");
            Some(Part::Document(Media { name, ..fields.take("source", read_source)? }))
        }
        "thinking" => {
            let text = fields.text("thinking")?;
            Some(Part::Reasoning { text, state: Some(json!({"signature": fields.text("signature")?})) })
        }
        "redacted_thinking" => {
            Some(Part::Reasoning { text: String::new(), state: Some(json!({"data": fields.text("data")?})) })
        }
        "tool_use" => Some(Part::ToolCall(ToolCall {
            id: fields.text("id")?,
            name: fields.text("name")?,
            arguments: fields.take("input", |input| Some(input.clone()))?,
        })),
        "tool_result" => Some(Part::ToolResult(ToolResult {
            call_id: fields.text("tool_use_id")?,
            name: String::new(),
            content: fields.take("content", read_result_text).unwrap_or_default(),
            is_error: fields.truth("is_error").unwrap_or(false),
        })),
        _ => None,
    });
    known.unwrap_or_else(|| Part::Own { block: block.clone() })
}

fn read_source(source: &Value) -> Option<Media> {
    whole(source, |fields| match fields.text("type")?.as_str() {
        "base64" => Some(media::data(fields.text("media_type")?, fields.text("data")?)),
        "url" => {
            Some(Media { media_type: String::new(), source: Source::Url(fields.text("url")?), name: None })
        }
        _ => None,
    })
}

/// A result's words: a text, or one block of it.
fn read_result_text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => match &blocks[..] {
            [one] => whole(one, |block| block.is("type", &json!("text")).then(|| block.text("text"))?),
            _ => None,
        },
        _ => None,
    }
}
