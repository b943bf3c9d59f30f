//! Adapts JSON Schemas to Claude, which requires closed objects and rejects bounds on numbers, strings, and
//! arrays. Removed keywords are moved to the description; the response is still validated against the
//! original schema.

use serde_json::{Map, Value, json};

/// Keywords that Claude rejects.
const UNSUPPORTED_KEYWORDS: [&str; 14] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "default",
];

/// Closes all objects and removes unsupported keywords.
pub(super) fn to_claude_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => to_claude_object(fields),
        Value::Array(items) => items.iter().map(to_claude_schema).collect(),
        other => other.clone(),
    }
}

fn to_claude_object(fields: &Map<String, Value>) -> Value {
    let (mut out, mut removed) = (Map::new(), Vec::new());
    for (name, value) in fields {
        match name.as_str() {
            keyword if UNSUPPORTED_KEYWORDS.contains(&keyword) => removed.push(format!("{name}: {value}")),
            // The keys below these keywords are user-defined names, not schema keywords.
            "properties" | "$defs" | "definitions" => {
                let inner = value.as_object().into_iter().flatten();
                let closed: Map<String, Value> =
                    inner.map(|(name, s)| (name.clone(), to_claude_schema(s))).collect();
                out.insert(name.clone(), Value::Object(closed));
            }
            "enum" | "const" | "required" => drop(out.insert(name.clone(), value.clone())),
            _ => drop(out.insert(name.clone(), to_claude_schema(value))),
        }
    }
    let is_object = out.get("type").is_some_and(|kind| kind == "object") || out.contains_key("properties");
    if is_object {
        out.insert("additionalProperties".to_owned(), json!(false));
    }
    if !removed.is_empty() {
        let description = out.get("description").and_then(Value::as_str).map(|text| format!("{text} "));
        let note = format!("{}({})", description.unwrap_or_default(), removed.join(", "));
        out.insert("description".to_owned(), json!(note));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_bounds_move_to_description() {
        let open = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 0, "description": "How many"},
            "minimum": {"type": "array", "items": {"type": "object", "properties": {"a": {"enum": [1]}}}}}});
        let expected = json!({"type": "object", "properties": {
            "n": {"type": "integer", "description": "How many (minimum: 0)"},
            "minimum": {"type": "array", "items": {"type": "object", "properties": {"a": {"enum": [1]}},
                "additionalProperties": false}}},
            "additionalProperties": false});
        assert_eq!(to_claude_schema(&open), expected);
        assert_eq!(to_claude_schema(&expected), expected);
    }
}
