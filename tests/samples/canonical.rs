//! What a request means, whichever of a vendor's spellings it is written in: two bodies of the same meaning are equal
//! once both went through here. Only this is taken for the same, and nothing else:
//!
//! - a null, an empty list, settings without any, and a default that is said outright, and its absence;
//! - a text, and a list of one part of text; instructions, and leading messages of the role `system` or `developer`;
//! - arguments as JSON text, and parsed;
//! - a field by its old and its new name (`max_tokens`, `random_seed`, `any`; snake and camel case with Gemini);
//! - turns of one speaker in a row, where the vendor says that it joins them, and tool results before words;
//! - the marks of an answer on an item that is sent back (`id`, `status`).

use serde_json::{Map, Value, json};
use slalom::dialect::Dialect;

mod gemini;
mod openai;
mod other_dialects;

/// The body as every body of the same meaning has it.
pub(super) fn canonicalize(dialect: Dialect, body: &Value) -> Value {
    let mut body = drop_empty_fields(body.clone());
    let Some(fields) = body.as_object_mut() else { return body };
    drop_default(fields, "stream", &json!(false));
    match dialect {
        Dialect::OpenaiChat => openai::chat(fields),
        Dialect::OpenaiResponses => openai::responses(fields),
        Dialect::Anthropic => other_dialects::anthropic(fields),
        Dialect::Bedrock => other_dialects::bedrock(fields),
        Dialect::Gemini => gemini::gemini(fields),
        Dialect::Cohere => other_dialects::cohere(fields),
        Dialect::Ollama => other_dialects::ollama(fields),
    }
    body
}

/// The first place where two values differ.
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

/// Fields whose values are the caller's own: there a null and an empty list may say something.
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

/// Objects that only hold settings: one without any says nothing.
const SETTINGS_OBJECTS: [&str; 3] = ["generationConfig", "inferenceConfig", "options"];

/// Without what says nothing.
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
                let own = CALLER_DEFINED_FIELDS.contains(&name.as_str()) || is_call && name == "input";
                (name, if own { value } else { drop_empty_fields(value) })
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

/// The objects of a list field.
fn for_each_object(fields: &mut Map<String, Value>, name: &str, change: impl FnMut(&mut Map<String, Value>)) {
    let items = fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
    items.filter_map(Value::as_object_mut).for_each(change);
}

/// A text as a list of one part; words that are none are no part.
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

/// JSON text as what it says.
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

/// The words of the messages that stand first and instruct, as one message.
fn merge_instructions(messages: &mut Vec<Value>, text_of: impl Fn(&Value) -> Option<String>) {
    let instructs = |message: &Value| matches!(message["role"].as_str(), Some("system" | "developer"));
    let count = messages.iter().take_while(|m| instructs(m)).count();
    let texts: Option<Vec<String>> = messages[..count].iter().map(text_of).collect();
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        messages.splice(..count, [json!({"role": "system", "text": texts.join("\n\n")})]);
    }
}

/// The text of a list of parts that holds nothing else.
fn joined_text(content: &Value) -> Option<String> {
    let texts: Option<Vec<&str>> = content.as_array()?.iter().map(|part| part["text"].as_str()).collect();
    texts.map(|texts| texts.join("\n\n"))
}
