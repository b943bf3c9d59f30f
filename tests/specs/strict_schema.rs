//! Makes a vendor's schema strict: an object that lists its properties allows no others.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Builds a strict validator. `lookup` returns the schema for a reference.
pub(super) fn validator(root: &Value, lookup: &dyn Fn(&str) -> Value) -> Validator {
    let mut strict = StrictSchemaBuilder { lookup, definitions: Map::new() };
    let mut schema = strict.make_strict(root, false);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$defs"] = Value::Object(strict.definitions);
    jsonschema::validator_for(&schema).unwrap()
}

pub(super) fn schema_errors(validator: &Validator, body: &Value) -> Vec<String> {
    validator
        .iter_errors(body)
        .map(|error| {
            let shown: String = error.to_string().chars().take(600).collect();
            format!("{}: {shown}", error.instance_path())
        })
        .collect()
}

struct StrictSchemaBuilder<'a> {
    lookup: &'a dyn Fn(&str) -> Value,
    definitions: Map<String, Value>,
}

const COPIED_KEYWORDS: [&str; 14] = [
    "type",
    "enum",
    "const",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "additionalProperties",
];

impl StrictSchemaBuilder<'_> {
    /// `open` means that the schema is part of a composed schema, which restricts the properties itself.
    fn make_strict(&mut self, schema: &Value, open: bool) -> Value {
        let Some(fields) = schema.as_object() else { return schema.clone() };
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            return self.resolve_reference(reference, open);
        }
        let has = |name: &str| fields.contains_key(name);
        let listed = has("properties");
        let composed = has("allOf") || listed && (has("anyOf") || has("oneOf"));
        let mut out = Map::new();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    let properties = properties
                        .iter()
                        .map(|(name, schema)| (name.clone(), self.make_strict(schema, false)));
                    let properties: Map<String, Value> = properties.collect();
                    out.insert("properties".to_owned(), Value::Object(properties));
                }
                ("items" | "additionalProperties", Value::Object(_)) => {
                    out.insert(name.clone(), self.make_strict(value, false));
                }
                // Treats `oneOf` as `anyOf`, because strict alternatives may overlap.
                ("anyOf" | "oneOf", Value::Array(schemas)) => {
                    let schemas = schemas.iter().map(|schema| self.make_strict(schema, open || composed));
                    out.insert("anyOf".to_owned(), schemas.collect());
                }
                ("allOf", Value::Array(schemas)) => {
                    out.insert(
                        name.clone(),
                        schemas.iter().map(|schema| self.make_strict(schema, true)).collect(),
                    );
                }
                (kept, value) if COPIED_KEYWORDS.contains(&kept) => {
                    out.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        if listed && out.get("additionalProperties").is_none_or(Value::is_boolean) {
            out.remove("additionalProperties");
            if !open && !composed {
                out.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        if composed && !open {
            out.insert("unevaluatedProperties".to_owned(), json!(false));
        }
        match fields.get("nullable") {
            Some(Value::Bool(true)) => json!({"anyOf": [out, {"type": "null"}]}),
            _ => Value::Object(out),
        }
    }

    fn resolve_reference(&mut self, reference: &str, open: bool) -> Value {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let key = if open { format!("{name}.open") } else { name.to_owned() };
        if !self.definitions.contains_key(&key) {
            self.definitions.insert(key.clone(), Value::Null);
            let schema = self.make_strict(&(self.lookup)(name), open);
            self.definitions.insert(key.clone(), schema);
        }
        json!({"$ref": format!("#/$defs/{key}")})
    }
}
