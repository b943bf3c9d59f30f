//! Functions and tool calls in OpenAI's format, which Cohere and Ollama share.

use serde_json::{Map, Value, json};

use super::field_reader::{FieldReader, insert_some, read_all_fields};
use crate::chat::{FunctionTool, JsonSchema, Tool, ToolCall};

pub(super) fn encode_tool(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            let mut inner = Map::new();
            inner.insert("name".to_owned(), json!(function.name));
            insert_some(&mut inner, "description", function.description.clone());
            inner.insert("parameters".to_owned(), function.parameters.clone());
            insert_some(&mut inner, "strict", function.strict);
            json!({"type": "function", "function": inner})
        }
    }
}

/// For dialects in which a function has no `strict` flag.
pub(super) fn encode_tool_without_strict(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            encode_tool(&Tool::Function(FunctionTool { strict: None, ..function.clone() }))
        }
    }
}

pub(super) fn decode_tool_without_strict(value: Value) -> Tool {
    match decode_tool(value.clone()) {
        Tool::Function(function) if function.strict.is_none() => Tool::Function(function),
        _ => Tool::ProviderSpecific(value),
    }
}

/// Decodes a function. Any other tool is kept as provider-specific.
pub(super) fn decode_tool(value: Value) -> Tool {
    let function = read_all_fields(&value, |tool| {
        (tool.take_string("type")? == "function").then_some(())?;
        tool.take_object("function", decode_function)
    });
    function.map_or(Tool::ProviderSpecific(value), Tool::Function)
}

/// Decodes a function's fields, which are not nested in another object.
pub(super) fn decode_function(fields: &mut FieldReader) -> Option<FunctionTool> {
    Some(FunctionTool {
        name: fields.take_string("name")?,
        description: fields.take_string("description"),
        parameters: fields
            .take_with("parameters", |p| p.is_object().then(|| p.clone()))
            .unwrap_or_else(empty_parameters_schema),
        strict: fields.take_bool("strict"),
    })
}

/// The schema of a function without parameters.
pub(super) fn empty_parameters_schema() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Encodes arguments as JSON text.
pub(super) fn encode_arguments(arguments: &Value) -> String {
    match arguments {
        // Arguments that were not valid JSON are sent back unchanged.
        Value::String(text) => text.clone(),
        parsed => parsed.to_string(),
    }
}

/// Parses arguments from JSON text. Other values are used as they are.
pub(super) fn decode_arguments(written: Option<&Value>) -> Value {
    match written {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) if text.trim().is_empty() => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(parsed) => parsed.clone(),
    }
}

pub(super) fn encode_tool_call(id: &str, call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": encode_arguments(&call.arguments)});
    json!({"id": id, "type": "function", "function": function})
}

/// `None` if the call has fields that [`ToolCall`] cannot represent.
pub(super) fn decode_tool_call(value: &Value) -> Option<ToolCall> {
    read_all_fields(value, |call| {
        let kind = call.take_string("type");
        kind.is_none_or(|kind| kind == "function").then_some(())?;
        call.take_u64("index");
        let id = call.take_string("id").unwrap_or_default();
        call.take_object("function", |function| {
            function.take_u64("index");
            let name = function.take_string("name")?;
            let arguments = function.take_with("arguments", |a| Some(decode_arguments(Some(a))));
            Some(ToolCall { id, name, arguments: arguments.unwrap_or_else(empty_arguments) })
        })
    })
}

fn empty_arguments() -> Value {
    json!({})
}

/// Decodes a schema's fields, which are not nested in another object.
pub(super) fn decode_json_schema(fields: &mut FieldReader) -> Option<JsonSchema> {
    Some(JsonSchema {
        name: fields.take_string("name").unwrap_or_else(|| JsonSchema::DEFAULT_NAME.to_owned()),
        description: fields.take_string("description"),
        schema: fields.take_with("schema", |s| s.is_object().then(|| s.clone()))?,
        strict: fields.take_bool("strict"),
    })
}

/// Encodes a schema's fields without nesting them in another object.
pub(super) fn encode_json_schema(schema: &JsonSchema) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(schema.name));
    insert_some(&mut object, "description", schema.description.clone());
    object.insert("schema".to_owned(), schema.schema.clone());
    insert_some(&mut object, "strict", schema.strict);
    object
}
