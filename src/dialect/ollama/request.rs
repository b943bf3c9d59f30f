//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use crate::chat::{
    Effort, JsonSchema, Media, Message, Part, Request, Role, Schema, Source, ToolCall, ToolChoice, ToolResult,
};
use crate::dialect::conversation::{Read, arguments_object, name_of, push, result_words};
use crate::dialect::fields::{Fields, merge, put, put_list, put_object, whole};
use crate::dialect::functions::{read_arguments, read_loose_tool, write_loose_tool};
use crate::dialect::{Asked, Call, EffortControl};

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, stream, quirks, options } = call;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let mut messages: Vec<Value> =
        request.system.iter().map(|text| json!({"role": "system", "content": text})).collect();
    request.messages.iter().for_each(|message| write_turn(request, message, &mut messages));
    body.insert("messages".to_owned(), Value::Array(messages));
    // There is no word on which tool to call; "none" is said by offering none.
    if request.tool_choice != Some(ToolChoice::None) {
        put_list(&mut body, "tools", request.tools.iter().map(write_loose_tool).collect());
    }
    let format = request.schema.as_ref().map(|schema| match schema {
        Schema::AnyJson => json!("json"),
        Schema::Described(schema) => schema.schema.clone(),
    });
    put(&mut body, "format", format);
    let effort = request.effort.filter(|_| quirks.effort != EffortControl::Unsupported);
    put(&mut body, "think", effort.map(write_effort));
    // The server streams unless it is told not to.
    body.insert("stream".to_owned(), json!(stream));
    let mut settings = Map::new();
    put(&mut settings, "temperature", request.temperature);
    put(&mut settings, "top_p", request.top_p);
    put(&mut settings, "num_predict", request.max_tokens);
    put_list(&mut settings, "stop", request.stop.clone());
    put(&mut settings, "seed", request.seed);
    put_object(&mut body, "options", settings);
    merge(&mut body, options);
    body
}

/// A body as it was sent.
pub(super) fn read(body: &[u8]) -> Result<Asked, String> {
    let mut body = Fields::of(body)?;
    let model = body.text("model").ok_or("`model` is missing")?;
    let mut request = Request {
        tools: body.list("tools").into_iter().map(read_loose_tool).collect(),
        schema: body.take("format", read_format),
        effort: body.take("think", read_effort),
        ..Request::default()
    };
    body.inside("options", |settings| {
        request.temperature = settings.number("temperature");
        request.top_p = settings.number("top_p");
        request.max_tokens = settings.count("num_predict");
        request.stop = settings.texts("stop");
        request.seed = settings.take("seed", Value::as_i64);
    });
    for message in body.list("messages") {
        read_message(message, &mut request);
    }
    let stream = body.truth("stream").unwrap_or(true);
    Ok(Asked { model, request, stream, options: body.rest() })
}

fn read_format(format: &Value) -> Option<Schema> {
    if format == "json" {
        return Some(Schema::AnyJson);
    }
    let (name, schema) = (JsonSchema::NAME.to_owned(), format.is_object().then(|| format.clone())?);
    Some(Schema::Described(JsonSchema { name, description: None, schema, strict: None }))
}

/// The vendor has four levels, and off.
fn write_effort(effort: Effort) -> Value {
    match effort {
        Effort::None => json!(false),
        Effort::Minimal | Effort::Low => json!("low"),
        Effort::Medium => json!("medium"),
        Effort::High => json!("high"),
        Effort::Xhigh | Effort::Max => json!("max"),
    }
}

fn read_effort(think: &Value) -> Option<Effort> {
    [Effort::None, Effort::Low, Effort::Medium, Effort::High, Effort::Max]
        .into_iter()
        .find(|level| write_effort(*level) == *think)
}

/// Appends a turn. Content is one string: several texts are joined by a blank line.
fn write_turn(request: &Request, message: &Message, out: &mut Vec<Value>) {
    let (mut texts, mut thoughts, mut images, mut calls) =
        (Vec::new(), String::new(), Vec::new(), Vec::new());
    let mut others = message.parts.is_empty();
    for part in &message.parts {
        others |= !matches!(part, Part::ToolResult(_) | Part::Own { .. });
        match part {
            Part::Text { text } => texts.push(text.as_str()),
            Part::Image(Media { source: Source::Data(data), .. }) => images.push(data.clone()),
            Part::Reasoning { text, .. } => thoughts.push_str(text),
            Part::ToolCall(call) => {
                let function = json!({"name": call.name, "arguments": arguments_object(&call.arguments)});
                calls.push(match call.id.as_str() {
                    "" => json!({"function": function}),
                    id => json!({"id": id, "function": function}),
                });
            }
            Part::ToolResult(result) => {
                let mut object = json!({"role": "tool", "content": result_words(result)});
                let name = name_of(request, result);
                for (field, value) in [("tool_name", name), ("tool_call_id", &result.call_id)] {
                    if !value.is_empty() {
                        object[field] = json!(value);
                    }
                }
                out.push(object);
            }
            Part::Own { block } => out.push(block.clone()),
            Part::Image(_) | Part::Document(_) => {}
        }
    }
    if !others {
        return;
    }
    let mut object = Map::new();
    object.insert("role".to_owned(), json!(crate::dialect::wire::role(message)));
    object.insert("content".to_owned(), json!(texts.join("\n\n")));
    put(&mut object, "thinking", (!thoughts.is_empty()).then_some(thoughts));
    put_list(&mut object, "images", images);
    put_list(&mut object, "tool_calls", calls);
    out.push(Value::Object(object));
}

/// Takes one message into a request. One with something in it that the contract has no place for is kept whole.
fn read_message(message: Value, request: &mut Request) {
    let begins = request.messages.is_empty();
    let known = whole(&message, |fields| {
        let role = fields.text("role")?;
        let content = fields.text("content").unwrap_or_default();
        Some(match role.as_str() {
            "system" if begins => Read::System(content),
            "tool" => Read::Result(ToolResult {
                call_id: fields.text("tool_call_id").unwrap_or_default(),
                name: fields.text("tool_name").unwrap_or_default(),
                content,
                is_error: false,
            }),
            "user" | "assistant" => {
                let thoughts = fields.text("thinking").map(|text| Part::Reasoning { text, state: None });
                let images = fields.texts("images").into_iter().map(image);
                let calls: Option<Vec<Part>> = fields
                    .list("tool_calls")
                    .iter()
                    .map(|call| read_call(call).map(Part::ToolCall))
                    .collect();
                let said = (!content.is_empty()).then(|| Part::text(content));
                let role = if role == "user" { Role::User } else { Role::Assistant };
                Read::Turn(role, thoughts.into_iter().chain(said).chain(images).chain(calls?).collect())
            }
            _ => return None,
        })
    });
    push(known, message, request);
}

/// The vendor names no type; a picture's first bytes do.
fn image(data: String) -> Part {
    let media_type = match data.get(..4) {
        Some("iVBO") => "image/png",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        _ => "image/jpeg",
    };
    Part::Image(crate::dialect::media::data(media_type.to_owned(), data))
}

fn read_call(call: &Value) -> Option<ToolCall> {
    whole(call, |fields| {
        fields.text("type");
        let id = fields.text("id").unwrap_or_default();
        fields.all_of("function", |function| {
            function.count("index");
            let name = function.text("name")?;
            let arguments = function.take("arguments", |a| Some(read_arguments(Some(a))));
            Some(ToolCall { id, name, arguments: arguments.unwrap_or_else(|| json!({})) })
        })
    })
}
