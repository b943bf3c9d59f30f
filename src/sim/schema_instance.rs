//! Generates a value for a JSON Schema, used for structured output and tool arguments. It is the simplest
//! value that fits; it may violate schemas with conditions beyond types, enums, and bounds.

use serde_json::{Map, Value, json};

/// Ends the recursion for schemas that refer to themselves.
const MAX_DEPTH: usize = 64;

/// Returns a value for the schema, with `filler` in free-text fields.
pub(super) fn generate_instance(schema: &Value, filler: &str) -> Value {
    generate_value(schema, schema, filler, 0)
}

/// Deeper than this, only required fields are filled in.
const OPTIONAL_FIELDS_DEPTH: usize = 3;

fn generate_value(schema: &Value, root: &Value, filler: &str, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let deeper = |inner: &Value| generate_value(inner, root, filler, depth + 1);
    for fixed in ["const", "default"] {
        if let Some(value) = schema.get(fixed) {
            return value.clone();
        }
    }
    let first = |name: &str| schema.get(name).and_then(Value::as_array).and_then(|list| list.first());
    if let Some(value) = first("enum") {
        return value.clone();
    }
    if let Some(inner) = first("anyOf").or(first("oneOf")).or(first("allOf")) {
        return deeper(inner);
    }
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
    if let Some(inner) = reference.and_then(|to| root.pointer(to)) {
        return deeper(inner);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    match kind {
        Some("object") => generate_object(schema, depth < OPTIONAL_FIELDS_DEPTH, &deeper),
        None if schema.get("properties").is_some() => {
            generate_object(schema, depth < OPTIONAL_FIELDS_DEPTH, &deeper)
        }
        Some("array") => {
            let default_length = u64::from(depth < OPTIONAL_FIELDS_DEPTH);
            let item = || schema.get("items").map_or(Value::Null, deeper);
            let items = usize::try_from(bound("minItems").unwrap_or(default_length)).unwrap_or(1).min(100);
            if items == 0 { json!([]) } else { Value::Array(vec![item(); items]) }
        }
        Some("integer" | "number") => {
            schema.get("minimum").or(schema.get("maximum")).cloned().unwrap_or_else(|| json!(1))
        }
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => {
            let min_length = usize::try_from(bound("minLength").unwrap_or(0)).unwrap_or(0).min(10_000);
            let max_length =
                bound("maxLength").map_or(usize::MAX, |bound| usize::try_from(bound).unwrap_or(usize::MAX));
            let text: String = filler
                .chars()
                .chain(std::iter::repeat('.'))
                .take(min_length.max(filler.chars().count()).min(max_length))
                .collect();
            json!(text)
        }
    }
}

fn generate_object(schema: &Value, include_optional: bool, deeper: &dyn Fn(&Value) -> Value) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let needed = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let fields: Map<String, Value> = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| include_optional || needed(name))
        .map(|(name, inner)| (name.clone(), deeper(inner)))
        .collect();
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_match_schema() {
        let schemas = [
            json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}, "minItems": 2}}, "required": ["city", "days"], "additionalProperties": false}),
            json!({"type": ["string", "null"], "maxLength": 3}),
            json!({"enum": ["low", "high"]}),
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "number", "minimum": 7}}}),
            json!({"type": "string", "minLength": 40}),
        ];
        for schema in schemas {
            let value = generate_instance(&schema, "words");
            assert!(jsonschema::is_valid(&schema, &value), "{schema} {value}");
        }
        let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
            "n": {"type": "number"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["n"]}}});
        assert!(jsonschema::is_valid(&tree, &generate_instance(&tree, "words")));
        let mut deep = json!({"type": "object", "properties": {}});
        for _ in 0..20 {
            deep = json!({"type": "object", "properties": {"a": deep}, "required": ["a"]});
        }
        assert!(jsonschema::is_valid(&deep, &generate_instance(&deep, "words")));
        let endless = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(generate_instance(&endless, "x").is_object());
    }
}
