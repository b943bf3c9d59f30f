//! Requests, written and read side by side. The vendor takes snake_case too, so that is read as well.

use serde_json::{Map, Value, json};

use super::messages::{decode_message, decode_parts, encode_message, to_camel_case_keys};
use crate::chat::{FunctionTool, JsonSchema, ReasoningEffort, Request, ResponseFormat, Tool, ToolChoice};
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::empty_parameters_schema;
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// Output that budgets of thought are shares of where the request names no bound, in tokens.
const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 24_576;

/// The least that Gemini 2.5 Pro takes as a budget of thought.
const MIN_PRO_THINKING_BUDGET: u64 = 128;

/// The body, in the order in which a reader would look for things.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, quirks, provider_options: options, .. } = call;
    let mut body = Map::new();
    let turns: Vec<Value> =
        request.messages.iter().map(|turn| encode_message(request, turn, quirks)).collect();
    body.insert("contents".to_owned(), Value::Array(turns));
    let system = request.system_prompt.as_ref().map(|text| json!({"parts": [{"text": text}]}));
    insert_some(&mut body, "systemInstruction", system);
    insert_nonempty_array(&mut body, "tools", encode_tools(&request.tools));
    let choice =
        request.tool_choice.as_ref().map(|c| json!({"functionCallingConfig": encode_tool_choice(c)}));
    insert_some(&mut body, "toolConfig", choice);
    let mut config = Map::new();
    insert_some(&mut config, "temperature", request.temperature);
    insert_some(&mut config, "topP", request.top_p);
    insert_some(&mut config, "maxOutputTokens", request.max_output_tokens);
    insert_nonempty_array(&mut config, "stopSequences", request.stop_sequences.clone());
    insert_some(&mut config, "seed", request.seed);
    if let Some(schema) = &request.response_format {
        config.insert("responseMimeType".to_owned(), json!("application/json"));
        if let ResponseFormat::JsonSchema(schema) = schema {
            config.insert("responseJsonSchema".to_owned(), schema.schema.clone());
        }
    }
    let thinking = request.reasoning_effort.and_then(|effort| {
        encode_thinking_config(
            effort,
            quirks.effort,
            request.max_output_tokens.unwrap_or(DEFAULT_MAX_OUTPUT_TOKENS),
            model,
        )
    });
    insert_some(&mut config, "thinkingConfig", thinking);
    insert_nonempty_object(&mut body, "generationConfig", config);
    merge_objects(&mut body, options);
    body
}

/// A body as it was sent to this path.
pub(super) fn decode_request_body(path: &str, body: &[u8]) -> Result<ServerRequest, String> {
    let (model, method) = path
        .rsplit_once("models/")
        .and_then(|(_, rest)| rest.rsplit_once(':'))
        .ok_or("the path names no model and method")?;
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut body = FieldReader::from_value(&to_camel_case_keys(body)).ok_or("the body is no JSON object")?;
    let mut request = Request {
        messages: body.take_array("contents").iter().map(decode_message).collect(),
        system_prompt: body.take_with("systemInstruction", decode_system_prompt),
        tools: body.take_array("tools").into_iter().flat_map(decode_tools).collect(),
        tool_choice: body.take_object("toolConfig", |config| {
            config.take_with("functionCallingConfig", decode_tool_choice)
        }),
        ..Request::default()
    };
    body.read_object("generationConfig", |config| {
        request.temperature = config.take_f64("temperature");
        request.top_p = config.take_f64("topP");
        request.max_output_tokens = config.take_u64("maxOutputTokens");
        request.stop_sequences = config.take_strings("stopSequences");
        request.seed = config.take_with("seed", Value::as_i64);
        request.response_format = decode_response_format(config);
        request.reasoning_effort = config.take_with("thinkingConfig", decode_thinking_config);
    });
    let stream = method == "streamGenerateContent";
    Ok(ServerRequest {
        model: model.to_owned(),
        request,
        is_streaming: stream,
        provider_options: body.into_remaining(),
    })
}

/// All functions stand in one declaration, where the first of them is; the vendor's own tools beside it.
fn encode_tools(tools: &[Tool]) -> Vec<Value> {
    let mut functions: Vec<Value> = tools.iter().filter_map(Tool::as_function).map(encode_function).collect();
    let declared = |tool: &Tool| match tool {
        Tool::ProviderSpecific(own) => Some(own.clone()),
        Tool::Function(_) if functions.is_empty() => None,
        Tool::Function(_) => Some(json!({"functionDeclarations": std::mem::take(&mut functions)})),
    };
    tools.iter().filter_map(declared).collect()
}

fn encode_function(function: &FunctionTool) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(function.name));
    // A function must say what it does.
    object.insert("description".to_owned(), json!(function.description.as_deref().unwrap_or_default()));
    let properties = function.parameters.get("properties").and_then(Value::as_object);
    let open = function.parameters.get("additionalProperties").is_some_and(|more| *more != json!(false));
    // Older models refuse an object without properties.
    if open || properties.is_none_or(|p| !p.is_empty()) {
        object.insert("parametersJsonSchema".to_owned(), function.parameters.clone());
    }
    Value::Object(object)
}

fn decode_tools(tool: Value) -> Vec<Tool> {
    let functions = read_all_fields(&tool, |fields| {
        fields.take_with("functionDeclarations", |list| {
            list.as_array()?
                .iter()
                .map(|function| read_all_fields(function, decode_function))
                .collect::<Option<Vec<_>>>()
        })
    });
    match functions {
        Some(functions) => functions.into_iter().map(Tool::Function).collect(),
        None => vec![Tool::ProviderSpecific(tool)],
    }
}

fn decode_function(fields: &mut FieldReader) -> Option<FunctionTool> {
    let schema = fields.take_with("parametersJsonSchema", |schema| Some(schema.clone()));
    // The vendor's older way: a subset of OpenAPI, its types in capitals.
    let older = fields.take_with("parameters", |schema| Some(lowercase_schema_types(schema.clone())));
    Some(FunctionTool {
        name: fields.take_string("name")?,
        description: fields.take_string("description").filter(|d| !d.is_empty()),
        parameters: schema.or(older).unwrap_or_else(empty_parameters_schema),
        strict: None,
    })
}

fn lowercase_schema_types(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(word) if name == "type" => (name, json!(word.to_lowercase())),
                value => (name, lowercase_schema_types(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(lowercase_schema_types).collect(),
        other => other,
    }
}

fn encode_tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    }
}

fn decode_tool_choice(config: &Value) -> Option<ToolChoice> {
    read_all_fields(config, |fields| {
        let mut names = fields.take_strings("allowedFunctionNames");
        match (fields.take_string("mode")?.as_str(), names.len()) {
            ("AUTO", 0) => Some(ToolChoice::Auto),
            ("NONE", 0) => Some(ToolChoice::None),
            ("ANY", 0) => Some(ToolChoice::Required),
            ("ANY", 1) => names.pop().map(ToolChoice::Named),
            _ => None,
        }
    })
}

fn decode_system_prompt(instruction: &Value) -> Option<String> {
    let parts = decode_parts(instruction);
    parts.iter().map(|part| part.as_text()).collect::<Option<Vec<_>>>().map(|texts| texts.join("\n\n"))
}

fn decode_response_format(config: &mut FieldReader) -> Option<ResponseFormat> {
    let json_type = json!("application/json");
    let schema = config.take_with("responseJsonSchema", |s| s.is_object().then(|| s.clone()));
    let has_older = config.contains("responseSchema");
    if has_older || !config.take_if_equal("responseMimeType", &json_type) {
        return None;
    }
    Some(match schema {
        None => ResponseFormat::JsonObject,
        Some(schema) => {
            let name = JsonSchema::DEFAULT_NAME.to_owned();
            ResponseFormat::JsonSchema(JsonSchema { name, description: None, schema, strict: None })
        }
    })
}

/// Gemini 2.5 takes a budget of tokens, later models a level. The thoughts are asked for: they cost the same unseen.
fn encode_thinking_config(
    effort: ReasoningEffort,
    control: EffortControl,
    most: u64,
    model: &str,
) -> Option<Value> {
    let shown = effort != ReasoningEffort::None;
    match control {
        EffortControl::Unsupported => None,
        EffortControl::Budget => {
            let budget = effort.token_budget(most.min(DEFAULT_MAX_OUTPUT_TOKENS));
            // The large model thinks at least a little.
            let budget = if model.contains("pro") { budget.max(MIN_PRO_THINKING_BUDGET) } else { budget };
            Some(json!({"thinkingBudget": budget, "includeThoughts": shown}))
        }
        _ => {
            // The vendor's levels go from minimal to high: what cannot be said is brought to the nearest of them.
            let level = match effort {
                ReasoningEffort::None | ReasoningEffort::Minimal => "MINIMAL",
                ReasoningEffort::Low => "LOW",
                ReasoningEffort::Medium => "MEDIUM",
                ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => "HIGH",
            };
            Some(json!({"thinkingLevel": level, "includeThoughts": shown}))
        }
    }
}

fn decode_thinking_config(config: &Value) -> Option<ReasoningEffort> {
    let levels = [
        ReasoningEffort::None,
        ReasoningEffort::Minimal,
        ReasoningEffort::Low,
        ReasoningEffort::Medium,
        ReasoningEffort::High,
    ];
    levels
        .into_iter()
        .find(|level| encode_thinking_config(*level, EffortControl::Native, 0, "").as_ref() == Some(config))
}
