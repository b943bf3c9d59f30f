//! Request bodies, encoded and decoded. The provider also accepts snake_case, so the decoder does too.

use serde_json::{Map, Value, json};

use super::messages::{decode_message, decode_parts, encode_message, to_camel_case_keys};
use crate::chat::{
    FunctionTool, JsonSchema, ReasoningEffort, Request, ResponseFormat, TokenCount, Tool, ToolChoice,
};
use crate::dialect::field_reader::{
    FieldReader, insert_nonempty_array, insert_nonempty_object, insert_some, merge_objects, read_all_fields,
};
use crate::dialect::function_tools::empty_parameters_schema;
use crate::dialect::{ClientRequest, EffortControl, ServerRequest};

/// Thinking budgets are a share of this if the request has no output limit.
const DEFAULT_MAX_OUTPUT_TOKENS: TokenCount = TokenCount::new(24_576);

/// Gemini 2.5 Pro's minimum for a thinking budget.
const MIN_PRO_THINKING_BUDGET: TokenCount = TokenCount::new(128);

/// The field order makes the body easier to read.
pub(super) fn encode_request_body(call: ClientRequest<'_>) -> Map<String, Value> {
    let ClientRequest { model, request, quirks, provider_options: options, .. } = call;
    let mut body = Map::new();
    let contents: Vec<Value> =
        request.messages.iter().map(|message| encode_message(request, message, quirks)).collect();
    body.insert("contents".to_owned(), Value::Array(contents));
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

/// Decodes a body that was sent to `path`, which names the model.
pub(super) fn decode_request_body(path: &str, body: &[u8]) -> Result<ServerRequest, String> {
    let (model, method) = path
        .rsplit_once("models/")
        .and_then(|(_, rest)| rest.rsplit_once(':'))
        .ok_or("missing model and method in the path")?;
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut body =
        FieldReader::from_value(&to_camel_case_keys(body)).ok_or("the body is not a JSON object")?;
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
        request.max_output_tokens = config.take_token_count("maxOutputTokens");
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

/// All functions share one declaration at the position of the first function. Provider-specific tools stay
/// separate.
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
    // The description is required.
    object.insert("description".to_owned(), json!(function.description.as_deref().unwrap_or_default()));
    let properties = function.parameters.get("properties").and_then(Value::as_object);
    let open = function.parameters.get("additionalProperties").is_some_and(|more| *more != json!(false));
    // Older models reject an object schema without properties.
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
    // The older format: a subset of OpenAPI with upper-case types.
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

/// Gemini 2.5 takes a token budget, later models take a level. Thoughts are requested because they cost the
/// same if hidden.
fn encode_thinking_config(
    effort: ReasoningEffort,
    control: EffortControl,
    output_limit: TokenCount,
    model: &str,
) -> Option<Value> {
    let include_thoughts = effort != ReasoningEffort::None;
    match control {
        EffortControl::Unsupported => None,
        EffortControl::Budget => {
            let budget = effort.token_budget(output_limit.min(DEFAULT_MAX_OUTPUT_TOKENS));
            // Pro models cannot switch thinking off.
            let budget = if model.contains("pro") { budget.max(MIN_PRO_THINKING_BUDGET) } else { budget };
            Some(json!({"thinkingBudget": budget, "includeThoughts": include_thoughts}))
        }
        _ => {
            // The provider's levels are minimal to high, so other levels map to the nearest one.
            let level = match effort {
                ReasoningEffort::None | ReasoningEffort::Minimal => "MINIMAL",
                ReasoningEffort::Low => "LOW",
                ReasoningEffort::Medium => "MEDIUM",
                ReasoningEffort::High | ReasoningEffort::Xhigh | ReasoningEffort::Max => "HIGH",
            };
            Some(json!({"thinkingLevel": level, "includeThoughts": include_thoughts}))
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
    levels.into_iter().find(|level| {
        encode_thinking_config(*level, EffortControl::Native, TokenCount::ZERO, "").as_ref() == Some(config)
    })
}
