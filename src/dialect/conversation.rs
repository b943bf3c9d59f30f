//! Conversations as lists of messages, which most dialects have in common: instructions first, one message a speaker, what
//! a tool gave back in a message of its own.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::chat::{Message, Part, Request, Role, ToolResult};

/// What a message turned out to be.
pub(super) enum Read {
    /// Instructions above the conversation.
    System(String),
    /// What a tool gave back.
    Result(ToolResult),
    /// A turn of a speaker.
    Turn(Role, Vec<Part>),
}

/// Appends a message to a request. One with something in it that the contract has no place for is kept whole, as the
/// vendor's own.
pub(super) fn push(known: Option<Read>, message: Value, request: &mut Request) {
    let turn = match known {
        Some(Read::System(text)) => {
            let above = request.system.take().into_iter().chain([text]);
            request.system = Some(above.collect::<Vec<_>>().join("\n\n"));
            return;
        }
        Some(Read::Result(result)) => {
            push_result(&mut request.messages, result);
            return;
        }
        Some(Read::Turn(role, parts)) => Message { role, parts, from: None },
        None => {
            let role = if message["role"] == "assistant" { Role::Assistant } else { Role::User };
            Message { role, parts: vec![Part::Own { block: message }], from: None }
        }
    };
    request.messages.push(turn);
}

/// Content that is words and nothing else.
pub(super) fn only_texts(parts: &[Part]) -> Option<Vec<&str>> {
    parts.iter().map(Part::as_text).collect()
}

/// Content: a text, or a list of which each part is understood.
pub(super) fn read_content(content: &Value, part: impl Fn(&Value) -> Option<Part>) -> Option<Vec<Part>> {
    match content {
        Value::String(text) => Some(vec![Part::text(text)]),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => None,
    }
}

/// A turn that was read whole as the vendor's own, because its speaker is none that the contract knows.
pub(super) fn own_turn(message: &Message) -> Option<&Value> {
    match &message.parts[..] {
        [Part::Own { block }] => block.get("role").map(|_| block),
        _ => None,
    }
}

/// Appends a tool's result to a conversation: results that follow each other are one turn.
pub(super) fn push_result(messages: &mut Vec<Message>, result: ToolResult) {
    let only_results =
        |m: &&mut Message| m.role == Role::User && m.parts.iter().all(|p| matches!(p, Part::ToolResult(_)));
    let part = Part::ToolResult(result);
    match messages.last_mut().filter(only_results) {
        Some(turn) => turn.parts.push(part),
        None => messages.push(Message { role: Role::User, parts: vec![part], from: None }),
    }
}

/// A result's words. These dialects have no flag for an error of the tool, so the words say it.
pub(super) fn result_words(result: &ToolResult) -> String {
    if result.is_error { format!("Error: {}", result.content) } else { result.content.clone() }
}

/// The tool's name for a result: said beside it, or found at the call that it answers.
pub(super) fn name_of<'a>(request: &'a Request, result: &'a ToolResult) -> &'a str {
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
pub(super) fn plain_id(id: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("call_{:016x}", hash(id)))
}

/// FNV-1a: far more values than a conversation has calls.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Arguments where the vendor takes an object only: what a model garbled is wrapped, so that it can go back.
pub(super) fn arguments_object(arguments: &Value) -> Cow<'_, Value> {
    if arguments.is_object() { Cow::Borrowed(arguments) } else { Cow::Owned(json!({"input": arguments})) }
}

/// The parts of a turn without blank texts of the model, which some vendors send and refuse to take back.
pub(super) fn spoken(message: &Message) -> impl Iterator<Item = &Part> {
    let blank = |part: &Part| part.as_text().is_some_and(|text| text.trim().is_empty());
    let others = message.parts.iter().any(|part| !blank(part));
    let drops = message.role == Role::Assistant && others;
    message.parts.iter().filter(move |part| !(drops && blank(part)))
}
