//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use crate::chat::{
    JsonSchema, Message, Part, ReasoningEffort, Request, ResponseFormat, Role, TokenCount, Tool, ToolChoice,
    ToolResult,
};
use crate::dialect::attachment;
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::{
    decode_tool_call, decode_tool_without_strict, encode_tool_call, encode_tool_without_strict,
};
use crate::dialect::parsed_message::{
    ParsedMessage, all_texts, decode_content, provider_specific_message, push_message, tool_result_text,
};
use crate::dialect::wire_json::is_plain_text_part;
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// Thinking budgets are a share of this if the request has no output limit.
const DEFAULT_MAX_OUTPUT_TOKENS: TokenCount = TokenCount::new(8192);

/// The provider accepts neither 0 nor 1 for `p`.
const MIN_TOP_P: f64 = 0.01;
const MAX_TOP_P: f64 = 0.99;

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, is_streaming: stream, quirks, provider_options: options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages: Vec<Value> =
        request.system_prompt.iter().map(|text| json!({"role": "system", "content": text})).collect();
    request.messages.iter().for_each(|message| encode_message(message, &mut messages));
    body.insert("messages".to_owned(), Value::Array(messages));
    insert_some(&mut body, "temperature", request.temperature);
    insert_some(&mut body, "p", request.top_p.map(|p| p.clamp(MIN_TOP_P, MAX_TOP_P)));
    insert_some(&mut body, "max_tokens", request.max_output_tokens);
    insert_nonempty_array(&mut body, "stop_sequences", request.stop_sequences.clone());
    insert_some(&mut body, "seed", request.seed);
    let (tools, choice) = select_tools(request);
    insert_nonempty_array(&mut body, "tools", tools.into_iter().map(encode_tool_without_strict).collect());
    insert_some(&mut body, "tool_choice", choice);
    insert_some(&mut body, "response_format", request.response_format.as_ref().map(encode_response_format));
    if let Some(effort) = request.reasoning_effort.filter(|_| quirks.effort != EffortControl::Unsupported) {
        let thinking = match effort {
            ReasoningEffort::None => json!({"type": "disabled"}),
            effort => {
                let output_limit = request.max_output_tokens.unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS);
                json!({"type": "enabled", "token_budget": effort.token_budget(output_limit)})
            }
        };
        body.insert("thinking".to_owned(), thinking);
    }
    body.insert("stream".to_owned(), json!(stream));
    merge_objects(&mut body, options);
    body
}

/// The dialect cannot name a tool, so only that tool is sent and a tool call is required.
fn select_tools(request: &Request) -> (Vec<&Tool>, Option<&'static str>) {
    let all = || request.tools.iter().collect();
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => (all(), None),
        Some(ToolChoice::None) => (all(), Some("NONE")),
        Some(ToolChoice::Required) => (all(), Some("REQUIRED")),
        Some(ToolChoice::Named(name)) => {
            let named = |tool: &&Tool| tool.as_function().is_some_and(|f| f.name == *name);
            (request.tools.iter().filter(named).collect(), Some("REQUIRED"))
        }
    }
}

pub(super) fn decode_request_body(body: &[u8]) -> Result<ServerRequest, String> {
    let mut body = FieldReader::from_body(body)?;
    let model = body.take_string("model").ok_or("missing `model`")?;
    let choice = |word: &Value| match word.as_str()? {
        "REQUIRED" => Some(ToolChoice::Required),
        "NONE" => Some(ToolChoice::None),
        _ => None,
    };
    let mut request = Request {
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("p"),
        max_output_tokens: body.take_token_count("max_tokens"),
        stop_sequences: body.take_strings("stop_sequences"),
        seed: body.take_with("seed", Value::as_i64),
        tools: body.take_array("tools").into_iter().map(decode_tool_without_strict).collect(),
        tool_choice: body.take_with("tool_choice", choice),
        response_format: body.take_with("response_format", decode_response_format),
        reasoning_effort: body
            .take_if_equal("thinking", &json!({"type": "disabled"}))
            .then_some(ReasoningEffort::None),
        ..Request::default()
    };
    for message in body.take_array("messages") {
        decode_message(message, &mut request);
    }
    let stream = body.take_bool("stream").unwrap_or(false);
    Ok(ServerRequest { model, request, is_streaming: stream, provider_options: body.into_remaining() })
}

fn encode_response_format(schema: &ResponseFormat) -> Value {
    match schema {
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema(schema) => json!({"type": "json_object", "json_schema": schema.schema}),
    }
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    read_all_fields(format, |fields| {
        fields.take_if_equal("type", &json!("json_object")).then_some(())?;
        let schema = fields.take_with("json_schema", |s| s.is_object().then(|| s.clone()));
        Some(schema.map_or(ResponseFormat::JsonObject, |schema| {
            let name = JsonSchema::DEFAULT_NAME.to_owned();
            ResponseFormat::JsonSchema(JsonSchema { name, description: None, schema, strict: None })
        }))
    })
}

/// Tool results come first, each in its own message.
fn encode_message(message: &Message, out: &mut Vec<Value>) {
    if let Some(block) = provider_specific_message(message) {
        out.push(block.clone());
        return;
    }
    let (mut content, mut calls, mut plan) = (Vec::new(), Vec::new(), String::new());
    for part in &message.parts {
        match part {
            Part::Text { text } => content.push(json!({"type": "text", "text": text})),
            Part::Image(image) => {
                content.push(json!({"type": "image_url", "image_url": {"url": attachment::to_url(image)}}));
            }
            // The tool plan goes in a separate field.
            Part::Reasoning { text, state: Some(state) } if state["tool_plan"] == true => {
                plan.push_str(text);
            }
            Part::Reasoning { text, .. } => content.push(json!({"type": "thinking", "thinking": text})),
            Part::ToolCall(call) => calls.push(encode_tool_call(&call.id, call)),
            Part::ToolResult(result) => {
                let (id, content) = (&result.call_id, tool_result_text(result));
                out.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            }
            Part::ProviderSpecific { block } => content.push(block.clone()),
            Part::Document(_) => {}
        }
    }
    if message.role == Role::User && content.is_empty() && !message.parts.is_empty() {
        return;
    }
    let mut object = Map::new();
    object.insert("role".to_owned(), json!(crate::dialect::wire_json::role_name(message)));
    let only_calls = content.is_empty() && !calls.is_empty();
    let content = match &mut content[..] {
        [one] if is_plain_text_part(one) => one["text"].take(),
        _ => Value::Array(content),
    };
    insert_some(&mut object, "content", (!only_calls).then_some(content));
    insert_some(&mut object, "tool_plan", (!plan.is_empty()).then_some(plan));
    insert_nonempty_array(&mut object, "tool_calls", calls);
    out.push(Value::Object(object));
}

/// A message with fields that the request types cannot represent is kept verbatim.
fn decode_message(message: Value, request: &mut Request) {
    let is_first = request.messages.is_empty();
    let known = read_all_fields(&message, |fields| match fields.take_string("role")?.as_str() {
        "system" if is_first => {
            Some(ParsedMessage::SystemPrompt(all_texts(&take_content(fields)?)?.join("\n\n")))
        }
        "tool" => {
            let content = all_texts(&take_content(fields)?)?.join("\n\n");
            let call_id = fields.take_string("tool_call_id")?;
            Some(ParsedMessage::ToolResult(ToolResult {
                call_id,
                name: String::new(),
                content,
                is_error: false,
            }))
        }
        "user" => Some(ParsedMessage::Message(Role::User, take_content(fields)?)),
        "assistant" => {
            let plan = fields
                .take_string("tool_plan")
                .map(|text| Part::Reasoning { text, state: Some(json!({"tool_plan": true})) });
            let content = take_content(fields).unwrap_or_default();
            let calls: Option<Vec<Part>> = fields
                .take_array("tool_calls")
                .iter()
                .map(|call| decode_tool_call(call).map(Part::ToolCall))
                .collect();
            Some(ParsedMessage::Message(
                Role::Assistant,
                plan.into_iter().chain(content).chain(calls?).collect(),
            ))
        }
        _ => None,
    });
    push_message(known, message, request);
}

fn take_content(fields: &mut FieldReader) -> Option<Vec<Part>> {
    fields.take_with("content", |content| decode_content(content, decode_part))
}

fn decode_part(part: &Value) -> Option<Part> {
    read_all_fields(part, |fields| match fields.take_string("type")?.as_str() {
        "text" => Some(Part::Text { text: fields.take_string("text")? }),
        "image_url" => {
            let url = fields.take_object("image_url", |image| image.take_string("url"))?;
            Some(Part::Image(attachment::from_url(&url)))
        }
        "thinking" => Some(Part::Reasoning { text: fields.take_string("thinking")?, state: None }),
        _ => None,
    })
}
