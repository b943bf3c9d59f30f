//! Conversations as lists of messages, which most dialects have in common: instructions first, one message a speaker, what
//! a tool gave back in a message of its own.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::chat::{Message, Part, Request, Role, ToolResult};

/// What a message turned out to be.
pub(super) enum ParsedMessage {
    /// Instructions above the conversation.
    SystemPrompt(String),
    /// What a tool gave back.
    ToolResult(ToolResult),
    /// A turn of a speaker.
    Message(Role, Vec<Part>),
}

/// Appends a message to a request. One with something in it that the contract has no place for is kept whole, as the
/// vendor's own.
pub(super) fn push_message(known: Option<ParsedMessage>, message: Value, request: &mut Request) {
    let turn = match known {
        Some(ParsedMessage::SystemPrompt(text)) => {
            let above = request.system_prompt.take().into_iter().chain([text]);
            request.system_prompt = Some(above.collect::<Vec<_>>().join("\n\n"));
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
    request.messages.push(turn);
}

/// Content that is words and nothing else.
pub(super) fn all_texts(parts: &[Part]) -> Option<Vec<&str>> {
    parts.iter().map(Part::as_text).collect()
}

/// Content: a text, or a list of which each part is understood.
pub(super) fn decode_content(content: &Value, part: impl Fn(&Value) -> Option<Part>) -> Option<Vec<Part>> {
    match content {
        Value::String(text) => Some(vec![Part::from_text(text)]),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => None,
    }
}

/// A turn that was read whole as the vendor's own, because its speaker is none that the contract knows.
pub(super) fn provider_specific_message(message: &Message) -> Option<&Value> {
    match &message.parts[..] {
        [Part::ProviderSpecific { block }] => block.get("role").map(|_| block),
        _ => None,
    }
}

/// Appends a tool's result to a conversation: results that follow each other are one turn.
pub(super) fn push_tool_result(messages: &mut Vec<Message>, result: ToolResult) {
    let only_results =
        |m: &&mut Message| m.role == Role::User && m.parts.iter().all(|p| matches!(p, Part::ToolResult(_)));
    let part = Part::ToolResult(result);
    match messages.last_mut().filter(only_results) {
        Some(turn) => turn.parts.push(part),
        None => messages.push(Message { role: Role::User, parts: vec![part], model_ref: None }),
    }
}

/// A result's words. These dialects have no flag for an error of the tool, so the words say it.
pub(super) fn tool_result_text(result: &ToolResult) -> String {
    if result.is_error { format!("Error: {}", result.content) } else { result.content.clone() }
}

/// The tool's name for a result: said beside it, or found at the call that it answers.
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

/// An id of a call that every vendor takes: letters, digits, `_` and `-`, at most 64. Others are mapped to such, the same
/// ones always the same way.
pub(super) fn portable_call_id(id: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{:016x}", fnv1a_hash(id)))
}

/// FNV-1a: far more values than a conversation has calls.
pub(super) fn fnv1a_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Arguments where the vendor takes an object only: what a model garbled is wrapped, so that it can go back.
pub(super) fn arguments_as_object(arguments: &Value) -> Cow<'_, Value> {
    if arguments.is_object() { Cow::Borrowed(arguments) } else { Cow::Owned(json!({"input": arguments})) }
}

/// The parts of a turn without blank texts of the model, which some vendors send and refuse to take back.
pub(super) fn nonblank_parts(message: &Message) -> impl Iterator<Item = &Part> {
    let blank = |part: &Part| part.as_text().is_some_and(|text| text.trim().is_empty());
    let others = message.parts.iter().any(|part| !blank(part));
    let drops = message.role == Role::Assistant && others;
    message.parts.iter().filter(move |part| !(drops && blank(part)))
}
