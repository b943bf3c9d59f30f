//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use super::turn::{read_message, write_turn};
use crate::chat::{Effort, Request, Schema, ToolChoice};
use crate::dialect::fields::{Fields, merge, put, put_list};
use crate::dialect::functions::{read_schema, read_tool, write_schema, write_tool};
use crate::dialect::{Asked, Call, EffortControl, MaxTokensField, Quirks, SchemaControl, SystemRole};

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, stream, quirks, options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    if let Some(system) = &request.system {
        let role = match quirks.system_role {
            SystemRole::System => "system",
            SystemRole::Developer => "developer",
        };
        messages.push(json!({"role": role, "content": system}));
    }
    for message in &request.messages {
        write_turn(message, quirks, &mut messages);
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    put(&mut body, "temperature", request.temperature);
    put(&mut body, "top_p", request.top_p);
    let max_tokens = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => "max_tokens",
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
    };
    put(&mut body, max_tokens, request.max_tokens);
    put_list(&mut body, "stop", request.stop.clone());
    put(&mut body, if quirks.random_seed { "random_seed" } else { "seed" }, request.seed);
    // Who takes no word on which tool to call is told "none" by being offered none.
    let offered = !(quirks.no_forced_tools && request.tool_choice == Some(ToolChoice::None));
    if offered {
        put_list(&mut body, "tools", request.tools.iter().map(write_tool).collect());
        put(&mut body, "tool_choice", request.tool_choice.as_ref().map(|c| write_choice(c, quirks)));
    }
    put(&mut body, "parallel_tool_calls", request.parallel_tool_calls);
    put(&mut body, "response_format", request.schema.as_ref().map(|s| write_format(s, quirks)));
    if let Some(effort) = request.effort {
        write_effort(&mut body, effort, quirks);
    }
    if stream {
        body.insert("stream".to_owned(), json!(true));
        if !quirks.no_stream_options {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
    }
    merge(&mut body, options);
    body
}

/// A body as it was sent.
pub(super) fn read(body: &[u8]) -> Result<Asked, String> {
    let mut body = Fields::of(body)?;
    let model = body.text("model").ok_or("`model` is missing")?;
    let mut request = Request {
        temperature: body.number("temperature"),
        top_p: body.number("top_p"),
        max_tokens: body.count("max_completion_tokens").or_else(|| body.count("max_tokens")),
        stop: body.texts("stop"),
        seed: body.take("seed", Value::as_i64).or_else(|| body.take("random_seed", Value::as_i64)),
        tools: body.list("tools").into_iter().map(read_tool).collect(),
        tool_choice: body.take("tool_choice", read_choice),
        parallel_tool_calls: body.truth("parallel_tool_calls"),
        schema: body.take("response_format", read_format),
        effort: body.take("reasoning_effort", |word| word.as_str()?.parse().ok()),
        ..Request::default()
    };
    for message in body.list("messages") {
        read_message(message, &mut request);
    }
    let stream = body.truth("stream").unwrap_or(false);
    body.is("stream_options", &json!({"include_usage": true}));
    Ok(Asked { model, request, stream, options: body.rest() })
}

fn write_choice(choice: &ToolChoice, quirks: &Quirks) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required if quirks.any_tool => json!("any"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn read_choice(choice: &Value) -> Option<ToolChoice> {
    match choice.as_str() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required" | "any") => Some(ToolChoice::Required),
        Some(_) => None,
        None => {
            let name = choice.pointer("/function/name")?.as_str()?.to_owned();
            let named = ToolChoice::Named(name);
            (write_choice(&named, &Quirks::default()) == *choice).then_some(named)
        }
    }
}

/// JSON alone where the provider knows no schemas: the prompt says the rest.
fn write_format(schema: &Schema, quirks: &Quirks) -> Value {
    match schema {
        Schema::Described(schema) if quirks.schema != SchemaControl::JsonObject => {
            json!({"type": "json_schema", "json_schema": write_schema(schema)})
        }
        Schema::Described(_) | Schema::AnyJson => json!({"type": "json_object"}),
    }
}

fn read_format(format: &Value) -> Option<Schema> {
    crate::dialect::fields::whole(format, |format| match format.text("type")?.as_str() {
        "json_object" => Some(Schema::AnyJson),
        "json_schema" => format.all_of("json_schema", read_schema).map(Schema::Described),
        _ => None,
    })
}

fn write_effort(body: &mut Map<String, Value>, effort: Effort, quirks: &Quirks) {
    let on = effort != Effort::None;
    let (name, value) = match quirks.effort {
        EffortControl::Unsupported => return,
        EffortControl::ReasoningObject => ("reasoning", json!({"effort": effort.name()})),
        EffortControl::ThinkingSwitch if on && quirks.effort_levels => {
            ("reasoning_effort", json!(effort.name()))
        }
        EffortControl::ThinkingSwitch => {
            ("thinking", json!({"type": if on { "enabled" } else { "disabled" }}))
        }
        EffortControl::EnableThinking => ("enable_thinking", json!(on)),
        EffortControl::Native | EffortControl::Level | EffortControl::Adaptive | EffortControl::Budget => {
            ("reasoning_effort", json!(effort.name()))
        }
    };
    body.insert(name.to_owned(), value);
}
