//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use super::messages::{decode_message, encode_messages};
use crate::chat::{
    FunctionTool, JsonSchema, Message, Part, PromptCacheTtl, ReasoningEffort, Request, ResponseFormat,
    TokenCount, Tool, ToolChoice,
};
use crate::dialect::claude_schema::to_claude_schema;
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::empty_parameters_schema;
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// Thinking budgets are a share of this if the request has no output limit.
const DEFAULT_MAX_OUTPUT_TOKENS: TokenCount = TokenCount::new(16_384);
/// Claude's minimum for a thinking budget.
const MIN_THINKING_BUDGET: TokenCount = TokenCount::new(1024);

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, quirks, provider_options: options, .. } = call;
    let mut body = Map::new();
    let cache_point = request.prompt_cache.filter(|_| quirks.cache_points).map(encode_cache_point);
    let mut messages = encode_messages(&request.messages);
    if let (Some(cache_point), Some(content)) =
        (&cache_point, messages.last_mut().and_then(|message| message["content"].as_array_mut()))
    {
        content.push(cache_point.clone());
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    let mut system: Vec<Value> = request.system_prompt.iter().map(|text| json!({"text": text})).collect();
    system.extend(cache_point.filter(|_| request.system_prompt.is_some()));
    insert_nonempty_array(&mut body, "system", system);
    let mut config = Map::new();
    insert_some(&mut config, "maxTokens", request.max_output_tokens);
    insert_some(&mut config, "temperature", request.temperature);
    insert_some(&mut config, "topP", request.top_p);
    insert_nonempty_array(&mut config, "stopSequences", request.stop_sequences.clone());
    insert_nonempty_object(&mut body, "inferenceConfig", config);
    insert_some(&mut body, "toolConfig", encode_tool_config(request));
    if let Some(ResponseFormat::JsonSchema(schema)) = &request.response_format {
        let format = encode_response_format(schema, model.contains("claude"));
        body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
    }
    if let Some(effort) = request.reasoning_effort {
        let output_limit = request.max_output_tokens.unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS);
        insert_some(
            &mut body,
            "additionalModelRequestFields",
            encode_reasoning_effort(effort, quirks.effort, output_limit, model),
        );
    }
    merge_objects(&mut body, options);
    body
}

/// Decodes a body that was sent to `path`, which names the model.
pub(super) fn decode_request_body(path: &str, body: &[u8]) -> Result<ServerRequest, String> {
    let (model, method) = path
        .rsplit_once("model/")
        .and_then(|(_, rest)| rest.rsplit_once('/'))
        .ok_or("missing model and method in the path")?;
    let mut body = FieldReader::from_body(body)?;
    let mut request = Request {
        messages: body.take_array("messages").iter().map(decode_message).collect(),
        system_prompt: body.take_with("system", decode_system_prompt),
        ..Request::default()
    };
    body.read_object("inferenceConfig", |config| {
        request.max_output_tokens = config.take_token_count("maxTokens");
        request.temperature = config.take_f64("temperature");
        request.top_p = config.take_f64("topP");
        request.stop_sequences = config.take_strings("stopSequences");
    });
    body.read_object("toolConfig", |config| {
        request.tools = config.take_array("tools").into_iter().map(decode_tool).collect();
        request.tool_choice = config.take_with("toolChoice", decode_tool_choice);
    });
    body.read_object("outputConfig", |output| {
        request.response_format = output.take_with("textFormat", decode_response_format);
    });
    let stream = method == "converse-stream";
    Ok(ServerRequest {
        model: model.to_owned(),
        request,
        is_streaming: stream,
        provider_options: body.into_remaining(),
    })
}

fn encode_cache_point(lifetime: PromptCacheTtl) -> Value {
    match lifetime {
        PromptCacheTtl::ProviderDefault => json!({"cachePoint": {"type": "default"}}),
        PromptCacheTtl::OneHour => json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    }
}

fn decode_system_prompt(blocks: &Value) -> Option<String> {
    let text = |block: &Value| read_all_fields(block, |fields| fields.take_string("text"));
    let texts: Option<Vec<String>> = blocks.as_array()?.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty()).map(|texts| texts.join("\n\n"))
}

/// The dialect has no tool choice `none`, so the tools are omitted. If the conversation contains tool calls,
/// they must stay declared.
fn encode_tool_config(request: &Request) -> Option<Value> {
    let calls = |m: &Message| m.parts.iter().any(|p| matches!(p, Part::ToolCall(_) | Part::ToolResult(_)));
    let omit_tools = request.tool_choice == Some(ToolChoice::None) && !request.messages.iter().any(calls);
    let mut tools: Vec<Value> = request.tools.iter().map(encode_tool).collect();
    if tools.is_empty() {
        // Called tools must be declared even if the request offers none.
        tools = called_tool_names(request).map(encode_tool_stub).collect();
    }
    if tools.is_empty() || omit_tools {
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

/// Each name once, in order of first use.
fn called_tool_names(request: &Request) -> impl Iterator<Item = &str> {
    let mut seen = Vec::new();
    request.messages.iter().flat_map(|m| &m.parts).filter_map(move |part| match part {
        Part::ToolCall(call) if !seen.contains(&call.name.as_str()) => {
            seen.push(call.name.as_str());
            Some(call.name.as_str())
        }
        _ => None,
    })
}

fn encode_tool_stub(name: &str) -> Value {
    json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
}

fn encode_tool(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("name".to_owned(), json!(function.name));
            // An empty description is rejected.
            insert_some(&mut object, "description", function.description.clone().filter(|d| !d.is_empty()));
            object.insert("inputSchema".to_owned(), json!({"json": function.parameters}));
            insert_some(&mut object, "strict", function.strict);
            json!({"toolSpec": object})
        }
    }
}

fn decode_tool(tool: Value) -> Tool {
    let function = read_all_fields(&tool, |fields| {
        fields.take_object("toolSpec", |spec| {
            Some(FunctionTool {
                name: spec.take_string("name")?,
                description: spec.take_string("description"),
                parameters: spec
                    .take_object("inputSchema", |schema| schema.take_with("json", |s| Some(s.clone())))
                    .unwrap_or_else(empty_parameters_schema),
                strict: spec.take_bool("strict"),
            })
        })
    });
    function.map_or(Tool::ProviderSpecific(tool), Tool::Function)
}

fn decode_tool_choice(choice: &Value) -> Option<ToolChoice> {
    read_all_fields(choice, |fields| {
        if fields.take_if_equal("auto", &json!({})) {
            return Some(ToolChoice::Auto);
        }
        if fields.take_if_equal("any", &json!({})) {
            return Some(ToolChoice::Required);
        }
        fields.take_object("tool", |tool| tool.take_string("name")).map(ToolChoice::Named)
    })
}

fn encode_response_format(schema: &JsonSchema, claude: bool) -> Value {
    let mut object = Map::new();
    let written = if claude { to_claude_schema(&schema.schema) } else { schema.schema.clone() };
    // The schema is sent as JSON text.
    object.insert("schema".to_owned(), json!(written.to_string()));
    object.insert("name".to_owned(), json!(schema.name));
    insert_some(&mut object, "description", schema.description.clone());
    json!({"type": "json_schema", "structure": {"jsonSchema": object}})
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    read_all_fields(format, |fields| {
        fields.take_if_equal("type", &json!("json_schema")).then_some(())?;
        fields.take_object("structure", |structure| {
            structure.take_object("jsonSchema", |schema| {
                Some(ResponseFormat::JsonSchema(JsonSchema {
                    name: schema.take_string("name").unwrap_or_else(|| JsonSchema::DEFAULT_NAME.to_owned()),
                    description: schema.take_string("description"),
                    schema: schema.take_with("schema", |text| serde_json::from_str(text.as_str()?).ok())?,
                    strict: None,
                }))
            })
        })
    })
}

/// Bedrock passes on the fields of each model family unchanged.
fn encode_reasoning_effort(
    effort: ReasoningEffort,
    control: EffortControl,
    output_limit: TokenCount,
    model: &str,
) -> Option<Value> {
    let level = if effort == ReasoningEffort::Minimal { ReasoningEffort::Low } else { effort };
    let off = effort == ReasoningEffort::None;
    match control {
        EffortControl::Unsupported => None,
        EffortControl::Budget | EffortControl::Adaptive if off => {
            Some(json!({"thinking": {"type": "disabled"}}))
        }
        EffortControl::Budget => {
            let budget = effort.token_budget(output_limit).max(MIN_THINKING_BUDGET);
            (budget < output_limit).then(|| json!({"thinking": {"type": "enabled", "budget_tokens": budget}}))
        }
        EffortControl::Adaptive => {
            Some(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": level.as_str()}}))
        }
        // These models do not reason by default, so there is nothing to switch off.
        EffortControl::Level => (!off).then(|| json!({"output_config": {"effort": level.as_str()}})),
        _ if model.contains("amazon.nova") => Some(match effort {
            ReasoningEffort::None => json!({"reasoningConfig": {"type": "disabled"}}),
            ReasoningEffort::Minimal | ReasoningEffort::Low => encode_nova_reasoning("low"),
            ReasoningEffort::Medium => encode_nova_reasoning("medium"),
            ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => {
                encode_nova_reasoning("high")
            }
        }),
        _ => Some(json!({"reasoning_effort": effort.as_str()})),
    }
}

fn encode_nova_reasoning(effort: &str) -> Value {
    json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}})
}
