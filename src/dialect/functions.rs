//! Functions and their calls in the shape that OpenAI made common, which Cohere and Ollama share.

use serde_json::{Map, Value, json};

use super::fields::{Fields, put, whole};
use crate::chat::{Function, JsonSchema, Tool, ToolCall};

/// A tool as it is offered.
pub(super) fn write_tool(tool: &Tool) -> Value {
    match tool {
        Tool::Own(own) => own.clone(),
        Tool::Function(function) => {
            let mut inner = Map::new();
            inner.insert("name".to_owned(), json!(function.name));
            put(&mut inner, "description", function.description.clone());
            inner.insert("parameters".to_owned(), function.parameters.clone());
            put(&mut inner, "strict", function.strict);
            json!({"type": "function", "function": inner})
        }
    }
}

/// A tool as it is offered where a function cannot ask that the model be held to its schema.
pub(super) fn write_loose_tool(tool: &Tool) -> Value {
    match tool {
        Tool::Own(own) => own.clone(),
        Tool::Function(function) => {
            write_tool(&Tool::Function(Function { strict: None, ..function.clone() }))
        }
    }
}

/// A tool as it was offered there.
pub(super) fn read_loose_tool(value: Value) -> Tool {
    match read_tool(value.clone()) {
        Tool::Function(function) if function.strict.is_none() => Tool::Function(function),
        _ => Tool::Own(value),
    }
}

/// A tool as it was offered: a function, or something of one vendor's own.
pub(super) fn read_tool(value: Value) -> Tool {
    let function = whole(&value, |tool| {
        (tool.text("type")? == "function").then_some(())?;
        tool.all_of("function", read_function)
    });
    function.map_or(Tool::Own(value), Tool::Function)
}

/// The fields of a function, flat.
pub(super) fn read_function(fields: &mut Fields) -> Option<Function> {
    Some(Function {
        name: fields.text("name")?,
        description: fields.text("description"),
        parameters: fields
            .take("parameters", |p| p.is_object().then(|| p.clone()))
            .unwrap_or_else(no_parameters),
        strict: fields.truth("strict"),
    })
}

/// The schema of a function that takes nothing.
pub(super) fn no_parameters() -> Value {
    json!({"type": "object", "properties": {}})
}

/// Arguments as the JSON text that this shape wants.
pub(super) fn arguments_text(arguments: &Value) -> String {
    match arguments {
        // Text that is no JSON goes back as it came.
        Value::String(text) => text.clone(),
        parsed => parsed.to_string(),
    }
}

/// Arguments out of JSON text, or as they stand.
pub(super) fn read_arguments(written: Option<&Value>) -> Value {
    match written {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) if text.trim().is_empty() => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(parsed) => parsed.clone(),
    }
}

/// A call as the model made it.
pub(super) fn write_call(id: &str, call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": arguments_text(&call.arguments)});
    json!({"id": id, "type": "function", "function": function})
}

/// A call; `None` where something of it has no place in the contract.
pub(super) fn read_call(value: &Value) -> Option<ToolCall> {
    whole(value, |call| {
        let kind = call.text("type");
        kind.is_none_or(|kind| kind == "function").then_some(())?;
        call.count("index");
        let id = call.text("id").unwrap_or_default();
        call.all_of("function", |function| {
            function.count("index");
            let name = function.text("name")?;
            let arguments = function.take("arguments", |a| Some(read_arguments(Some(a))));
            Some(ToolCall { id, name, arguments: arguments.unwrap_or_else(no_arguments) })
        })
    })
}

fn no_arguments() -> Value {
    json!({})
}

/// A schema's fields, flat, under these names.
pub(super) fn read_schema(fields: &mut Fields) -> Option<JsonSchema> {
    Some(JsonSchema {
        name: fields.text("name").unwrap_or_else(|| JsonSchema::NAME.to_owned()),
        description: fields.text("description"),
        schema: fields.take("schema", |s| s.is_object().then(|| s.clone()))?,
        strict: fields.truth("strict"),
    })
}

/// A schema's fields, flat.
pub(super) fn write_schema(schema: &JsonSchema) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(schema.name));
    put(&mut object, "description", schema.description.clone());
    object.insert("schema".to_owned(), schema.schema.clone());
    put(&mut object, "strict", schema.strict);
    object
}
