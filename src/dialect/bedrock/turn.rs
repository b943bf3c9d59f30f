//! Turns and their content blocks, written and read side by side.

use serde_json::{Value, json};

use crate::chat::{Media, Message, Part, Role, Source, ToolCall, ToolResult};
use crate::dialect::conversation::{arguments_object, own_turn, plain_id, spoken};
use crate::dialect::fields::whole;
use crate::dialect::media;
use crate::dialect::wire::role;

/// What stands for a result without words.
pub(in crate::dialect) const NO_OUTPUT: &str = "(no output)";

/// All turns. Speakers must alternate, so what one says in several turns is one of them here.
pub(super) fn write_turns(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::with_capacity(messages.len());
    for message in messages {
        if let Some(turn) = own_turn(message) {
            turns.push(turn.clone());
            continue;
        }
        let mut blocks: Vec<Value> = spoken(message).filter_map(write_block).collect();
        // What tools gave back must stand first.
        blocks.sort_by_key(|block| block.get("toolResult").is_none() && message.role == Role::User);
        match turns.last_mut().filter(|turn| turn["role"] == role(message)) {
            Some(turn) => {
                if let Some(content) = turn["content"].as_array_mut() {
                    content.extend(blocks);
                }
            }
            None => turns.push(json!({"role": role(message), "content": blocks})),
        }
    }
    turns
}

/// A turn as it was sent.
pub(super) fn read_turn(turn: &Value) -> Message {
    let role = match turn["role"].as_str() {
        Some("assistant") => Role::Assistant,
        Some("user") => Role::User,
        _ => return Message { role: Role::User, parts: vec![Part::Own { block: turn.clone() }], from: None },
    };
    let parts = turn["content"].as_array().into_iter().flatten().map(read_block).collect();
    Message { role, parts, from: None }
}

/// One content block; `None` where the part has no place in this dialect.
pub(super) fn write_block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"text": text}),
        Part::Image(Media { media_type, source: Source::Data(data), .. }) => {
            json!({"image": {"format": media::format(media_type), "source": {"bytes": data}}})
        }
        Part::Document(Media { media_type, source: Source::Data(data), name }) => {
            let name = document_name(name.as_deref().unwrap_or("document"));
            let format = media::format(media_type);
            json!({"document": {"format": format, "name": name, "source": {"bytes": data}}})
        }
        Part::Reasoning { text, state } => {
            let state = state.as_ref()?;
            match (state.get("signature"), state.get("redactedContent")) {
                (Some(signature), _) => {
                    let thoughts = json!({"text": text, "signature": signature});
                    json!({"reasoningContent": {"reasoningText": thoughts}})
                }
                (None, Some(data)) => json!({"reasoningContent": {"redactedContent": data}}),
                (None, None) => return None,
            }
        }
        Part::ToolCall(call) => {
            let arguments = arguments_object(&call.arguments);
            json!({"toolUse": {"toolUseId": plain_id(&call.id), "name": call.name, "input": arguments}})
        }
        Part::ToolResult(result) => {
            // A blank text is refused.
            let text = if result.content.trim().is_empty() { NO_OUTPUT } else { &result.content };
            let mut object = json!({"toolUseId": plain_id(&result.call_id), "content": [{"text": text}]});
            if result.is_error {
                object["status"] = json!("error");
            }
            json!({"toolResult": object})
        }
        Part::Own { block } => block.clone(),
        Part::Image(_) | Part::Document(_) => return None,
    })
}

/// The host takes letters, digits, single spaces, hyphens and brackets.
fn document_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']');
    let words: Vec<&str> = name.split(|c: char| !allowed(c)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "document".to_owned() } else { words.join(" ") }
}

/// A block; one with something in it that the contract has no place for is kept as it is.
fn read_block(block: &Value) -> Part {
    let known = whole(block, |fields| {
        if let Some(text) = fields.text("text") {
            return Some(Part::Text { text });
        }
        fields
            .all_of("image", |image| Some(Part::Image(bytes(image, None)?)))
            .or_else(|| {
                fields.all_of("document", |document| {
                    let name = document.text("name");
                    Some(Part::Document(bytes(document, name)?))
                })
            })
            .or_else(|| fields.all_of("toolUse", read_call).map(Part::ToolCall))
            .or_else(|| fields.all_of("toolResult", read_result).map(Part::ToolResult))
            .or_else(|| fields.all_of("reasoningContent", read_reasoning))
    });
    known.unwrap_or_else(|| Part::Own { block: block.clone() })
}

type Fields = crate::dialect::fields::Fields;

fn bytes(fields: &mut Fields, name: Option<String>) -> Option<Media> {
    let media_type = media::media_type(&fields.text("format")?);
    let data = fields.all_of("source", |source| source.text("bytes"))?;
    Some(Media { name, ..media::data(media_type, data) })
}

fn read_call(fields: &mut Fields) -> Option<ToolCall> {
    Some(ToolCall {
        id: fields.text("toolUseId")?,
        name: fields.text("name")?,
        arguments: fields.take("input", |input| Some(input.clone()))?,
    })
}

fn read_result(fields: &mut Fields) -> Option<ToolResult> {
    let content = fields.take("content", |content| match &content.as_array()?[..] {
        [] => Some(String::new()),
        [one] => whole(one, |one| one.text("text")),
        _ => None,
    })?;
    let is_error = fields.is("status", &json!("error"));
    fields.is("status", &json!("success"));
    Some(ToolResult { call_id: fields.text("toolUseId")?, name: String::new(), content, is_error })
}

fn read_reasoning(fields: &mut Fields) -> Option<Part> {
    if let Some(data) = fields.text("redactedContent") {
        let state = Some(json!({"redactedContent": data}));
        return Some(Part::Reasoning { text: String::new(), state });
    }
    fields.all_of("reasoningText", |thoughts| {
        let text = thoughts.text("text")?;
        let state = thoughts.text("signature").map(|signature| json!({"signature": signature}));
        Some(Part::Reasoning { text, state })
    })
}
