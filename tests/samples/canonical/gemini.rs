//! Canonical Gemini requests.

use serde_json::{Map, Value, json};

use super::{CALLER_DEFINED_FIELDS, drop_default, for_each_object, joined_text};

type Fields = Map<String, Value>;

pub(super) fn gemini(body: &mut Fields) {
    *body = match camel_case_keys(Value::Object(std::mem::take(body))) {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    };
    if let Some(text) = body.get("systemInstruction").and_then(|i| joined_text(i.get("parts")?)) {
        body.insert("systemInstruction".to_owned(), json!(text));
    }
    for_each_object(body, "contents", |turn| {
        if !turn.contains_key("role") {
            turn.insert("role".to_owned(), json!("user"));
        }
    });
    for_each_object(body, "tools", |tool| {
        for_each_object(tool, "functionDeclarations", canonicalize_function);
    });
    join_declarations(body);
}

/// Parameters are either JSON Schema or the vendor's older format with upper-case types.
fn canonicalize_function(function: &mut Fields) {
    drop_default(function, "description", &json!(""));
    let older = function.remove("parameters").map(lowercase_types);
    let schema = function.remove("parametersJsonSchema").or(older);
    // A function without parameters may have an empty schema or none.
    let open = |schema: &Value| schema.get("additionalProperties").is_some_and(|more| *more != json!(false));
    let takes =
        |schema: &Value| open(schema) || schema["properties"].as_object().is_none_or(|p| !p.is_empty());
    if let Some(schema) = schema.filter(takes) {
        function.insert("parameters".to_owned(), schema);
    }
}

/// Moves all functions into one tool, before the built-in tools.
fn join_declarations(body: &mut Fields) {
    let Some(tools) = body.get_mut("tools").and_then(Value::as_array_mut) else { return };
    let mut functions = Vec::new();
    for tool in tools.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(Value::Array(more)) = tool.remove("functionDeclarations") {
            functions.extend(more);
        }
    }
    tools.retain(|tool| *tool != json!({}));
    if !functions.is_empty() {
        tools.insert(0, json!({"functionDeclarations": functions}));
    }
}

fn lowercase_types(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(word) if name == "type" => (name, json!(word.to_lowercase())),
                value => (name, lowercase_types(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(lowercase_types).collect(),
        other => other,
    }
}

fn camel_case_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let mut up = false;
                let mut new = String::new();
                for letter in name.chars() {
                    match letter {
                        '_' => up = true,
                        letter if up => {
                            new.extend(letter.to_uppercase());
                            up = false;
                        }
                        letter => new.push(letter),
                    }
                }
                let value = if CALLER_DEFINED_FIELDS.contains(&new.as_str()) {
                    value
                } else {
                    camel_case_keys(value)
                };
                (new, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(camel_case_keys).collect(),
        other => other,
    }
}
