//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use crate::chat::{
    Attachment, AttachmentSource, JsonSchema, Message, Part, ReasoningEffort, Request, ResponseFormat, Role,
    ToolCall, ToolChoice, ToolResult,
};
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::{
    decode_arguments, decode_tool_without_strict, encode_tool_without_strict,
};
use crate::dialect::parsed_message::{
    ParsedMessage, arguments_as_object, push_message, tool_result_name, tool_result_text,
};
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, is_streaming: stream, quirks, provider_options: options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages: Vec<Value> =
        request.system_prompt.iter().map(|text| json!({"role": "system", "content": text})).collect();
    request.messages.iter().for_each(|message| encode_message(request, message, &mut messages));
    body.insert("messages".to_owned(), Value::Array(messages));
    // The dialect has no tool choice, so `none` omits the tools.
    if request.tool_choice != Some(ToolChoice::None) {
        insert_nonempty_array(
            &mut body,
            "tools",
            request.tools.iter().map(encode_tool_without_strict).collect(),
        );
    }
    let format = request.response_format.as_ref().map(|schema| match schema {
        ResponseFormat::JsonObject => json!("json"),
        ResponseFormat::JsonSchema(schema) => schema.schema.clone(),
    });
    insert_some(&mut body, "format", format);
    let effort = request.reasoning_effort.filter(|_| quirks.effort != EffortControl::Unsupported);
    insert_some(&mut body, "think", effort.map(encode_think));
    // The server streams by default.
    body.insert("stream".to_owned(), json!(stream));
    let mut settings = Map::new();
    insert_some(&mut settings, "temperature", request.temperature);
    insert_some(&mut settings, "top_p", request.top_p);
    insert_some(&mut settings, "num_predict", request.max_output_tokens);
    insert_nonempty_array(&mut settings, "stop", request.stop_sequences.clone());
    insert_some(&mut settings, "seed", request.seed);
    insert_nonempty_object(&mut body, "options", settings);
    merge_objects(&mut body, options);
    body
}

pub(super) fn decode_request_body(body: &[u8]) -> Result<ServerRequest, String> {
    let mut body = FieldReader::from_body(body)?;
    let model = body.take_string("model").ok_or("missing `model`")?;
    let mut request = Request {
        tools: body.take_array("tools").into_iter().map(decode_tool_without_strict).collect(),
        response_format: body.take_with("format", decode_response_format),
        reasoning_effort: body.take_with("think", decode_think),
        ..Request::default()
    };
    body.read_object("options", |settings| {
        request.temperature = settings.take_f64("temperature");
        request.top_p = settings.take_f64("top_p");
        request.max_output_tokens = settings.take_token_count("num_predict");
        request.stop_sequences = settings.take_strings("stop");
        request.seed = settings.take_with("seed", Value::as_i64);
    });
    for message in body.take_array("messages") {
        decode_message(message, &mut request);
    }
    let stream = body.take_bool("stream").unwrap_or(true);
    Ok(ServerRequest { model, request, is_streaming: stream, provider_options: body.into_remaining() })
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    if format == "json" {
        return Some(ResponseFormat::JsonObject);
    }
    let (name, schema) = (JsonSchema::DEFAULT_NAME.to_owned(), format.is_object().then(|| format.clone())?);
    Some(ResponseFormat::JsonSchema(JsonSchema { name, description: None, schema, strict: None }))
}

/// The provider has four levels and off.
fn encode_think(effort: ReasoningEffort) -> Value {
    match effort {
        ReasoningEffort::None => json!(false),
        ReasoningEffort::Minimal | ReasoningEffort::Low => json!("low"),
        ReasoningEffort::Medium => json!("medium"),
        ReasoningEffort::High => json!("high"),
        ReasoningEffort::Xhigh | ReasoningEffort::Max => json!("max"),
    }
}

fn decode_think(think: &Value) -> Option<ReasoningEffort> {
    [
        ReasoningEffort::None,
        ReasoningEffort::Low,
        ReasoningEffort::Medium,
        ReasoningEffort::High,
        ReasoningEffort::Max,
    ]
    .into_iter()
    .find(|level| encode_think(*level) == *think)
}

/// Content is one string, so several texts are joined by a blank line.
fn encode_message(request: &Request, message: &Message, out: &mut Vec<Value>) {
    let (mut texts, mut reasoning, mut images, mut calls) =
        (Vec::new(), String::new(), Vec::new(), Vec::new());
    let mut others = message.parts.is_empty();
    for part in &message.parts {
        others |= !matches!(part, Part::ToolResult(_) | Part::ProviderSpecific { .. });
        match part {
            Part::Text { text } => texts.push(text.as_str()),
            Part::Image(Attachment { source: AttachmentSource::Base64(data), .. }) => {
                images.push(data.clone());
            }
            Part::Reasoning { text, .. } => reasoning.push_str(text),
            Part::ToolCall(call) => {
                let function = json!({"name": call.name, "arguments": arguments_as_object(&call.arguments)});
                calls.push(match call.id.as_str() {
                    "" => json!({"function": function}),
                    id => json!({"id": id, "function": function}),
                });
            }
            Part::ToolResult(result) => {
                let mut object = json!({"role": "tool", "content": tool_result_text(result)});
                let name = tool_result_name(request, result);
                for (field, value) in [("tool_name", name), ("tool_call_id", &result.call_id)] {
                    if !value.is_empty() {
                        object[field] = json!(value);
                    }
                }
                out.push(object);
            }
            Part::ProviderSpecific { block } => out.push(block.clone()),
            Part::Image(_) | Part::Document(_) => {}
        }
    }
    if !others {
        return;
    }
    let mut object = Map::new();
    object.insert("role".to_owned(), json!(crate::dialect::wire_json::role_name(message)));
    object.insert("content".to_owned(), json!(texts.join("\n\n")));
    insert_some(&mut object, "thinking", (!reasoning.is_empty()).then_some(reasoning));
    insert_nonempty_array(&mut object, "images", images);
    insert_nonempty_array(&mut object, "tool_calls", calls);
    out.push(Value::Object(object));
}

/// A message with fields that the request types cannot represent is kept verbatim.
fn decode_message(message: Value, request: &mut Request) {
    let is_first = request.messages.is_empty();
    let known = read_all_fields(&message, |fields| {
        let role = fields.take_string("role")?;
        let content = fields.take_string("content").unwrap_or_default();
        Some(match role.as_str() {
            "system" if is_first => ParsedMessage::SystemPrompt(content),
            "tool" => ParsedMessage::ToolResult(ToolResult {
                call_id: fields.take_string("tool_call_id").unwrap_or_default(),
                name: fields.take_string("tool_name").unwrap_or_default(),
                content,
                is_error: false,
            }),
            "user" | "assistant" => {
                let reasoning =
                    fields.take_string("thinking").map(|text| Part::Reasoning { text, state: None });
                let images = fields.take_strings("images").into_iter().map(decode_image);
                let calls: Option<Vec<Part>> = fields
                    .take_array("tool_calls")
                    .iter()
                    .map(|call| decode_tool_call(call).map(Part::ToolCall))
                    .collect();
                let text = (!content.is_empty()).then(|| Part::from_text(content));
                let role = if role == "user" { Role::User } else { Role::Assistant };
                ParsedMessage::Message(
                    role,
                    reasoning.into_iter().chain(text).chain(images).chain(calls?).collect(),
                )
            }
            _ => return None,
        })
    });
    push_message(known, message, request);
}

/// The provider sends no media type, so it is detected from the image's first bytes.
fn decode_image(data: String) -> Part {
    let media_type = match data.get(..4) {
        Some("iVBO") => "image/png",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        _ => "image/jpeg",
    };
    Part::Image(crate::dialect::attachment::from_base64(media_type.to_owned(), data))
}

fn decode_tool_call(call: &Value) -> Option<ToolCall> {
    read_all_fields(call, |fields| {
        fields.take_string("type");
        let id = fields.take_string("id").unwrap_or_default();
        fields.take_object("function", |function| {
            function.take_u64("index");
            let name = function.take_string("name")?;
            let arguments = function.take_with("arguments", |a| Some(decode_arguments(Some(a))));
            Some(ToolCall { id, name, arguments: arguments.unwrap_or_else(|| json!({})) })
        })
    })
}
