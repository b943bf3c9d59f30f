//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use super::messages::{decode_message, encode_message};
use crate::chat::{ReasoningEffort, Request, ResponseFormat, ToolChoice};
use crate::dialect::field_reader::{FieldReader, insert_nonempty_array, insert_some, merge_objects};
use crate::dialect::function_tools::{decode_json_schema, decode_tool, encode_json_schema, encode_tool};
use crate::dialect::{
    ClientRequest, EffortControl, MaxTokensField, Quirks, ResponseFormatControl, ServerRequest, SystemRole,
};

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, is_streaming: stream, quirks, provider_options: options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = &request.system_prompt {
        let role = match quirks.system_role {
            SystemRole::System => "system",
            SystemRole::Developer => "developer",
        };
        messages.push(json!({"role": role, "content": system}));
    }
    for message in &request.messages {
        encode_message(message, quirks, &mut messages);
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    insert_some(&mut body, "temperature", request.temperature);
    insert_some(&mut body, "top_p", request.top_p);
    let max_tokens = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => "max_tokens",
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
    };
    insert_some(&mut body, max_tokens, request.max_output_tokens);
    insert_nonempty_array(&mut body, "stop", request.stop_sequences.clone());
    insert_some(&mut body, if quirks.random_seed { "random_seed" } else { "seed" }, request.seed);
    // If the provider has no tool choice, `none` omits the tools.
    let send_tools = !(quirks.no_forced_tools && request.tool_choice == Some(ToolChoice::None));
    if send_tools {
        insert_nonempty_array(&mut body, "tools", request.tools.iter().map(encode_tool).collect());
        insert_some(
            &mut body,
            "tool_choice",
            request.tool_choice.as_ref().map(|c| encode_tool_choice(c, quirks)),
        );
    }
    insert_some(&mut body, "parallel_tool_calls", request.parallel_tool_calls);
    insert_some(
        &mut body,
        "response_format",
        request.response_format.as_ref().map(|s| encode_response_format(s, quirks)),
    );
    if let Some(effort) = request.reasoning_effort {
        encode_reasoning_effort(&mut body, effort, quirks);
    }
    if stream {
        body.insert("stream".to_owned(), json!(true));
        if !quirks.no_stream_options {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
    }
    merge_objects(&mut body, options);
    body
}

pub(super) fn decode_request_body(body: &[u8]) -> Result<ServerRequest, String> {
    let mut body = FieldReader::from_body(body)?;
    let model = body.take_string("model").ok_or("missing `model`")?;
    let mut request = Request {
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        max_output_tokens: body
            .take_token_count("max_completion_tokens")
            .or_else(|| body.take_token_count("max_tokens")),
        stop_sequences: body.take_strings("stop"),
        seed: body.take_with("seed", Value::as_i64).or_else(|| body.take_with("random_seed", Value::as_i64)),
        tools: body.take_array("tools").into_iter().map(decode_tool).collect(),
        tool_choice: body.take_with("tool_choice", decode_tool_choice),
        parallel_tool_calls: body.take_bool("parallel_tool_calls"),
        response_format: body.take_with("response_format", decode_response_format),
        reasoning_effort: body.take_with("reasoning_effort", |word| word.as_str()?.parse().ok()),
        ..Request::default()
    };
    for message in body.take_array("messages") {
        decode_message(message, &mut request);
    }
    let stream = body.take_bool("stream").unwrap_or(false);
    body.take_if_equal("stream_options", &json!({"include_usage": true}));
    Ok(ServerRequest { model, request, is_streaming: stream, provider_options: body.into_remaining() })
}

fn encode_tool_choice(choice: &ToolChoice, quirks: &Quirks) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required if quirks.any_tool => json!("any"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn decode_tool_choice(choice: &Value) -> Option<ToolChoice> {
    match choice.as_str() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required" | "any") => Some(ToolChoice::Required),
        Some(_) => None,
        None => {
            let name = choice.pointer("/function/name")?.as_str()?.to_owned();
            let named = ToolChoice::Named(name);
            (encode_tool_choice(&named, &Quirks::default()) == *choice).then_some(named)
        }
    }
}

/// Plain JSON mode if the provider does not support schemas; the prompt then contains the schema.
fn encode_response_format(schema: &ResponseFormat, quirks: &Quirks) -> Value {
    match schema {
        ResponseFormat::JsonSchema(schema) if quirks.schema != ResponseFormatControl::JsonObject => {
            json!({"type": "json_schema", "json_schema": encode_json_schema(schema)})
        }
        ResponseFormat::JsonSchema(_) | ResponseFormat::JsonObject => json!({"type": "json_object"}),
    }
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    crate::dialect::field_reader::read_all_fields(format, |format| {
        match format.take_string("type")?.as_str() {
            "json_object" => Some(ResponseFormat::JsonObject),
            "json_schema" => {
                format.take_object("json_schema", decode_json_schema).map(ResponseFormat::JsonSchema)
            }
            _ => None,
        }
    })
}

fn encode_reasoning_effort(body: &mut Map<String, Value>, effort: ReasoningEffort, quirks: &Quirks) {
    let on = effort != ReasoningEffort::None;
    let (name, value) = match quirks.effort {
        EffortControl::Unsupported => return,
        EffortControl::ReasoningObject => ("reasoning", json!({"effort": effort.as_str()})),
        EffortControl::ThinkingSwitch if on && quirks.effort_levels => {
            ("reasoning_effort", json!(effort.as_str()))
        }
        EffortControl::ThinkingSwitch => {
            ("thinking", json!({"type": if on { "enabled" } else { "disabled" }}))
        }
        EffortControl::EnableThinking => ("enable_thinking", json!(on)),
        EffortControl::Native | EffortControl::Level | EffortControl::Adaptive | EffortControl::Budget => {
            ("reasoning_effort", json!(effort.as_str()))
        }
    };
    body.insert(name.to_owned(), value);
}
