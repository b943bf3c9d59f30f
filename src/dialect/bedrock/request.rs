//! Requests, written and read side by side.

use serde_json::{Map, Value, json};

use super::turn::{read_turn, write_turns};
use crate::chat::{
    CacheLifetime, Effort, Function, JsonSchema, Message, Part, Request, Schema, Tool, ToolChoice,
};
use crate::dialect::closed_schema::closed;
use crate::dialect::fields::{Fields, merge, put, put_list, put_object, whole};
use crate::dialect::functions::no_parameters;
use crate::dialect::{Asked, Call, EffortControl};

/// Output that budgets of thought are shares of where the request names no bound, in tokens.
const USUAL_MAX_TOKENS: u64 = 16_384;
/// The least that Claude takes as a budget of thought.
const LEAST_BUDGET: u64 = 1024;

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, quirks, options, .. } = call;
    let mut body = Map::new();
    let mark = request.cache.filter(|_| quirks.cache_points).map(cache_point);
    let mut turns = write_turns(&request.messages);
    if let (Some(mark), Some(content)) =
        (&mark, turns.last_mut().and_then(|turn| turn["content"].as_array_mut()))
    {
        content.push(mark.clone());
    }
    body.insert("messages".to_owned(), Value::Array(turns));
    let mut system: Vec<Value> = request.system.iter().map(|text| json!({"text": text})).collect();
    system.extend(mark.filter(|_| request.system.is_some()));
    put_list(&mut body, "system", system);
    let mut config = Map::new();
    put(&mut config, "maxTokens", request.max_tokens);
    put(&mut config, "temperature", request.temperature);
    put(&mut config, "topP", request.top_p);
    put_list(&mut config, "stopSequences", request.stop.clone());
    put_object(&mut body, "inferenceConfig", config);
    put(&mut body, "toolConfig", write_tools(request));
    if let Some(Schema::Described(schema)) = &request.schema {
        let format = write_format(schema, model.contains("claude"));
        body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
    }
    if let Some(effort) = request.effort {
        let most = request.max_tokens.unwrap_or(USUAL_MAX_TOKENS);
        put(&mut body, "additionalModelRequestFields", write_effort(effort, quirks.effort, most, model));
    }
    merge(&mut body, options);
    body
}

/// A body as it was sent to this path.
pub(super) fn read(path: &str, body: &[u8]) -> Result<Asked, String> {
    let (model, method) = path
        .rsplit_once("model/")
        .and_then(|(_, rest)| rest.rsplit_once('/'))
        .ok_or("the path names no model and method")?;
    let mut body = Fields::of(body)?;
    let mut request = Request {
        messages: body.list("messages").iter().map(read_turn).collect(),
        system: body.take("system", read_system),
        ..Request::default()
    };
    body.inside("inferenceConfig", |config| {
        request.max_tokens = config.count("maxTokens");
        request.temperature = config.number("temperature");
        request.top_p = config.number("topP");
        request.stop = config.texts("stopSequences");
    });
    body.inside("toolConfig", |config| {
        request.tools = config.list("tools").into_iter().map(read_tool).collect();
        request.tool_choice = config.take("toolChoice", read_choice);
    });
    body.inside("outputConfig", |output| request.schema = output.take("textFormat", read_format));
    let stream = method == "converse-stream";
    Ok(Asked { model: model.to_owned(), request, stream, options: body.rest() })
}

fn cache_point(lifetime: CacheLifetime) -> Value {
    match lifetime {
        CacheLifetime::Short => json!({"cachePoint": {"type": "default"}}),
        CacheLifetime::Long => json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    }
}

fn read_system(blocks: &Value) -> Option<String> {
    let text = |block: &Value| whole(block, |fields| fields.text("text"));
    let texts: Option<Vec<String>> = blocks.as_array()?.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty()).map(|texts| texts.join("\n\n"))
}

/// "None" is said by offering none, unless calls were made before: then the tools must stay named.
fn write_tools(request: &Request) -> Option<Value> {
    let calls = |m: &Message| m.parts.iter().any(|p| matches!(p, Part::ToolCall(_) | Part::ToolResult(_)));
    let none = request.tool_choice == Some(ToolChoice::None) && !request.messages.iter().any(calls);
    let mut tools: Vec<Value> = request.tools.iter().map(write_tool).collect();
    if tools.is_empty() {
        // Calls in the conversation want their tools named, even if none may be called any more.
        tools = called(request).map(write_tool_name).collect();
    }
    if tools.is_empty() || none {
        return None;
    }
    let mut config = json!({"tools": tools});
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::None) => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Required) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
    };
    if let Some(choice) = choice {
        config["toolChoice"] = choice;
    }
    Some(config)
}

/// The names of the tools that were called, each once.
fn called(request: &Request) -> impl Iterator<Item = &str> {
    let mut seen = Vec::new();
    request.messages.iter().flat_map(|m| &m.parts).filter_map(move |part| match part {
        Part::ToolCall(call) if !seen.contains(&call.name.as_str()) => {
            seen.push(call.name.as_str());
            Some(call.name.as_str())
        }
        _ => None,
    })
}

fn write_tool_name(name: &str) -> Value {
    json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
}

fn write_tool(tool: &Tool) -> Value {
    match tool {
        Tool::Own(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("name".to_owned(), json!(function.name));
            // An empty description is refused.
            put(&mut object, "description", function.description.clone().filter(|d| !d.is_empty()));
            object.insert("inputSchema".to_owned(), json!({"json": function.parameters}));
            put(&mut object, "strict", function.strict);
            json!({"toolSpec": object})
        }
    }
}

fn read_tool(tool: Value) -> Tool {
    let function = whole(&tool, |fields| {
        fields.all_of("toolSpec", |spec| {
            Some(Function {
                name: spec.text("name")?,
                description: spec.text("description"),
                parameters: spec
                    .all_of("inputSchema", |schema| schema.take("json", |s| Some(s.clone())))
                    .unwrap_or_else(no_parameters),
                strict: spec.truth("strict"),
            })
        })
    });
    function.map_or(Tool::Own(tool), Tool::Function)
}

fn read_choice(choice: &Value) -> Option<ToolChoice> {
    whole(choice, |fields| {
        if fields.is("auto", &json!({})) {
            return Some(ToolChoice::Auto);
        }
        if fields.is("any", &json!({})) {
            return Some(ToolChoice::Required);
        }
        fields.all_of("tool", |tool| tool.text("name")).map(ToolChoice::Named)
    })
}

fn write_format(schema: &JsonSchema, claude: bool) -> Value {
    let mut object = Map::new();
    let written = if claude { closed(&schema.schema) } else { schema.schema.clone() };
    // The schema goes as text.
    object.insert("schema".to_owned(), json!(written.to_string()));
    object.insert("name".to_owned(), json!(schema.name));
    put(&mut object, "description", schema.description.clone());
    json!({"type": "json_schema", "structure": {"jsonSchema": object}})
}

fn read_format(format: &Value) -> Option<Schema> {
    whole(format, |fields| {
        fields.is("type", &json!("json_schema")).then_some(())?;
        fields.all_of("structure", |structure| {
            structure.all_of("jsonSchema", |schema| {
                Some(Schema::Described(JsonSchema {
                    name: schema.text("name").unwrap_or_else(|| JsonSchema::NAME.to_owned()),
                    description: schema.text("description"),
                    schema: schema.take("schema", |text| serde_json::from_str(text.as_str()?).ok())?,
                    strict: None,
                }))
            })
        })
    })
}

/// The host passes each family's own words on.
fn write_effort(effort: Effort, control: EffortControl, most: u64, model: &str) -> Option<Value> {
    let level = if effort == Effort::Minimal { Effort::Low } else { effort };
    let off = effort == Effort::None;
    match control {
        EffortControl::Unsupported => None,
        EffortControl::Budget | EffortControl::Adaptive if off => {
            Some(json!({"thinking": {"type": "disabled"}}))
        }
        EffortControl::Budget => {
            let budget = effort.budget(most).max(LEAST_BUDGET);
            (budget < most).then(|| json!({"thinking": {"type": "enabled", "budget_tokens": budget}}))
        }
        EffortControl::Adaptive => {
            Some(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": level.name()}}))
        }
        // Without thinking unless asked: there is nothing to switch off.
        EffortControl::Level => (!off).then(|| json!({"output_config": {"effort": level.name()}})),
        _ if model.contains("amazon.nova") => Some(match effort {
            Effort::None => json!({"reasoningConfig": {"type": "disabled"}}),
            Effort::Minimal | Effort::Low => nova("low"),
            Effort::Medium => nova("medium"),
            Effort::High | Effort::Xhigh | Effort::Max => nova("high"),
        }),
        _ => Some(json!({"reasoning_effort": effort.name()})),
    }
}

fn nova(effort: &str) -> Value {
    json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}})
}
