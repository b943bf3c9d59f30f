//! Conversations as lists of messages, which most dialects have in common: instructions first, one message a speaker, what
//! a tool gave back in a message of its own.

use serde_json::Value;

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
