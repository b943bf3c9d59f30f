//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use super::items::{push_item, write_items};
use crate::chat::{Effort, Message, Request, Schema, Tool, ToolChoice};
use crate::dialect::fields::{Fields, merge, put, put_list, put_object, whole};
use crate::dialect::functions::{read_function, read_schema, write_schema};
use crate::dialect::{Asked, Call, EffortControl};

/// What must be asked for so that thoughts can be taken up again although nothing is stored.
const ENCRYPTED: &str = "reasoning.encrypted_content";

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, stream, quirks, options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    put(&mut body, "instructions", request.system.clone());
    let mut input = Vec::with_capacity(request.messages.len());
    request.messages.iter().for_each(|message| write_items(message, &mut input));
    body.insert("input".to_owned(), Value::Array(input));
    put(&mut body, "temperature", request.temperature);
    put(&mut body, "top_p", request.top_p);
    put(&mut body, "max_output_tokens", request.max_tokens);
    put_list(&mut body, "tools", request.tools.iter().map(write_tool).collect());
    put(&mut body, "tool_choice", request.tool_choice.as_ref().map(write_choice));
    put(&mut body, "parallel_tool_calls", request.parallel_tool_calls);
    if let Some(schema) = &request.schema {
        body.insert("text".to_owned(), json!({"format": write_format(schema)}));
    }
    let mut reasoning = Map::new();
    let effort = request.effort.filter(|_| quirks.effort != EffortControl::Unsupported);
    put(&mut reasoning, "effort", effort.map(Effort::name));
    put_object(&mut body, "reasoning", reasoning);
    if quirks.reasons {
        body.insert("include".to_owned(), json!([ENCRYPTED]));
    }
    // Nothing is left behind at the provider.
    body.insert("store".to_owned(), json!(false));
    put(&mut body, "stream", stream.then_some(true));
    merge(&mut body, options);
    body
}

/// A body as it was sent.
pub(super) fn read(body: &[u8]) -> Result<Asked, String> {
    let mut body = Fields::of(body)?;
    let model = body.text("model").ok_or("`model` is missing")?;
    let mut request = Request {
        system: body.text("instructions"),
        temperature: body.number("temperature"),
        top_p: body.number("top_p"),
        max_tokens: body.count("max_output_tokens"),
        tools: body.list("tools").into_iter().map(read_tool).collect(),
        tool_choice: body.take("tool_choice", read_choice),
        parallel_tool_calls: body.truth("parallel_tool_calls"),
        ..Request::default()
    };
    match body.text("input") {
        Some(text) => request.messages.push(Message::user(text)),
        None => body.list("input").into_iter().for_each(|item| push_item(item, &mut request)),
    }
    body.inside("text", |text| request.schema = text.take("format", read_format));
    body.inside("reasoning", |reasoning| {
        request.effort = reasoning.take("effort", |word| word.as_str()?.parse().ok());
    });
    body.is("store", &json!(false));
    body.is("include", &json!([ENCRYPTED]));
    let stream = body.truth("stream").unwrap_or(false);
    Ok(Asked { model, request, stream, options: body.rest() })
}

fn write_tool(tool: &Tool) -> Value {
    match tool {
        Tool::Own(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("type".to_owned(), json!("function"));
            object.insert("name".to_owned(), json!(function.name));
            put(&mut object, "description", function.description.clone());
            object.insert("parameters".to_owned(), function.parameters.clone());
            // Unsaid it would mean true here, and false in every other dialect.
            object.insert("strict".to_owned(), json!(function.strict.unwrap_or(false)));
            Value::Object(object)
        }
    }
}

fn read_tool(tool: Value) -> Tool {
    let function = whole(&tool, |fields| {
        fields.is("type", &json!("function")).then_some(())?;
        let function = read_function(fields)?;
        Some(crate::chat::Function { strict: function.strict.filter(|strict| *strict), ..function })
    });
    function.map_or(Tool::Own(tool), Tool::Function)
}

fn write_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

fn read_choice(choice: &Value) -> Option<ToolChoice> {
    let words = [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required];
    words.into_iter().find(|word| write_choice(word) == *choice).or_else(|| {
        whole(choice, |fields| {
            fields.is("type", &json!("function")).then_some(())?;
            fields.text("name").map(ToolChoice::Named)
        })
    })
}

fn write_format(schema: &Schema) -> Value {
    match schema {
        Schema::AnyJson => json!({"type": "json_object"}),
        Schema::Described(schema) => {
            let mut format = write_schema(schema);
            format.insert("type".to_owned(), json!("json_schema"));
            Value::Object(format)
        }
    }
}

fn read_format(format: &Value) -> Option<Schema> {
    whole(format, |fields| match fields.text("type")?.as_str() {
        "json_object" => Some(Schema::AnyJson),
        "json_schema" => read_schema(fields).map(Schema::Described),
        _ => None,
    })
}
