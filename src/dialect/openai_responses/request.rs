//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use super::items::{decode_item, encode_items};
use crate::chat::{Message, ReasoningEffort, Request, ResponseFormat, Tool, ToolChoice};
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::{decode_function, decode_json_schema, encode_json_schema};
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// Must be requested so that a model can continue its reasoning although nothing is stored at the provider.
const INCLUDE_ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, is_streaming: stream, quirks, provider_options: options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    insert_some(&mut body, "instructions", request.system_prompt.clone());
    let mut input = Vec::with_capacity(request.messages.len());
    request.messages.iter().for_each(|message| encode_items(message, &mut input));
    body.insert("input".to_owned(), Value::Array(input));
    insert_some(&mut body, "temperature", request.temperature);
    insert_some(&mut body, "top_p", request.top_p);
    insert_some(&mut body, "max_output_tokens", request.max_output_tokens);
    insert_nonempty_array(&mut body, "tools", request.tools.iter().map(encode_tool).collect());
    insert_some(&mut body, "tool_choice", request.tool_choice.as_ref().map(encode_tool_choice));
    insert_some(&mut body, "parallel_tool_calls", request.parallel_tool_calls);
    if let Some(schema) = &request.response_format {
        body.insert("text".to_owned(), json!({"format": encode_response_format(schema)}));
    }
    let mut reasoning = Map::new();
    let effort = request.reasoning_effort.filter(|_| quirks.effort != EffortControl::Unsupported);
    insert_some(&mut reasoning, "effort", effort.map(ReasoningEffort::as_str));
    insert_nonempty_object(&mut body, "reasoning", reasoning);
    if quirks.reasons {
        body.insert("include".to_owned(), json!([INCLUDE_ENCRYPTED_REASONING]));
    }
    // The provider stores responses by default.
    body.insert("store".to_owned(), json!(false));
    insert_some(&mut body, "stream", stream.then_some(true));
    merge_objects(&mut body, options);
    body
}

pub(super) fn decode_request_body(body: &[u8]) -> Result<ServerRequest, String> {
    let mut body = FieldReader::from_body(body)?;
    let model = body.take_string("model").ok_or("missing `model`")?;
    let mut request = Request {
        system_prompt: body.take_string("instructions"),
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        max_output_tokens: body.take_token_count("max_output_tokens"),
        tools: body.take_array("tools").into_iter().map(decode_tool).collect(),
        tool_choice: body.take_with("tool_choice", decode_tool_choice),
        parallel_tool_calls: body.take_bool("parallel_tool_calls"),
        ..Request::default()
    };
    match body.take_string("input") {
        Some(text) => request.messages.push(Message::from_user(text)),
        None => body.take_array("input").into_iter().for_each(|item| decode_item(item, &mut request)),
    }
    body.read_object("text", |text| {
        request.response_format = text.take_with("format", decode_response_format);
    });
    body.read_object("reasoning", |reasoning| {
        request.reasoning_effort = reasoning.take_with("effort", |word| word.as_str()?.parse().ok());
    });
    body.take_if_equal("store", &json!(false));
    body.take_if_equal("include", &json!([INCLUDE_ENCRYPTED_REASONING]));
    let stream = body.take_bool("stream").unwrap_or(false);
    Ok(ServerRequest { model, request, is_streaming: stream, provider_options: body.into_remaining() })
}

fn encode_tool(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("type".to_owned(), json!("function"));
            object.insert("name".to_owned(), json!(function.name));
            insert_some(&mut object, "description", function.description.clone());
            object.insert("parameters".to_owned(), function.parameters.clone());
            // This dialect's default is true, all others have false.
            object.insert("strict".to_owned(), json!(function.strict.unwrap_or(false)));
            Value::Object(object)
        }
    }
}

fn decode_tool(tool: Value) -> Tool {
    let function = read_all_fields(&tool, |fields| {
        fields.take_if_equal("type", &json!("function")).then_some(())?;
        let function = decode_function(fields)?;
        Some(crate::chat::FunctionTool { strict: function.strict.filter(|strict| *strict), ..function })
    });
    function.map_or(Tool::ProviderSpecific(tool), Tool::Function)
}

fn encode_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

fn decode_tool_choice(choice: &Value) -> Option<ToolChoice> {
    let words = [ToolChoice::Auto, ToolChoice::None, ToolChoice::Required];
    words.into_iter().find(|word| encode_tool_choice(word) == *choice).or_else(|| {
        read_all_fields(choice, |fields| {
            fields.take_if_equal("type", &json!("function")).then_some(())?;
            fields.take_string("name").map(ToolChoice::Named)
        })
    })
}

fn encode_response_format(schema: &ResponseFormat) -> Value {
    match schema {
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema(schema) => {
            let mut format = encode_json_schema(schema);
            format.insert("type".to_owned(), json!("json_schema"));
            Value::Object(format)
        }
    }
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    read_all_fields(format, |fields| match fields.take_string("type")?.as_str() {
        "json_object" => Some(ResponseFormat::JsonObject),
        "json_schema" => decode_json_schema(fields).map(ResponseFormat::JsonSchema),
        _ => None,
    })
}
