//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use super::FALLBACK_MAX_TOKENS;
use super::turn::{read_turn, write_turn};
use crate::chat::{CacheLifetime, Effort, Function, JsonSchema, Request, Schema, Tool, ToolChoice};
use crate::dialect::closed_schema::closed;
use crate::dialect::fields::{Fields, merge, put, put_list, put_object, whole};
use crate::dialect::functions::no_parameters;
use crate::dialect::{Asked, Call, EffortControl};

/// The least that the vendor takes as a budget of thought.
const LEAST_BUDGET: u64 = 1024;

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, stream, quirks, options } = call;
    let max_tokens = request.max_tokens.or(quirks.default_max_tokens).unwrap_or(FALLBACK_MAX_TOKENS);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    put(&mut body, "system", request.system.clone());
    let turns: Vec<Value> = request.messages.iter().map(write_turn).collect();
    body.insert("messages".to_owned(), Value::Array(turns));
    put(&mut body, "temperature", request.temperature);
    put(&mut body, "top_p", request.top_p);
    put_list(&mut body, "stop_sequences", request.stop.clone());
    put_list(&mut body, "tools", request.tools.iter().map(write_tool).collect());
    put(&mut body, "tool_choice", write_choice(request));
    let mut output = Map::new();
    if let Some(effort) = request.effort {
        write_effort(effort, quirks.effort, max_tokens, &mut body, &mut output);
    }
    if let Some(Schema::Described(schema)) = &request.schema {
        output.insert("format".to_owned(), json!({"type": "json_schema", "schema": closed(&schema.schema)}));
    }
    put_object(&mut body, "output_config", output);
    put(&mut body, "cache_control", request.cache.map(write_cache));
    put(&mut body, "stream", stream.then_some(true));
    merge(&mut body, options);
    body
}

/// A body as it was sent.
pub(super) fn read(body: &[u8]) -> Result<Asked, String> {
    let mut body = Fields::of(body)?;
    let model = body.text("model").ok_or("`model` is missing")?;
    let mut request = Request {
        max_tokens: Some(body.count("max_tokens").ok_or("`max_tokens` is missing")?),
        temperature: body.number("temperature"),
        top_p: body.number("top_p"),
        stop: body.texts("stop_sequences"),
        system: body.text("system"),
        tools: body.list("tools").into_iter().map(read_tool).collect(),
        ..Request::default()
    };
    if let Some((choice, parallel)) = body.take("tool_choice", read_choice) {
        (request.tool_choice, request.parallel_tool_calls) = (Some(choice), parallel);
    }
    let adaptive = json!({"type": "adaptive"});
    // A level without thinking means something else: it stays the caller's own.
    let thinks = body.says("thinking", &adaptive);
    body.inside("output_config", |output| {
        request.schema = output.take("format", read_format);
        if thinks {
            request.effort = output.take("effort", |word| word.as_str()?.parse().ok());
        }
    });
    if request.effort.is_some() {
        body.is("thinking", &adaptive);
    } else if body.is("thinking", &json!({"type": "disabled"})) {
        request.effort = Some(Effort::None);
    }
    request.cache = body.take("cache_control", read_cache);
    request.messages = body.list("messages").iter().map(read_turn).collect();
    let stream = body.truth("stream").unwrap_or(false);
    Ok(Asked { model, request, stream, options: body.rest() })
}

fn write_tool(tool: &Tool) -> Value {
    match tool {
        Tool::Own(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("name".to_owned(), json!(function.name));
            put(&mut object, "description", function.description.clone());
            object.insert("input_schema".to_owned(), function.parameters.clone());
            put(&mut object, "strict", function.strict);
            Value::Object(object)
        }
    }
}

fn read_tool(tool: Value) -> Tool {
    let function = whole(&tool, |fields| {
        fields.is("type", &json!("custom"));
        Some(Function {
            name: fields.text("name")?,
            description: fields.text("description"),
            parameters: fields
                .take("input_schema", |s| s.is_object().then(|| s.clone()))
                .unwrap_or_else(no_parameters),
            strict: fields.truth("strict"),
        })
    });
    function.map_or(Tool::Own(tool), Tool::Function)
}

/// Whether several calls may come at once is said beside the choice, and a choice is only taken where there are tools.
fn write_choice(request: &Request) -> Option<Value> {
    let at_once = request.parallel_tool_calls.filter(|_| !request.tools.is_empty());
    let mut choice = match &request.tool_choice {
        None if at_once.is_none() => return None,
        None | Some(ToolChoice::Auto) => json!({"type": "auto"}),
        Some(ToolChoice::None) => json!({"type": "none"}),
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    if let Some(at_once) = at_once.filter(|_| request.tool_choice != Some(ToolChoice::None)) {
        choice["disable_parallel_tool_use"] = json!(!at_once);
    }
    Some(choice)
}

fn read_choice(choice: &Value) -> Option<(ToolChoice, Option<bool>)> {
    whole(choice, |fields| {
        let parallel = fields.truth("disable_parallel_tool_use").map(|disabled| !disabled);
        let choice = match fields.text("type")?.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "any" => ToolChoice::Required,
            "tool" => ToolChoice::Named(fields.text("name")?),
            _ => return None,
        };
        Some((choice, parallel))
    })
}

/// Newer models think as they see fit under a level of effort; older ones take a budget of tokens, which must leave room
/// for the answer.
fn write_effort(
    effort: Effort,
    control: EffortControl,
    max_tokens: u64,
    body: &mut Map<String, Value>,
    output: &mut Map<String, Value>,
) {
    let thinking = match (control, effort) {
        (EffortControl::Unsupported, _) | (EffortControl::Level, Effort::None) => return,
        (_, Effort::None) => json!({"type": "disabled"}),
        (EffortControl::Budget, _) => {
            let budget = effort.budget(max_tokens).max(LEAST_BUDGET);
            if budget >= max_tokens {
                return;
            }
            json!({"type": "enabled", "budget_tokens": budget})
        }
        (control, _) => {
            // The lowest level that the vendor has is `low`.
            let level = if effort == Effort::Minimal { Effort::Low } else { effort };
            output.insert("effort".to_owned(), json!(level.name()));
            if control == EffortControl::Level {
                return;
            }
            json!({"type": "adaptive"})
        }
    };
    body.insert("thinking".to_owned(), thinking);
}

fn read_format(format: &Value) -> Option<Schema> {
    whole(format, |fields| {
        fields.is("type", &json!("json_schema")).then_some(())?;
        let schema = fields.take("schema", |s| s.is_object().then(|| s.clone()))?;
        let name = JsonSchema::NAME.to_owned();
        Some(Schema::Described(JsonSchema { name, description: None, schema, strict: None }))
    })
}

fn write_cache(lifetime: CacheLifetime) -> Value {
    match lifetime {
        CacheLifetime::Short => json!({"type": "ephemeral"}),
        CacheLifetime::Long => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

fn read_cache(mark: &Value) -> Option<CacheLifetime> {
    [CacheLifetime::Short, CacheLifetime::Long].into_iter().find(|lifetime| write_cache(*lifetime) == *mark)
}
