//! Messages of a conversation, encoded and decoded. A message with fields that the request types cannot
//! represent is kept verbatim.

use serde_json::{Map, Value, json};

use crate::chat::{Message, Part, Request, Role, ToolResult};
use crate::dialect::attachment;
use crate::dialect::field_reader::{FieldReader, insert_nonempty_array};
use crate::dialect::function_tools::{decode_tool_call, encode_tool_call};
use crate::dialect::parsed_message::{
    ParsedMessage, all_texts, decode_content, fnv1a_hash, provider_specific_message, push_message,
    tool_result_text,
};
use crate::dialect::wire_json::is_plain_text_part;
use crate::dialect::{EchoReasoning, Quirks};

/// Tool results come first, each in its own message.
pub(super) fn encode_message(message: &Message, quirks: &Quirks, out: &mut Vec<Value>) {
    if let Some(block) = provider_specific_message(message) {
        out.push(block.clone());
        return;
    }
    let mut content = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => out.push(encode_tool_result(result, quirks)),
            other => content.extend(encode_part(other, quirks)),
        }
    }
    match message.role {
        Role::User if content.is_empty() && !message.parts.is_empty() => {}
        Role::User => out.push(json!({"role": "user", "content": encode_content(content, quirks)})),
        Role::Assistant => out.push(encode_assistant_message(message, content, quirks)),
    }
}

/// A single text is sent as a string, because some compatible servers accept nothing else.
fn encode_content(mut content: Vec<Value>, quirks: &Quirks) -> Value {
    let text = |part: &Value| part["text"].as_str().filter(|_| part["type"] == "text").map(str::to_owned);
    if quirks.content_as_string && content.iter().all(|part| text(part).is_some()) {
        return json!(content.iter().filter_map(text).collect::<Vec<_>>().join("\n\n"));
    }
    match &mut content[..] {
        [] => json!(""),
        [one] if is_plain_text_part(one) => one["text"].take(),
        _ => Value::Array(content),
    }
}

fn encode_part(part: &Part, quirks: &Quirks) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image(image) => json!({"type": "image_url", "image_url": {"url": attachment::to_url(image)}}),
        Part::Document(document) if quirks.document_url => {
            json!({"type": "document_url", "document_url": attachment::to_url(document)})
        }
        Part::Document(document) => {
            let name = document.name.as_deref().unwrap_or("document.pdf");
            json!({"type": "file", "file": {"filename": name, "file_data": attachment::to_url(document)}})
        }
        Part::ProviderSpecific { block } => block.clone(),
        Part::Reasoning { .. } | Part::ToolCall(_) | Part::ToolResult(_) => return None,
    })
}

fn decode_part(part: &Value) -> Part {
    let known = crate::dialect::field_reader::read_all_fields(part, |fields| {
        match fields.take_string("type")?.as_str() {
            "text" => Some(Part::Text { text: fields.take_string("text")? }),
            "image_url" => {
                let url = fields
                    .take_string("image_url")
                    .or_else(|| fields.take_object("image_url", |i| i.take_string("url")))?;
                Some(Part::Image(attachment::from_url(&url)))
            }
            "document_url" => {
                Some(Part::Document(attachment::from_url(&fields.take_string("document_url")?)))
            }
            "file" => fields.take_object("file", |file| {
                let name = file.take_string("filename");
                Some(Part::Document(crate::chat::Attachment {
                    name,
                    ..attachment::from_url(&file.take_string("file_data")?)
                }))
            }),
            _ => None,
        }
    });
    known.unwrap_or_else(|| Part::ProviderSpecific { block: part.clone() })
}

fn encode_tool_result(result: &ToolResult, quirks: &Quirks) -> Value {
    let id = adapt_call_id(&result.call_id, quirks);
    json!({"role": "tool", "tool_call_id": id, "content": tool_result_text(result)})
}

fn encode_assistant_message(message: &Message, content: Vec<Value>, quirks: &Quirks) -> Value {
    let mut object = Map::new();
    object.insert("role".to_owned(), json!("assistant"));
    let mut calls = Vec::new();
    // A gateway's extra data for a call is in the reasoning state before the call.
    let mut extra = None;
    for part in &message.parts {
        match part {
            Part::Reasoning { state: Some(state), .. } => extra = state.get("extra_content").or(extra),
            Part::ToolCall(call) => {
                let mut call = encode_tool_call(&adapt_call_id(&call.id, quirks), call);
                if let Some(extra) = extra.take() {
                    call["extra_content"] = extra.clone();
                }
                calls.push(call);
            }
            _ => {}
        }
    }
    let content =
        if content.is_empty() && !calls.is_empty() { Value::Null } else { encode_content(content, quirks) };
    object.insert("content".to_owned(), content);
    let echoed = match quirks.echo_reasoning {
        EchoReasoning::Never => false,
        EchoReasoning::ToolTurns => !calls.is_empty(),
        EchoReasoning::Always => true,
    };
    if echoed {
        encode_reasoning(message, quirks, &mut object);
    }
    insert_nonempty_array(&mut object, "tool_calls", calls);
    Value::Object(object)
}

/// Reasoning is sent back in the field in which it arrived.
fn encode_reasoning(message: &Message, quirks: &Quirks, object: &mut Map<String, Value>) {
    let state_field = |state: &Option<Value>| match state.as_ref()?["field"].as_str()? {
        "reasoning" => Some("reasoning"),
        _ => Some("reasoning_content"),
    };
    let reasoning = message.parts.iter().filter_map(|part| match part {
        Part::Reasoning { text, state } => Some((text, state)),
        _ => None,
    });
    // The state may come after the text.
    let default_field =
        reasoning.clone().find_map(|(_, state)| state_field(state)).unwrap_or("reasoning_content");
    let mut details = Vec::new();
    for (text, state) in reasoning {
        let field = state_field(state);
        match object.get_mut(field.unwrap_or(default_field)) {
            Some(Value::String(so_far)) => so_far.push_str(text),
            // Servers that require the field also accept an empty string.
            _ if field.is_some() || !text.is_empty() => {
                object.insert(field.unwrap_or(default_field).to_owned(), json!(text));
            }
            _ => {}
        }
        let more = state.as_ref().and_then(|s| s["reasoning_details"].as_array().cloned());
        details.extend(more.unwrap_or_default());
    }
    // Servers that require reasoning in messages with tool calls accept an empty string, which replaces
    // another model's reasoning.
    let no_reasoning = !object.contains_key("reasoning_content") && !object.contains_key("reasoning");
    if quirks.echo_reasoning == EchoReasoning::ToolTurns && no_reasoning {
        object.insert("reasoning_content".to_owned(), json!(""));
    }
    insert_nonempty_array(object, "reasoning_details", details);
}

pub(super) fn decode_message(message: Value, request: &mut Request) {
    let is_first = request.messages.is_empty();
    let known = crate::dialect::field_reader::read_all_fields(&message, |fields| {
        match fields.take_string("role")?.as_str() {
            "system" | "developer" if is_first => {
                Some(ParsedMessage::SystemPrompt(all_texts(&take_content(fields)?)?.join("\n\n")))
            }
            "tool" => {
                let content = all_texts(&take_content(fields)?)?.join("\n\n");
                let call_id = fields.take_string("tool_call_id")?;
                let name = fields.take_string("name").unwrap_or_default();
                Some(ParsedMessage::ToolResult(ToolResult { call_id, name, content, is_error: false }))
            }
            "user" => Some(ParsedMessage::Message(Role::User, take_content(fields)?)),
            "assistant" => Some(ParsedMessage::Message(Role::Assistant, decode_assistant_parts(fields)?)),
            _ => None,
        }
    });
    push_message(known, message, request);
}

fn take_content(fields: &mut FieldReader) -> Option<Vec<Part>> {
    fields.take_with("content", |content| decode_content(content, |part| Some(decode_part(part))))
}

fn decode_assistant_parts(fields: &mut FieldReader) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut details = fields.take_array("reasoning_details");
    for field in ["reasoning_content", "reasoning"] {
        if let Some(text) = fields.take_string(field) {
            let mut state = json!({"field": field});
            if !details.is_empty() {
                state["reasoning_details"] = json!(std::mem::take(&mut details));
            }
            parts.push(Part::Reasoning { text, state: Some(state) });
        }
    }
    if !details.is_empty() {
        let state = json!({"reasoning_details": details});
        parts.push(Part::Reasoning { text: String::new(), state: Some(state) });
    }
    parts.extend(take_content(fields).unwrap_or_default());
    parts.retain(|part| part.as_text() != Some(""));
    for mut call in fields.take_array("tool_calls") {
        if let Some(extra) = call.as_object_mut().and_then(|call| call.shift_remove("extra_content")) {
            let state = Some(json!({"extra_content": extra}));
            parts.push(Part::Reasoning { text: String::new(), state });
        }
        parts.push(Part::ToolCall(decode_tool_call(&call)?));
    }
    Some(parts)
}

/// An ID that the provider accepts. Any other ID is mapped to nine letters or digits, always the same ones.
fn adapt_call_id(id: &str, quirks: &Quirks) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if !quirks.nine_letter_call_ids || id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hash = fnv1a_hash(id);
    let mut letter = || {
        let at = hash % 62;
        hash /= 62;
        usize::try_from(at).map_or('0', |at| char::from(LETTERS[at]))
    };
    (0..9).map(|_| letter()).collect()
}
