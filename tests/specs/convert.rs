//! Converts Google's discovery document and the AWS service model to JSON Schema.

use serde_json::{Map, Value, json};

/// In a discovery document, 64-bit integers may be strings, and `any` allows any value.
pub(super) fn from_discovery(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut out: Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), from_discovery(value))).collect();
            if fields.get("type") == Some(&json!("any")) {
                out.remove("type");
            }
            if fields.get("format") == Some(&json!("int64")) {
                out.insert("type".to_owned(), json!(["string", "integer"]));
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(from_discovery).collect(),
        other => other.clone(),
    }
}

/// Converts a shape without the members that are not part of the body.
pub(super) fn from_aws_shape(shape: &Value) -> Value {
    let reference = |member: &Value| json!({"$ref": member["shape"]});
    let mut out = json!({});
    match shape["type"].as_str().unwrap_or_default() {
        "structure" if shape["document"] == true => {}
        "structure" => {
            let members = shape["members"].as_object().cloned().unwrap_or_default();
            let in_body = members.iter().filter(|(_, member)| member["location"].is_null());
            let properties: Map<String, Value> =
                in_body.map(|(name, member)| (name.clone(), reference(member))).collect();
            let required = shape["required"].as_array().cloned().unwrap_or_default();
            let required: Vec<Value> =
                required.into_iter().filter(|name| properties.contains_key(name.as_str().unwrap())).collect();
            out = json!({"type": "object", "properties": properties, "required": required});
            if shape["union"] == true {
                (out["minProperties"], out["maxProperties"]) = (json!(1), json!(1));
            }
        }
        "list" => {
            out = json!({"type": "array", "items": reference(&shape["member"])});
            copy_bounds(shape, &mut out, ["minItems", "maxItems"]);
        }
        "map" => out = json!({"type": "object", "additionalProperties": reference(&shape["value"])}),
        "string" => {
            out = json!({"type": "string"});
            copy_bounds(shape, &mut out, ["minLength", "maxLength"]);
            if !shape["enum"].is_null() {
                out["enum"] = shape["enum"].clone();
            }
            if let Some(pattern) = shape["pattern"].as_str() {
                // In a service model, a pattern applies to the whole string.
                out["pattern"] = json!(format!("^(?:{pattern})$"));
            }
        }
        "blob" => out = json!({"type": "string"}),
        "boolean" => out = json!({"type": "boolean"}),
        kind @ ("integer" | "long" | "float" | "double") => {
            out = json!({"type": if matches!(kind, "integer" | "long") { "integer" } else { "number" }});
            copy_bounds(shape, &mut out, ["minimum", "maximum"]);
        }
        other => panic!("unsupported shape type {other}"),
    }
    out
}

fn copy_bounds(shape: &Value, out: &mut Value, names: [&str; 2]) {
    for (bound, name) in ["min", "max"].iter().zip(names) {
        if let Some(number) = shape.get(bound) {
            out[name] = number.clone();
        }
    }
}

#[test]
fn discovery_types_become_json_schema() {
    let tide = json!({"type": "object", "properties": {
        "height": {"type": "string", "format": "int64"},
        "notes": {"type": "array", "items": {"type": "any", "description": "free text or numbers"}},
    }});
    let converted = json!({"type": "object", "properties": {
        "height": {"type": ["string", "integer"], "format": "int64"},
        "notes": {"type": "array", "items": {"description": "free text or numbers"}},
    }});
    assert_eq!(from_discovery(&tide), converted);
}

#[test]
fn aws_shapes_become_json_schema() {
    let structure = json!({"type": "structure", "required": ["harbor", "host"], "members": {
        "harbor": {"shape": "Harbor"}, "host": {"shape": "Host", "location": "header"},
    }});
    let union = json!({"type": "structure", "union": true, "members": {"high": {"shape": "Tide"}}});
    let cases = [
        (
            structure,
            json!({"type": "object", "properties": {"harbor": {"$ref": "Harbor"}}, "required": ["harbor"]}),
        ),
        (
            union,
            json!({"type": "object", "properties": {"high": {"$ref": "Tide"}}, "required": [],
                "minProperties": 1, "maxProperties": 1}),
        ),
        (json!({"type": "structure", "document": true, "members": {}}), json!({})),
        (
            json!({"type": "list", "member": {"shape": "Tide"}, "min": 1}),
            json!({"type": "array", "items": {"$ref": "Tide"}, "minItems": 1}),
        ),
        (
            json!({"type": "map", "key": {"shape": "Day"}, "value": {"shape": "Tide"}}),
            json!({"type": "object", "additionalProperties": {"$ref": "Tide"}}),
        ),
        (
            json!({"type": "string", "pattern": "[a-z]+", "max": 9}),
            json!({"type": "string", "maxLength": 9, "pattern": "^(?:[a-z]+)$"}),
        ),
        (json!({"type": "long", "min": 0}), json!({"type": "integer", "minimum": 0})),
        (json!({"type": "float", "max": 1}), json!({"type": "number", "maximum": 1})),
    ];
    for (shape, schema) in cases {
        assert_eq!(from_aws_shape(&shape), schema);
    }
}
