//! Conversation items (messages, calls, call outputs, reasoning), encoded and decoded. The dialect uses a flat
//! list of items, and consecutive items of one role form a message.

use serde_json::{Value, json};

use crate::chat::{Attachment, AttachmentSource, Message, Part, Request, Role, ToolCall, ToolResult};
use crate::dialect::attachment;
use crate::dialect::field_reader::read_all_fields;
use crate::dialect::function_tools::{decode_arguments, encode_arguments};
use crate::dialect::parsed_message::{
    ParsedMessage, all_texts, decode_content, portable_call_id, push_message, tool_result_text,
};

pub(super) fn encode_items(message: &Message, out: &mut Vec<Value>) {
    let start = out.len();
    let mut content = Vec::new();
    for part in &message.parts {
        let item = match part {
            // Model text is sent back as plain text, because parts would need the ID of the original item.
            Part::Text { text } if message.role == Role::Assistant => {
                Some(json!({"type": "message", "role": "assistant", "content": text}))
            }
            Part::Text { .. } | Part::Image(_) | Part::Document(_) => {
                content.push(encode_part(part));
                continue;
            }
            // Reasoning is sent back as the item in which it arrived, if the state holds that item.
            Part::Reasoning { state, .. } => state.clone().filter(|s| s["type"] == "reasoning"),
            Part::ToolCall(call) => Some(encode_tool_call(call)),
            Part::ToolResult(result) => Some(
                json!({"type": "function_call_output", "call_id": portable_call_id(&result.call_id), "output": tool_result_text(result)}),
            ),
            Part::ProviderSpecific { block } => Some(block.clone()),
        };
        flush_content(message.role, &mut content, out);
        out.extend(item);
    }
    flush_content(message.role, &mut content, out);
    // A reasoning item must be followed by its output. If a response was cut while reasoning, that item is
    // dropped.
    while out.len() > start && out.last().is_some_and(|item| item["type"] == "reasoning") {
        out.pop();
    }
}

fn flush_content(role: Role, content: &mut Vec<Value>, out: &mut Vec<Value>) {
    if !content.is_empty() {
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        out.push(json!({"type": "message", "role": role, "content": std::mem::take(content)}));
    }
}

pub(super) fn encode_tool_call(call: &ToolCall) -> Value {
    let arguments = encode_arguments(&call.arguments);
    json!({"type": "function_call", "call_id": portable_call_id(&call.id), "name": call.name, "arguments": arguments})
}

fn encode_part(part: &Part) -> Value {
    match part {
        Part::Image(image) => {
            json!({"type": "input_image", "image_url": attachment::to_url(image), "detail": "auto"})
        }
        Part::Document(document) => {
            let name = document.name.as_deref().unwrap_or("document.pdf");
            match &document.source {
                AttachmentSource::Url(url) => json!({"type": "input_file", "file_url": url}),
                AttachmentSource::Base64(_) => {
                    json!({"type": "input_file", "filename": name, "file_data": attachment::to_url(document)})
                }
            }
        }
        other => json!({"type": "input_text", "text": other.as_text()}),
    }
}

pub(super) fn decode_item(item: Value, request: &mut Request) {
    let is_first = request.messages.is_empty();
    let known = read_all_fields(&item, |fields| {
        match fields.take_string("type").as_deref().unwrap_or("message") {
            "message" => {
                // The ID of the item in the response is not needed in the request.
                fields.take_string("id");
                fields.take_string("status");
                let role = fields.take_string("role")?;
                let parts = fields.take_with("content", |content| decode_content(content, decode_part))?;
                match role.as_str() {
                    "system" | "developer" if is_first => {
                        Some(ParsedMessage::SystemPrompt(all_texts(&parts)?.join("\n\n")))
                    }
                    "user" => Some(ParsedMessage::Message(Role::User, parts)),
                    "assistant" => Some(ParsedMessage::Message(Role::Assistant, parts)),
                    _ => None,
                }
            }
            "function_call" => {
                fields.take_string("id");
                fields.take_string("status");
                let arguments = fields.take_with("arguments", |a| Some(decode_arguments(Some(a))))?;
                let call = ToolCall {
                    id: fields.take_string("call_id")?,
                    name: fields.take_string("name")?,
                    arguments,
                };
                Some(ParsedMessage::Message(Role::Assistant, vec![Part::ToolCall(call)]))
            }
            "function_call_output" => {
                fields.take_string("id");
                fields.take_string("status");
                let (call_id, content) = (fields.take_string("call_id")?, fields.take_string("output")?);
                Some(ParsedMessage::ToolResult(ToolResult {
                    call_id,
                    name: String::new(),
                    content,
                    is_error: false,
                }))
            }
            _ => None,
        }
    });
    let of_user = matches!(item["role"].as_str(), Some("user" | "system" | "developer"));
    match known {
        // Consecutive user items stay separate messages; consecutive items of the model are one message.
        Some(ParsedMessage::Message(Role::Assistant, parts)) => push_assistant_parts(parts, request),
        None if item["type"] == "reasoning" => {
            push_assistant_parts(
                vec![Part::Reasoning { text: reasoning_text(&item), state: Some(item) }],
                request,
            );
        }
        None if !of_user => push_assistant_parts(vec![Part::ProviderSpecific { block: item }], request),
        known => push_message(known, item, request),
    }
}

fn push_assistant_parts(parts: Vec<Part>, request: &mut Request) {
    match request.messages.last_mut().filter(|message| message.role == Role::Assistant) {
        Some(message) => message.parts.extend(parts),
        None => request.messages.push(Message { role: Role::Assistant, parts, model_ref: None }),
    }
}

/// The visible reasoning of an item.
fn reasoning_text(item: &Value) -> String {
    let texts = |name: &str| item[name].as_array().into_iter().flatten().filter_map(|p| p["text"].as_str());
    texts("content").chain(texts("summary")).collect()
}

fn decode_part(part: &Value) -> Option<Part> {
    read_all_fields(part, |fields| match fields.take_string("type")?.as_str() {
        "input_text" => Some(Part::Text { text: fields.take_string("text")? }),
        "output_text" => {
            fields.take_if_equal("annotations", &json!([]));
            fields.take_if_equal("logprobs", &json!([]));
            Some(Part::Text { text: fields.take_string("text")? })
        }
        "input_image" => {
            fields.take_if_equal("detail", &json!("auto"));
            Some(Part::Image(attachment::from_url(&fields.take_string("image_url")?)))
        }
        "input_file" => match (fields.take_string("file_url"), fields.take_string("filename")) {
            (Some(url), None) => Some(Part::Document(attachment::from_url(&url))),
            (None, name) => Some(Part::Document(Attachment {
                name,
                ..attachment::from_url(&fields.take_string("file_data")?)
            })),
            _ => None,
        },
        _ => None,
    })
}
