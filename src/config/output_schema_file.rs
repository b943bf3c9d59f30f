//! Prepares JSON Schemas for structured output.

use serde_json::{Value, json};

use crate::chat::{JsonSchema, ResponseFormat};
use crate::eval::OutputSchema;

/// Checks a schema and wraps it as a response format. Characters that providers reject in the name are
/// replaced.
pub(crate) fn parse_output_schema(name: &str, schema: Value) -> Result<ResponseFormat, String> {
    OutputSchema::new(&schema)?;
    let name: String = name.chars().map(|c| if is_name_char(c) { c } else { '_' }).take(64).collect();
    let name = if name.is_empty() { JsonSchema::DEFAULT_NAME.to_owned() } else { name };
    let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let strict = can_be_strict(&schema).then_some(true);
    Ok(ResponseFormat::JsonSchema(JsonSchema { name, description, schema, strict }))
}

/// Providers enforce a schema only if every object in it is closed and requires all its properties.
fn can_be_strict(schema: &Value) -> bool {
    let is_closed = schema.get("properties").and_then(Value::as_object).is_none_or(|properties| {
        let required = schema.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        required == properties.len() && schema.get("additionalProperties") == Some(&json!(false))
    });
    let has_open_object =
        schema.get("type").is_some_and(|kind| kind == "object") && schema.get("properties").is_none();
    let are_children_strict = match schema {
        Value::Object(fields) => fields.values().all(can_be_strict),
        Value::Array(items) => items.iter().all(can_be_strict),
        _ => true,
    };
    is_closed && !has_open_object && are_children_strict
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}
