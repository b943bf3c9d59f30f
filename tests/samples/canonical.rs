//! Canonical forms of request bodies: two bodies with the same meaning become equal.
//!
//! Only these differences are ignored:
//!
//! - null, an empty list, empty settings, or an explicit default instead of a missing field
//! - a string instead of a list with one text part
//! - instructions instead of leading system or developer messages
//! - tool call arguments as JSON text instead of parsed JSON
//! - old instead of new names (`max_tokens`, `random_seed`, `any`; with Gemini, snake case for camel case)
//! - consecutive messages with the same role where the vendor joins them; tool results after text
//! - response fields on an item that is sent back (`id`, `status`)

use serde_json::{Map, Value, json};
use slalom::dialect::Dialect;

mod gemini;
mod openai;
mod other_dialects;

pub(super) fn canonicalize(dialect: Dialect, body: &Value) -> Value {
    let mut body = drop_empty_fields(body.clone());
    let Some(fields) = body.as_object_mut() else { return body };
    drop_default(fields, "stream", &json!(false));
    match dialect.as_str() {
        "openai-chat" => openai::chat(fields),
        "openai-responses" => openai::responses(fields),
        "anthropic" => other_dialects::anthropic(fields),
        "bedrock" => other_dialects::bedrock(fields),
        "gemini" => gemini::gemini(fields),
        "cohere" => other_dialects::cohere(fields),
        "ollama" => other_dialects::ollama(fields),
        other => panic!("no canonical form for {other}"),
    }
    body
}

/// The first difference between two values, with its path; `None` if they are equal.
pub(super) fn first_difference(expected: &Value, got: &Value, path: &str) -> Option<String> {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            let none = Value::Null;
            first_difference(
                a.get(key).unwrap_or(&none),
                b.get(key).unwrap_or(&none),
                &format!("{path}.{key}"),
            )
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            (0..a.len()).find_map(|n| first_difference(&a[n], &b[n], &format!("{path}[{n}]")))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ if expected == got => None,
        _ => Some(format!("{path}: {}\n   expected {}", truncate_json(got), truncate_json(expected))),
    }
}

fn truncate_json(value: &Value) -> String {
    value.to_string().chars().take(600).collect()
}

/// Fields with caller-defined values, where null and empty lists may have a meaning.
const CALLER_DEFINED_FIELDS: [&str; 13] = [
    "args",
    "arguments",
    "format",
    "input_schema",
    "inputSchema",
    "json",
    "json_schema",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
    "responseSchema",
    "schema",
];

/// Objects that only hold settings; an empty one means the same as a missing one.
const SETTINGS_OBJECTS: [&str; 3] = ["generationConfig", "inferenceConfig", "options"];

fn drop_empty_fields(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_call =
                ["tool_use", "custom_tool_call"].iter().any(|kind| fields.get("type") == Some(&json!(kind)))
                    || fields.contains_key("toolUseId");
            let empty = |(name, value): &(String, Value)| {
                let settings = SETTINGS_OBJECTS.contains(&name.as_str()) && *value == json!({});
                settings || value.is_null() || *value == json!([])
            };
            let kept = fields.into_iter().filter(|field| !empty(field));
            let inner = |(name, value): (String, Value)| {
                let is_caller_defined =
                    CALLER_DEFINED_FIELDS.contains(&name.as_str()) || is_call && name == "input";
                (name, if is_caller_defined { value } else { drop_empty_fields(value) })
            };
            Value::Object(kept.map(inner).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(drop_empty_fields).collect()),
        other => other,
    }
}

fn drop_default(fields: &mut Map<String, Value>, name: &str, default: &Value) {
    if fields.get(name) == Some(default) {
        fields.remove(name);
    }
}

fn rename(fields: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = fields.remove(old) {
        fields.insert(new.to_owned(), value);
    }
}

fn for_each_object(fields: &mut Map<String, Value>, name: &str, change: impl FnMut(&mut Map<String, Value>)) {
    let items = fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
    items.filter_map(Value::as_object_mut).for_each(change);
}

/// Turns a string into a list with one part, and drops empty text parts.
fn as_parts(content: Value, part: impl Fn(&str) -> Value) -> Value {
    match content {
        Value::String(text) if text.is_empty() => json!([]),
        Value::String(text) => json!([part(&text)]),
        Value::Array(parts) => {
            let parts = parts.into_iter().map(|item| match item {
                Value::String(text) => part(&text),
                other => other,
            });
            Value::Array(parts.filter(|p| *p != part("")).collect())
        }
        other => other,
    }
}

/// Replaces JSON text with the parsed value; empty text means `{}`.
fn parse_json_text(text: &mut Value) {
    let read = text.as_str().map(|text| {
        if text.trim().is_empty() {
            json!({})
        } else {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
    });
    if let Some(read) = read {
        *text = read;
    }
}

/// Merges the leading system and developer messages into one.
fn merge_instructions(messages: &mut Vec<Value>, text_of: impl Fn(&Value) -> Option<String>) {
    let is_instruction = |message: &Value| matches!(message["role"].as_str(), Some("system" | "developer"));
    let count = messages.iter().take_while(|m| is_instruction(m)).count();
    let texts: Option<Vec<String>> = messages[..count].iter().map(text_of).collect();
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        messages.splice(..count, [json!({"role": "system", "text": texts.join("\n\n")})]);
    }
}

/// The joined text of a list of parts; `None` if a part has no text.
fn joined_text(content: &Value) -> Option<String> {
    let texts: Option<Vec<&str>> = content.as_array()?.iter().map(|part| part["text"].as_str()).collect();
    texts.map(|texts| texts.join("\n\n"))
}
