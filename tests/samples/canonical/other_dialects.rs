//! Canonical requests of Anthropic, Bedrock, Cohere, and Ollama.

use serde_json::{Map, Value, json};

use super::{as_parts, drop_default, for_each_object, joined_text, merge_instructions, parse_json_text};

type Fields = Map<String, Value>;

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn anthropic(body: &mut Fields) {
    if let Some(system) = body.remove("system") {
        body.insert("system".to_owned(), as_parts(system, text_part));
    }
    for_each_object(body, "tools", |tool| drop_default(tool, "type", &json!("custom")));
    for_each_object(body, "messages", |message| {
        if let Some(content) = message.remove("content") {
            message.insert("content".to_owned(), as_parts(content, text_part));
        }
        for_each_object(message, "content", |block| {
            if block.get("type") == Some(&json!("tool_result")) {
                drop_default(block, "is_error", &json!(false));
                let content = as_parts(block.remove("content").unwrap_or_default(), text_part);
                if content != json!([]) && !content.is_null() {
                    block.insert("content".to_owned(), content);
                }
            }
        });
    });
    merge_turns(body, |block| block["type"] == "tool_result");
}

pub(super) fn bedrock(body: &mut Fields) {
    let schema =
        body.get_mut("outputConfig").and_then(|o| o.pointer_mut("/textFormat/structure/jsonSchema/schema"));
    schema.into_iter().for_each(parse_json_text);
    merge_turns(body, |_| false);
    for_each_object(body, "messages", |message| {
        for_each_object(message, "content", |block| {
            if let Some(result) = block.get_mut("toolResult").and_then(Value::as_object_mut) {
                drop_default(result, "status", &json!("success"));
            }
        });
    });
}

/// Joins consecutive messages with the same role, as the vendor does. Puts tool results first in user
/// messages.
fn merge_turns(body: &mut Fields, is_result: impl Fn(&Value) -> bool) {
    let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) else { return };
    let mut joined: Vec<Value> = Vec::new();
    for mut message in messages.drain(..) {
        if let (true, Some(blocks)) = (message["role"] == "user", message["content"].as_array_mut()) {
            blocks.sort_by_key(|block| !is_result(block));
        }
        match joined.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => {
                let more = message["content"].as_array().cloned().unwrap_or_default();
                if let Some(content) = last["content"].as_array_mut() {
                    content.extend(more);
                }
            }
            None => joined.push(message),
        }
    }
    *messages = joined;
}

pub(super) fn cohere(body: &mut Fields) {
    for_each_object(body, "messages", |message| {
        if let Some(content) = message.remove("content") {
            message.insert("content".to_owned(), as_parts(content, text_part));
        }
        drop_default(message, "content", &json!([]));
        for_each_object(message, "tool_calls", canonicalize_call);
    });
    if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) {
        merge_instructions(messages, |message| joined_text(message.get("content")?));
    }
}

pub(super) fn ollama(body: &mut Fields) {
    for_each_object(body, "messages", |message| {
        drop_default(message, "content", &json!(""));
        for_each_object(message, "tool_calls", canonicalize_call);
    });
    if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) {
        fill_tool_names(messages);
        merge_instructions(messages, |message| message["content"].as_str().map(str::to_owned));
    }
}

/// Fills a missing `tool_name` with the name of the preceding call.
fn fill_tool_names(messages: &mut [Value]) {
    let mut last_name = Value::Null;
    for message in messages {
        if let Some(name) = message.pointer("/tool_calls/0/function/name") {
            last_name = name.clone();
        }
        if message["role"] == "tool" && message["tool_name"].is_null() && !last_name.is_null() {
            message["tool_name"] = last_name.clone();
        }
    }
}

fn canonicalize_call(call: &mut Fields) {
    drop_default(call, "type", &json!("function"));
    if let Some(arguments) = call.get_mut("function").and_then(|f| f.get_mut("arguments")) {
        parse_json_text(arguments);
    }
}
