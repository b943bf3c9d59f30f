//! Conversations as message lists, the format that most dialects share: system prompt first, then one message
//! per role, with each tool result in its own message.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::chat::{Message, Part, Request, Role, ToolResult};

pub(super) enum ParsedMessage {
    SystemPrompt(String),
    ToolResult(ToolResult),
    Message(Role, Vec<Part>),
}

/// Appends a message to a request. With `None` for `known`, the message is kept verbatim as
/// provider-specific.
pub(super) fn push_message(known: Option<ParsedMessage>, message: Value, request: &mut Request) {
    let new_message = match known {
        Some(ParsedMessage::SystemPrompt(text)) => {
            let texts = request.system_prompt.take().into_iter().chain([text]);
            request.system_prompt = Some(texts.collect::<Vec<_>>().join("\n\n"));
            return;
        }
        Some(ParsedMessage::ToolResult(result)) => {
            push_tool_result(&mut request.messages, result);
            return;
        }
        Some(ParsedMessage::Message(role, parts)) => Message { role, parts, model_ref: None },
        None => {
            let role = if message["role"] == "assistant" { Role::Assistant } else { Role::User };
            Message { role, parts: vec![Part::ProviderSpecific { block: message }], model_ref: None }
        }
    };
    request.messages.push(new_message);
}

/// The texts, if all parts are text.
pub(super) fn all_texts(parts: &[Part]) -> Option<Vec<&str>> {
    parts.iter().map(Part::as_text).collect()
}

/// A string, or an array whose parts can all be decoded.
pub(super) fn decode_content(content: &Value, part: impl Fn(&Value) -> Option<Part>) -> Option<Vec<Part>> {
    match content {
        Value::String(text) => Some(vec![Part::from_text(text)]),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => None,
    }
}

/// The verbatim message if it was kept as provider-specific.
pub(super) fn provider_specific_message(message: &Message) -> Option<&Value> {
    match &message.parts[..] {
        [Part::ProviderSpecific { block }] => block.get("role").map(|_| block),
        _ => None,
    }
}

/// Appends a tool result. Consecutive results are merged into one message.
pub(super) fn push_tool_result(messages: &mut Vec<Message>, result: ToolResult) {
    let only_results =
        |m: &&mut Message| m.role == Role::User && m.parts.iter().all(|p| matches!(p, Part::ToolResult(_)));
    let part = Part::ToolResult(result);
    match messages.last_mut().filter(only_results) {
        Some(message) => message.parts.push(part),
        None => messages.push(Message { role: Role::User, parts: vec![part], model_ref: None }),
    }
}

/// The text of a result. These dialects have no error flag, so errors get a prefix.
pub(super) fn tool_result_text(result: &ToolResult) -> String {
    if result.is_error { format!("Error: {}", result.content) } else { result.content.clone() }
}

/// The tool's name from the result, or from the call that it belongs to.
pub(super) fn tool_result_name<'a>(request: &'a Request, result: &'a ToolResult) -> &'a str {
    if !result.name.is_empty() {
        return &result.name;
    }
    let calls = request.messages.iter().flat_map(|m| &m.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    });
    calls.into_iter().rev().find(|call| call.id == result.call_id).map_or("", |call| &call.name)
}

/// A call ID that every provider accepts: letters, digits, `_`, and `-`, at most 64 characters. Other IDs are
/// mapped deterministically.
pub(super) fn portable_call_id(id: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{:016x}", fnv1a_hash(id)))
}

/// 64-bit FNV-1a. Collisions are negligible for the number of calls in a conversation.
pub(super) fn fnv1a_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Arguments for providers that only accept an object. Malformed arguments are wrapped so that they can be
/// sent back.
pub(super) fn arguments_as_object(arguments: &Value) -> Cow<'_, Value> {
    if arguments.is_object() { Cow::Borrowed(arguments) } else { Cow::Owned(json!({"input": arguments})) }
}

/// The parts without blank text of the model, which some providers send but reject when it is sent back.
pub(super) fn nonblank_parts(message: &Message) -> impl Iterator<Item = &Part> {
    let blank = |part: &Part| part.as_text().is_some_and(|text| text.trim().is_empty());
    let has_nonblank = message.parts.iter().any(|part| !blank(part));
    let drop_blank = message.role == Role::Assistant && has_nonblank;
    message.parts.iter().filter(move |part| !(drop_blank && blank(part)))
}
