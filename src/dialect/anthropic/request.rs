//! Request bodies, encoded and decoded.

use serde_json::{Map, Value, json};

use super::DEFAULT_MAX_OUTPUT_TOKENS;
use super::messages::{decode_message, encode_message};
use crate::chat::{
    FunctionTool, JsonSchema, PromptCacheTtl, ReasoningEffort, Request, ResponseFormat, TokenCount, Tool,
    ToolChoice,
};
use crate::dialect::claude_schema::to_claude_schema;
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::empty_parameters_schema;
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// The provider's minimum for a thinking budget.
const MIN_THINKING_BUDGET: TokenCount = TokenCount::new(1024);

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, is_streaming: stream, quirks, provider_options: options } = call;
    let max_tokens =
        request.max_output_tokens.or(quirks.default_max_tokens).unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS);
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("max_tokens".to_owned(), json!(max_tokens));
    insert_some(&mut body, "system", request.system_prompt.clone());
    let messages: Vec<Value> = request.messages.iter().map(encode_message).collect();
    body.insert("messages".to_owned(), Value::Array(messages));
    insert_some(&mut body, "temperature", request.temperature);
    insert_some(&mut body, "top_p", request.top_p);
    insert_nonempty_array(&mut body, "stop_sequences", request.stop_sequences.clone());
    insert_nonempty_array(&mut body, "tools", request.tools.iter().map(encode_tool).collect());
    insert_some(&mut body, "tool_choice", encode_tool_choice(request));
    let mut output = Map::new();
    if let Some(effort) = request.reasoning_effort {
        encode_reasoning_effort(effort, quirks.effort, max_tokens, &mut body, &mut output);
    }
    if let Some(ResponseFormat::JsonSchema(schema)) = &request.response_format {
        output.insert(
            "format".to_owned(),
            json!({"type": "json_schema", "schema": to_claude_schema(&schema.schema)}),
        );
    }
    insert_nonempty_object(&mut body, "output_config", output);
    insert_some(&mut body, "cache_control", request.prompt_cache.map(encode_cache_control));
    insert_some(&mut body, "stream", stream.then_some(true));
    merge_objects(&mut body, options);
    body
}

pub(super) fn decode_request_body(body: &[u8]) -> Result<ServerRequest, String> {
    let mut body = FieldReader::from_body(body)?;
    let model = body.take_string("model").ok_or("missing `model`")?;
    let mut request = Request {
        max_output_tokens: Some(body.take_token_count("max_tokens").ok_or("missing `max_tokens`")?),
        temperature: body.take_f64("temperature"),
        top_p: body.take_f64("top_p"),
        stop_sequences: body.take_strings("stop_sequences"),
        system_prompt: body.take_string("system"),
        tools: body.take_array("tools").into_iter().map(decode_tool).collect(),
        ..Request::default()
    };
    if let Some((choice, parallel)) = body.take_with("tool_choice", decode_tool_choice) {
        (request.tool_choice, request.parallel_tool_calls) = (Some(choice), parallel);
    }
    let adaptive = json!({"type": "adaptive"});
    // Without adaptive thinking, the effort level means something else and stays a provider option.
    let adaptive_thinking = body.has_value("thinking", &adaptive);
    body.read_object("output_config", |output| {
        request.response_format = output.take_with("format", decode_response_format);
        if adaptive_thinking {
            request.reasoning_effort = output.take_with("effort", |word| word.as_str()?.parse().ok());
        }
    });
    if request.reasoning_effort.is_some() {
        body.take_if_equal("thinking", &adaptive);
    } else if body.take_if_equal("thinking", &json!({"type": "disabled"})) {
        request.reasoning_effort = Some(ReasoningEffort::None);
    }
    request.prompt_cache = body.take_with("cache_control", decode_cache_control);
    request.messages = body.take_array("messages").iter().map(decode_message).collect();
    let stream = body.take_bool("stream").unwrap_or(false);
    Ok(ServerRequest { model, request, is_streaming: stream, provider_options: body.into_remaining() })
}

fn encode_tool(tool: &Tool) -> Value {
    match tool {
        Tool::ProviderSpecific(own) => own.clone(),
        Tool::Function(function) => {
            let mut object = Map::new();
            object.insert("name".to_owned(), json!(function.name));
            insert_some(&mut object, "description", function.description.clone());
            object.insert("input_schema".to_owned(), function.parameters.clone());
            insert_some(&mut object, "strict", function.strict);
            Value::Object(object)
        }
    }
}

fn decode_tool(tool: Value) -> Tool {
    let function = read_all_fields(&tool, |fields| {
        fields.take_if_equal("type", &json!("custom"));
        Some(FunctionTool {
            name: fields.take_string("name")?,
            description: fields.take_string("description"),
            parameters: fields
                .take_with("input_schema", |s| s.is_object().then(|| s.clone()))
                .unwrap_or_else(empty_parameters_schema),
            strict: fields.take_bool("strict"),
        })
    });
    function.map_or(Tool::ProviderSpecific(tool), Tool::Function)
}

/// `disable_parallel_tool_use` is part of the tool choice, and a tool choice is only accepted together with
/// tools.
fn encode_tool_choice(request: &Request) -> Option<Value> {
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

fn decode_tool_choice(choice: &Value) -> Option<(ToolChoice, Option<bool>)> {
    read_all_fields(choice, |fields| {
        let parallel = fields.take_bool("disable_parallel_tool_use").map(|disabled| !disabled);
        let choice = match fields.take_string("type")?.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "any" => ToolChoice::Required,
            "tool" => ToolChoice::Named(fields.take_string("name")?),
            _ => return None,
        };
        Some((choice, parallel))
    })
}

/// Newer models use adaptive thinking with an effort level. Older ones take a token budget, which must be
/// below the output limit.
fn encode_reasoning_effort(
    effort: ReasoningEffort,
    control: EffortControl,
    max_tokens: TokenCount,
    body: &mut Map<String, Value>,
    output: &mut Map<String, Value>,
) {
    let thinking = match (control, effort) {
        (EffortControl::Unsupported, _) | (EffortControl::Level, ReasoningEffort::None) => return,
        (_, ReasoningEffort::None) => json!({"type": "disabled"}),
        (EffortControl::Budget, _) => {
            let budget = effort.token_budget(max_tokens).max(MIN_THINKING_BUDGET);
            if budget >= max_tokens {
                return;
            }
            json!({"type": "enabled", "budget_tokens": budget})
        }
        (control, _) => {
            // The provider's lowest level is `low`.
            let level = if effort == ReasoningEffort::Minimal { ReasoningEffort::Low } else { effort };
            output.insert("effort".to_owned(), json!(level.as_str()));
            if control == EffortControl::Level {
                return;
            }
            json!({"type": "adaptive"})
        }
    };
    body.insert("thinking".to_owned(), thinking);
}

fn decode_response_format(format: &Value) -> Option<ResponseFormat> {
    read_all_fields(format, |fields| {
        fields.take_if_equal("type", &json!("json_schema")).then_some(())?;
        let schema = fields.take_with("schema", |s| s.is_object().then(|| s.clone()))?;
        let name = JsonSchema::DEFAULT_NAME.to_owned();
        Some(ResponseFormat::JsonSchema(JsonSchema { name, description: None, schema, strict: None }))
    })
}

fn encode_cache_control(lifetime: PromptCacheTtl) -> Value {
    match lifetime {
        PromptCacheTtl::ProviderDefault => json!({"type": "ephemeral"}),
        PromptCacheTtl::OneHour => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

fn decode_cache_control(cache_control: &Value) -> Option<PromptCacheTtl> {
    [PromptCacheTtl::ProviderDefault, PromptCacheTtl::OneHour]
        .into_iter()
        .find(|lifetime| encode_cache_control(*lifetime) == *cache_control)
}
