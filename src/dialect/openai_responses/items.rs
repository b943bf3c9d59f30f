//! Items of a conversation: messages, calls and their outputs, thoughts; written and read side by side. Here they are a
//! flat list; a turn is a run of items of one speaker.

use serde_json::{Value, json};

use crate::chat::{Media, Message, Part, Request, Role, Source, ToolCall, ToolResult};
use crate::dialect::conversation::{Read, only_texts, plain_id, push, read_content, result_words};
use crate::dialect::fields::whole;
use crate::dialect::functions::{arguments_text, read_arguments};
use crate::dialect::media;

/// Appends the items of a turn.
pub(super) fn write_items(message: &Message, out: &mut Vec<Value>) {
    let begun = out.len();
    let mut content = Vec::new();
    for part in &message.parts {
        let item = match part {
            // What the model said goes back as plain text: as parts it would need the id of the answer's own item.
            Part::Text { text } if message.role == Role::Assistant => {
                Some(json!({"type": "message", "role": "assistant", "content": text}))
            }
            Part::Text { .. } | Part::Image(_) | Part::Document(_) => {
                content.push(write_part(part));
                continue;
            }
            // Thoughts go back as the item in which they came, and only if that holds them.
            Part::Reasoning { state, .. } => state.clone().filter(|s| s["type"] == "reasoning"),
            Part::ToolCall(call) => Some(write_call(call)),
            Part::ToolResult(result) => Some(
                json!({"type": "function_call_output", "call_id": plain_id(&result.call_id), "output": result_words(result)}),
            ),
            Part::Own { block } => Some(block.clone()),
        };
        flush(message.role, &mut content, out);
        out.extend(item);
    }
    flush(message.role, &mut content, out);
    // Thoughts must be followed by what they led to: an answer that was cut while thinking has nothing to go back.
    while out.len() > begun && out.last().is_some_and(|item| item["type"] == "reasoning") {
        out.pop();
    }
}

fn flush(role: Role, content: &mut Vec<Value>, out: &mut Vec<Value>) {
    if !content.is_empty() {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        out.push(json!({"type": "message", "role": role, "content": std::mem::take(content)}));
    }
}

/// A call of the model.
pub(super) fn write_call(call: &ToolCall) -> Value {
    let arguments = arguments_text(&call.arguments);
    json!({"type": "function_call", "call_id": plain_id(&call.id), "name": call.name, "arguments": arguments})
}

fn write_part(part: &Part) -> Value {
    match part {
        Part::Image(image) => {
            json!({"type": "input_image", "image_url": media::url(image), "detail": "auto"})
        }
        Part::Document(document) => {
            let name = document.name.as_deref().unwrap_or("document.pdf");
            match &document.source {
                Source::Url(url) => json!({"type": "input_file", "file_url": url}),
                Source::Data(_) => {
                    json!({"type": "input_file", "filename": name, "file_data": media::url(document)})
                }
            }
        }
        other => json!({"type": "input_text", "text": other.as_text()}),
    }
}

/// Takes one item into a request.
pub(super) fn push_item(item: Value, request: &mut Request) {
    let begins = request.messages.is_empty();
    let known = whole(&item, |fields| {
        match fields.text("type").as_deref().unwrap_or("message") {
            "message" => {
                // What the answer called it is of no use to the next one.
                fields.text("id");
                fields.text("status");
                let role = fields.text("role")?;
                let parts = fields.take("content", |content| read_content(content, read_part))?;
                match role.as_str() {
                    "system" | "developer" if begins => Some(Read::System(only_texts(&parts)?.join("\n\n"))),
                    "user" => Some(Read::Turn(Role::User, parts)),
                    "assistant" => Some(Read::Turn(Role::Assistant, parts)),
                    _ => None,
                }
            }
            "function_call" => {
                fields.text("id");
                fields.text("status");
                let arguments = fields.take("arguments", |a| Some(read_arguments(Some(a))))?;
                let call = ToolCall { id: fields.text("call_id")?, name: fields.text("name")?, arguments };
                Some(Read::Turn(Role::Assistant, vec![Part::ToolCall(call)]))
            }
            "function_call_output" => {
                fields.text("id");
                fields.text("status");
                let (call_id, content) = (fields.text("call_id")?, fields.text("output")?);
                Some(Read::Result(ToolResult { call_id, name: String::new(), content, is_error: false }))
            }
            _ => None,
        }
    });
    let of_user = matches!(item["role"].as_str(), Some("user" | "system" | "developer"));
    match known {
        // What one person says twice is two turns; what the model says and does in a row is one.
        Some(Read::Turn(Role::Assistant, parts)) => push_answered(parts, request),
        None if item["type"] == "reasoning" => {
            push_answered(vec![Part::Reasoning { text: summary(&item), state: Some(item) }], request);
        }
        None if !of_user => push_answered(vec![Part::Own { block: item }], request),
        known => push(known, item, request),
    }
}

fn push_answered(parts: Vec<Part>, request: &mut Request) {
    match request.messages.last_mut().filter(|turn| turn.role == Role::Assistant) {
        Some(turn) => turn.parts.extend(parts),
        None => request.messages.push(Message { role: Role::Assistant, parts, from: None }),
    }
}

/// The thoughts of an item as far as they are shown.
fn summary(item: &Value) -> String {
    let texts = |name: &str| item[name].as_array().into_iter().flatten().filter_map(|p| p["text"].as_str());
    texts("content").chain(texts("summary")).collect()
}

fn read_part(part: &Value) -> Option<Part> {
    whole(part, |fields| match fields.text("type")?.as_str() {
        "input_text" => Some(Part::Text { text: fields.text("text")? }),
        "output_text" => {
            fields.is("annotations", &json!([]));
            fields.is("logprobs", &json!([]));
            Some(Part::Text { text: fields.text("text")? })
        }
        "input_image" => {
            fields.is("detail", &json!("auto"));
            Some(Part::Image(media::from_url(&fields.text("image_url")?)))
        }
        "input_file" => match (fields.text("file_url"), fields.text("filename")) {
            (Some(url), None) => Some(Part::Document(media::from_url(&url))),
            (None, name) => {
                Some(Part::Document(Media { name, ..media::from_url(&fields.text("file_data")?) }))
            }
            _ => None,
        },
        _ => None,
    })
}
