//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use crate::chat::{Effort, JsonSchema, Message, Part, Request, Role, Schema, Tool, ToolChoice, ToolResult};
use crate::dialect::conversation::{Read, only_texts, own_turn, push, read_content, result_words};
use crate::dialect::fields::{Fields, merge, put, put_list, whole};
use crate::dialect::functions::{read_call, read_loose_tool, write_call, write_loose_tool};
use crate::dialect::media;
use crate::dialect::wire::is_text;
use crate::dialect::{Asked, Call, EffortControl};

/// Output that budgets of thought are shares of where the request names no bound, in tokens.
const USUAL_MAX_TOKENS: u64 = 8192;

/// The vendor takes neither nothing nor everything as a share of probability mass.
const LEAST_P: f64 = 0.01;
const MOST_P: f64 = 0.99;

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, stream, quirks, options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages: Vec<Value> =
        request.system.iter().map(|text| json!({"role": "system", "content": text})).collect();
    request.messages.iter().for_each(|message| write_turn(message, &mut messages));
    body.insert("messages".to_owned(), Value::Array(messages));
    put(&mut body, "temperature", request.temperature);
    put(&mut body, "p", request.top_p.map(|p| p.clamp(LEAST_P, MOST_P)));
    put(&mut body, "max_tokens", request.max_tokens);
    put_list(&mut body, "stop_sequences", request.stop.clone());
    put(&mut body, "seed", request.seed);
    let (tools, choice) = offered(request);
    put_list(&mut body, "tools", tools.into_iter().map(write_loose_tool).collect());
    put(&mut body, "tool_choice", choice);
    put(&mut body, "response_format", request.schema.as_ref().map(write_format));
    if let Some(effort) = request.effort.filter(|_| quirks.effort != EffortControl::Unsupported) {
        let thinking = match effort {
            Effort::None => json!({"type": "disabled"}),
            effort => {
                let most = request.max_tokens.unwrap_or(USUAL_MAX_TOKENS);
                json!({"type": "enabled", "token_budget": effort.budget(most)})
            }
        };
        body.insert("thinking".to_owned(), thinking);
    }
    body.insert("stream".to_owned(), json!(stream));
    merge(&mut body, options);
    body
}

/// One tool cannot be named: it alone is offered, and some tool must be called.
fn offered(request: &Request) -> (Vec<&Tool>, Option<&'static str>) {
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

/// A body as it was sent.
pub(super) fn read(body: &[u8]) -> Result<Asked, String> {
    let mut body = Fields::of(body)?;
    let model = body.text("model").ok_or("`model` is missing")?;
    let choice = |word: &Value| match word.as_str()? {
        "REQUIRED" => Some(ToolChoice::Required),
        "NONE" => Some(ToolChoice::None),
        _ => None,
    };
    let mut request = Request {
        temperature: body.number("temperature"),
        top_p: body.number("p"),
        max_tokens: body.count("max_tokens"),
        stop: body.texts("stop_sequences"),
        seed: body.take("seed", Value::as_i64),
        tools: body.list("tools").into_iter().map(read_loose_tool).collect(),
        tool_choice: body.take("tool_choice", choice),
        schema: body.take("response_format", read_format),
        effort: body.is("thinking", &json!({"type": "disabled"})).then_some(Effort::None),
        ..Request::default()
    };
    for message in body.list("messages") {
        read_message(message, &mut request);
    }
    let stream = body.truth("stream").unwrap_or(false);
    Ok(Asked { model, request, stream, options: body.rest() })
}

fn write_format(schema: &Schema) -> Value {
    match schema {
        Schema::AnyJson => json!({"type": "json_object"}),
        Schema::Described(schema) => json!({"type": "json_object", "json_schema": schema.schema}),
    }
}

fn read_format(format: &Value) -> Option<Schema> {
    whole(format, |fields| {
        fields.is("type", &json!("json_object")).then_some(())?;
        let schema = fields.take("json_schema", |s| s.is_object().then(|| s.clone()));
        Some(schema.map_or(Schema::AnyJson, |schema| {
            let name = JsonSchema::NAME.to_owned();
            Schema::Described(JsonSchema { name, description: None, schema, strict: None })
        }))
    })
}

/// Appends a turn: what tools gave back comes first, each in a message of its own.
fn write_turn(message: &Message, out: &mut Vec<Value>) {
    if let Some(turn) = own_turn(message) {
        out.push(turn.clone());
        return;
    }
    let (mut content, mut calls, mut plan) = (Vec::new(), Vec::new(), String::new());
    for part in &message.parts {
        match part {
            Part::Text { text } => content.push(json!({"type": "text", "text": text})),
            Part::Image(image) => {
                content.push(json!({"type": "image_url", "image_url": {"url": media::url(image)}}));
            }
            // What the model says before it calls tools has a field of its own.
            Part::Reasoning { text, state: Some(state) } if state["tool_plan"] == true => {
                plan.push_str(text);
            }
            Part::Reasoning { text, .. } => content.push(json!({"type": "thinking", "thinking": text})),
            Part::ToolCall(call) => calls.push(write_call(&call.id, call)),
            Part::ToolResult(result) => {
                let (id, content) = (&result.call_id, result_words(result));
                out.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            }
            Part::Own { block } => content.push(block.clone()),
            Part::Document(_) => {}
        }
    }
    if message.role == Role::User && content.is_empty() && !message.parts.is_empty() {
        return;
    }
    let mut object = Map::new();
    object.insert("role".to_owned(), json!(crate::dialect::wire::role(message)));
    let only_calls = content.is_empty() && !calls.is_empty();
    let content = match &mut content[..] {
        [one] if is_text(one) => one["text"].take(),
        _ => Value::Array(content),
    };
    put(&mut object, "content", (!only_calls).then_some(content));
    put(&mut object, "tool_plan", (!plan.is_empty()).then_some(plan));
    put_list(&mut object, "tool_calls", calls);
    out.push(Value::Object(object));
}

/// Takes one message into a request. One with something in it that the contract has no place for is kept whole.
fn read_message(message: Value, request: &mut Request) {
    let begins = request.messages.is_empty();
    let known = whole(&message, |fields| match fields.text("role")?.as_str() {
        "system" if begins => Some(Read::System(only_texts(&content(fields)?)?.join("\n\n"))),
        "tool" => {
            let content = only_texts(&content(fields)?)?.join("\n\n");
            let call_id = fields.text("tool_call_id")?;
            Some(Read::Result(ToolResult { call_id, name: String::new(), content, is_error: false }))
        }
        "user" => Some(Read::Turn(Role::User, content(fields)?)),
        "assistant" => {
            let plan = fields
                .text("tool_plan")
                .map(|text| Part::Reasoning { text, state: Some(json!({"tool_plan": true})) });
            let said = content(fields).unwrap_or_default();
            let calls: Option<Vec<Part>> =
                fields.list("tool_calls").iter().map(|call| read_call(call).map(Part::ToolCall)).collect();
            Some(Read::Turn(Role::Assistant, plan.into_iter().chain(said).chain(calls?).collect()))
        }
        _ => None,
    });
    push(known, message, request);
}

fn content(fields: &mut Fields) -> Option<Vec<Part>> {
    fields.take("content", |content| read_content(content, read_part))
}

fn read_part(part: &Value) -> Option<Part> {
    whole(part, |fields| match fields.text("type")?.as_str() {
        "text" => Some(Part::Text { text: fields.text("text")? }),
        "image_url" => {
            let url = fields.all_of("image_url", |image| image.text("url"))?;
            Some(Part::Image(media::from_url(&url)))
        }
        "thinking" => Some(Part::Reasoning { text: fields.text("thinking")?, state: None }),
        _ => None,
    })
}
