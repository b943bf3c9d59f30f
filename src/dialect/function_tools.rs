//! Functions and their calls in the shape that OpenAI made common, which Cohere and Ollama share.

use serde_json::{Map, Value, json};

use super::field_reader::{FieldReader, insert_some, read_all_fields};
use crate::chat::{FunctionTool, JsonSchema, Tool, ToolCall};

/// A tool as it is offered.
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

/// A tool as it is offered where a function cannot ask that the model be held to its schema.
pub(super) fn encode_tool_without_strict(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            encode_tool(&Tool::Function(FunctionTool { strict: None, ..function.clone() }))
        }
    }
}

/// A tool as it was offered there.
pub(super) fn decode_tool_without_strict(value: Value) -> Tool {
    match decode_tool(value.clone()) {
        Tool::Function(function) if function.strict.is_none() => Tool::Function(function),
        _ => Tool::ProviderSpecific(value),
    }
}

/// A tool as it was offered: a function, or something of one vendor's own.
pub(super) fn decode_tool(value: Value) -> Tool {
    let function = read_all_fields(&value, |tool| {
        (tool.take_string("type")? == "function").then_some(())?;
        tool.take_object("function", decode_function)
    });
    function.map_or(Tool::ProviderSpecific(value), Tool::Function)
}

/// The fields of a function, flat.
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

/// The schema of a function that takes nothing.
pub(super) fn empty_parameters_schema() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Arguments as the JSON text that this shape wants.
pub(super) fn encode_arguments(arguments: &Value) -> String {
    match arguments {
        // Text that is no JSON goes back as it came.
        Value::String(text) => text.clone(),
        parsed => parsed.to_string(),
    }
}

/// Arguments out of JSON text, or as they stand.
pub(super) fn decode_arguments(written: Option<&Value>) -> Value {
    match written {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) if text.trim().is_empty() => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(parsed) => parsed.clone(),
    }
}

/// A call as the model made it.
pub(super) fn encode_tool_call(id: &str, call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": encode_arguments(&call.arguments)});
    json!({"id": id, "type": "function", "function": function})
}

/// A call; `None` where something of it has no place in the contract.
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

/// A schema's fields, flat, under these names.
pub(super) fn decode_json_schema(fields: &mut FieldReader) -> Option<JsonSchema> {
    Some(JsonSchema {
        name: fields.take_string("name").unwrap_or_else(|| JsonSchema::DEFAULT_NAME.to_owned()),
        description: fields.take_string("description"),
        schema: fields.take_with("schema", |s| s.is_object().then(|| s.clone()))?,
        strict: fields.take_bool("strict"),
    })
}

/// A schema's fields, flat.
pub(super) fn encode_json_schema(schema: &JsonSchema) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(schema.name));
    insert_some(&mut object, "description", schema.description.clone());
    object.insert("schema".to_owned(), schema.schema.clone());
    insert_some(&mut object, "strict", schema.strict);
    object
}
