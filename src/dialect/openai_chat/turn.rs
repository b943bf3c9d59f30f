//! Turns of a conversation, written and read side by side. A turn with something in it that the contract has no place
//! for is kept whole, as the vendor's own.

use serde_json::{Map, Value, json};

use crate::chat::{Message, Part, Request, Role, ToolResult};
use crate::dialect::conversation::{Read, hash, only_texts, own_turn, push, read_content, result_words};
use crate::dialect::fields::{Fields, put_list};
use crate::dialect::functions::{read_call, write_call};
use crate::dialect::media;
use crate::dialect::wire::is_text;
use crate::dialect::{EchoReasoning, Quirks};

/// Appends a turn: what tools gave back comes first, each in a message of its own.
pub(super) fn write_turn(message: &Message, quirks: &Quirks, out: &mut Vec<Value>) {
    if let Some(turn) = own_turn(message) {
        out.push(turn.clone());
        return;
    }
    let mut content = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => out.push(write_result(result, quirks)),
            other => content.extend(write_part(other, quirks)),
        }
    }
    match message.role {
        Role::User if content.is_empty() && !message.parts.is_empty() => {}
        Role::User => out.push(json!({"role": "user", "content": plain(content, quirks)})),
        Role::Assistant => out.push(write_assistant(message, content, quirks)),
    }
}

/// One text is a plain string: some speakers of the dialect know nothing else.
fn plain(mut content: Vec<Value>, quirks: &Quirks) -> Value {
    let text = |part: &Value| part["text"].as_str().filter(|_| part["type"] == "text").map(str::to_owned);
    if quirks.content_as_string && content.iter().all(|part| text(part).is_some()) {
        return json!(content.iter().filter_map(text).collect::<Vec<_>>().join("\n\n"));
    }
    match &mut content[..] {
        [] => json!(""),
        [one] if is_text(one) => one["text"].take(),
        _ => Value::Array(content),
    }
}

fn write_part(part: &Part, quirks: &Quirks) -> Option<Value> {
    Some(match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image(image) => json!({"type": "image_url", "image_url": {"url": media::url(image)}}),
        Part::Document(document) if quirks.document_url => {
            json!({"type": "document_url", "document_url": media::url(document)})
        }
        Part::Document(document) => {
            let name = document.name.as_deref().unwrap_or("document.pdf");
            json!({"type": "file", "file": {"filename": name, "file_data": media::url(document)}})
        }
        Part::Own { block } => block.clone(),
        Part::Reasoning { .. } | Part::ToolCall(_) | Part::ToolResult(_) => return None,
    })
}

fn read_part(part: &Value) -> Part {
    let known = crate::dialect::fields::whole(part, |fields| match fields.text("type")?.as_str() {
        "text" => Some(Part::Text { text: fields.text("text")? }),
        "image_url" => {
            let url = fields.text("image_url").or_else(|| fields.all_of("image_url", |i| i.text("url")))?;
            Some(Part::Image(media::from_url(&url)))
        }
        "document_url" => Some(Part::Document(media::from_url(&fields.text("document_url")?))),
        "file" => fields.all_of("file", |file| {
            let name = file.text("filename");
            Some(Part::Document(crate::chat::Media { name, ..media::from_url(&file.text("file_data")?) }))
        }),
        _ => None,
    });
    known.unwrap_or_else(|| Part::Own { block: part.clone() })
}

fn write_result(result: &ToolResult, quirks: &Quirks) -> Value {
    let id = call_id(&result.call_id, quirks);
    json!({"role": "tool", "tool_call_id": id, "content": result_words(result)})
}

fn write_assistant(message: &Message, content: Vec<Value>, quirks: &Quirks) -> Value {
    let mut object = Map::new();
    object.insert("role".to_owned(), json!("assistant"));
    let mut calls = Vec::new();
    // What a gateway hangs on a call comes just before it.
    let mut extra = None;
    for part in &message.parts {
        match part {
            Part::Reasoning { state: Some(state), .. } => extra = state.get("extra_content").or(extra),
            Part::ToolCall(call) => {
                let mut call = write_call(&call_id(&call.id, quirks), call);
                if let Some(extra) = extra.take() {
                    call["extra_content"] = extra.clone();
                }
                calls.push(call);
            }
            _ => {}
        }
    }
    let content = if content.is_empty() && !calls.is_empty() { Value::Null } else { plain(content, quirks) };
    object.insert("content".to_owned(), content);
    let echoed = match quirks.echo_reasoning {
        EchoReasoning::Never => false,
        EchoReasoning::ToolTurns => !calls.is_empty(),
        EchoReasoning::Always => true,
    };
    if echoed {
        write_thoughts(message, quirks, &mut object);
    }
    put_list(&mut object, "tool_calls", calls);
    Value::Object(object)
}

/// Thoughts go back in the field in which they came.
fn write_thoughts(message: &Message, quirks: &Quirks, object: &mut Map<String, Value>) {
    let said = |state: &Option<Value>| match state.as_ref()?["field"].as_str()? {
        "reasoning" => Some("reasoning"),
        _ => Some("reasoning_content"),
    };
    let thoughts = message.parts.iter().filter_map(|part| match part {
        Part::Reasoning { text, state } => Some((text, state)),
        _ => None,
    });
    // The state may come after the words.
    let usual = thoughts.clone().find_map(|(_, state)| said(state)).unwrap_or("reasoning_content");
    let mut details = Vec::new();
    for (text, state) in thoughts {
        let field = said(state);
        match object.get_mut(field.unwrap_or(usual)) {
            Some(Value::String(so_far)) => so_far.push_str(text),
            // A server that insists on the field takes an empty one too.
            _ if field.is_some() || !text.is_empty() => {
                object.insert(field.unwrap_or(usual).to_owned(), json!(text));
            }
            _ => {}
        }
        let more = state.as_ref().and_then(|s| s["reasoning_details"].as_array().cloned());
        details.extend(more.unwrap_or_default());
    }
    // Who insists on thoughts in turns that call tools takes empty ones for those of another model.
    let none = !object.contains_key("reasoning_content") && !object.contains_key("reasoning");
    if quirks.echo_reasoning == EchoReasoning::ToolTurns && none {
        object.insert("reasoning_content".to_owned(), json!(""));
    }
    put_list(object, "reasoning_details", details);
}

/// Takes one message into a request.
pub(super) fn read_message(message: Value, request: &mut Request) {
    let begins = request.messages.is_empty();
    let known = crate::dialect::fields::whole(&message, |fields| match fields.text("role")?.as_str() {
        "system" | "developer" if begins => Some(Read::System(only_texts(&content(fields)?)?.join("\n\n"))),
        "tool" => {
            let content = only_texts(&content(fields)?)?.join("\n\n");
            let call_id = fields.text("tool_call_id")?;
            let name = fields.text("name").unwrap_or_default();
            Some(Read::Result(ToolResult { call_id, name, content, is_error: false }))
        }
        "user" => Some(Read::Turn(Role::User, content(fields)?)),
        "assistant" => Some(Read::Turn(Role::Assistant, read_assistant(fields)?)),
        _ => None,
    });
    push(known, message, request);
}

fn content(fields: &mut Fields) -> Option<Vec<Part>> {
    fields.take("content", |content| read_content(content, |part| Some(read_part(part))))
}

fn read_assistant(fields: &mut Fields) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut details = fields.list("reasoning_details");
    for field in ["reasoning_content", "reasoning"] {
        if let Some(text) = fields.text(field) {
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
    parts.extend(content(fields).unwrap_or_default());
    parts.retain(|part| part.as_text() != Some(""));
    for mut call in fields.list("tool_calls") {
        if let Some(extra) = call.as_object_mut().and_then(|call| call.shift_remove("extra_content")) {
            let state = Some(json!({"extra_content": extra}));
            parts.push(Part::Reasoning { text: String::new(), state });
        }
        parts.push(Part::ToolCall(read_call(&call)?));
    }
    Some(parts)
}

/// An id that the provider accepts. Nine letters or digits out of any other id, always the same ones.
fn call_id(id: &str, quirks: &Quirks) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if !quirks.nine_letter_call_ids || id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hash = hash(id);
    let mut letter = || {
        let at = hash % 62;
        hash /= 62;
        usize::try_from(at).map_or('0', |at| char::from(LETTERS[at]))
    };
    (0..9).map(|_| letter()).collect()
}
