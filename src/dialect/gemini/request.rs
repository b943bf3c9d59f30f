//! Requests, written and read side by side. The vendor takes snake_case too, so that is read as well.

use serde_json::{Map, Value, json};

use super::turn::{camel, read_parts, read_turn, write_turn};
use crate::chat::{Effort, Function, JsonSchema, Request, Schema, Tool, ToolChoice};
use crate::dialect::fields::{Fields, merge, put, put_list, put_object, whole};
use crate::dialect::functions::no_parameters;
use crate::dialect::{Asked, Call, EffortControl};

/// Output that budgets of thought are shares of where the request names no bound, in tokens.
const USUAL_MAX_TOKENS: u64 = 24_576;

/// The least that Gemini 2.5 Pro takes as a budget of thought.
const LEAST_PRO_BUDGET: u64 = 128;

/// The body, in the order in which a reader would look for things.
pub(super) fn write(call: Call<'_>) -> Map<String, Value> {
    let Call { model, request, quirks, options, .. } = call;
    let mut body = Map::new();
    let turns: Vec<Value> = request.messages.iter().map(|turn| write_turn(request, turn, quirks)).collect();
    body.insert("contents".to_owned(), Value::Array(turns));
    let system = request.system.as_ref().map(|text| json!({"parts": [{"text": text}]}));
    put(&mut body, "systemInstruction", system);
    put_list(&mut body, "tools", write_tools(&request.tools));
    let choice = request.tool_choice.as_ref().map(|c| json!({"functionCallingConfig": write_choice(c)}));
    put(&mut body, "toolConfig", choice);
    let mut config = Map::new();
    put(&mut config, "temperature", request.temperature);
    put(&mut config, "topP", request.top_p);
    put(&mut config, "maxOutputTokens", request.max_tokens);
    put_list(&mut config, "stopSequences", request.stop.clone());
    put(&mut config, "seed", request.seed);
    if let Some(schema) = &request.schema {
        config.insert("responseMimeType".to_owned(), json!("application/json"));
        if let Schema::Described(schema) = schema {
            config.insert("responseJsonSchema".to_owned(), schema.schema.clone());
        }
    }
    let thinking = request.effort.and_then(|effort| {
        write_effort(effort, quirks.effort, request.max_tokens.unwrap_or(USUAL_MAX_TOKENS), model)
    });
    put(&mut config, "thinkingConfig", thinking);
    put_object(&mut body, "generationConfig", config);
    merge(&mut body, options);
    body
}

/// A body as it was sent to this path.
pub(super) fn read(path: &str, body: &[u8]) -> Result<Asked, String> {
    let (model, method) = path
        .rsplit_once("models/")
        .and_then(|(_, rest)| rest.rsplit_once(':'))
        .ok_or("the path names no model and method")?;
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut body = Fields::within(&camel(body)).ok_or("the body is no JSON object")?;
    let mut request = Request {
        messages: body.list("contents").iter().map(read_turn).collect(),
        system: body.take("systemInstruction", read_system),
        tools: body.list("tools").into_iter().flat_map(read_tool).collect(),
        tool_choice: body.all_of("toolConfig", |config| config.take("functionCallingConfig", read_choice)),
        ..Request::default()
    };
    body.inside("generationConfig", |config| {
        request.temperature = config.number("temperature");
        request.top_p = config.number("topP");
        request.max_tokens = config.count("maxOutputTokens");
        request.stop = config.texts("stopSequences");
        request.seed = config.take("seed", Value::as_i64);
        request.schema = read_schema(config);
        request.effort = config.take("thinkingConfig", read_effort);
    });
    let stream = method == "streamGenerateContent";
    Ok(Asked { model: model.to_owned(), request, stream, options: body.rest() })
}

/// All functions stand in one declaration, where the first of them is; the vendor's own tools beside it.
fn write_tools(tools: &[Tool]) -> Vec<Value> {
    let mut functions: Vec<Value> = tools.iter().filter_map(Tool::as_function).map(write_function).collect();
    let declared = |tool: &Tool| match tool {
        Tool::Own(own) => Some(own.clone()),
        Tool::Function(_) if functions.is_empty() => None,
        Tool::Function(_) => Some(json!({"functionDeclarations": std::mem::take(&mut functions)})),
    };
    tools.iter().filter_map(declared).collect()
}

fn write_function(function: &Function) -> Value {
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

fn read_tool(tool: Value) -> Vec<Tool> {
    let functions = whole(&tool, |fields| {
        fields.take("functionDeclarations", |list| {
            list.as_array()?.iter().map(|function| whole(function, read_function)).collect::<Option<Vec<_>>>()
        })
    });
    match functions {
        Some(functions) => functions.into_iter().map(Tool::Function).collect(),
        None => vec![Tool::Own(tool)],
    }
}

fn read_function(fields: &mut Fields) -> Option<Function> {
    let schema = fields.take("parametersJsonSchema", |schema| Some(schema.clone()));
    // The vendor's older way: a subset of OpenAPI, its types in capitals.
    let older = fields.take("parameters", |schema| Some(lower_types(schema.clone())));
    Some(Function {
        name: fields.text("name")?,
        description: fields.text("description").filter(|d| !d.is_empty()),
        parameters: schema.or(older).unwrap_or_else(no_parameters),
        strict: None,
    })
}

fn lower_types(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(word) if name == "type" => (name, json!(word.to_lowercase())),
                value => (name, lower_types(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(lower_types).collect(),
        other => other,
    }
}

fn write_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    }
}

fn read_choice(config: &Value) -> Option<ToolChoice> {
    whole(config, |fields| {
        let mut names = fields.texts("allowedFunctionNames");
        match (fields.text("mode")?.as_str(), names.len()) {
            ("AUTO", 0) => Some(ToolChoice::Auto),
            ("NONE", 0) => Some(ToolChoice::None),
            ("ANY", 0) => Some(ToolChoice::Required),
            ("ANY", 1) => names.pop().map(ToolChoice::Named),
            _ => None,
        }
    })
}

fn read_system(instruction: &Value) -> Option<String> {
    let parts = read_parts(instruction);
    parts.iter().map(|part| part.as_text()).collect::<Option<Vec<_>>>().map(|texts| texts.join("\n\n"))
}

fn read_schema(config: &mut Fields) -> Option<Schema> {
    let json_type = json!("application/json");
    let schema = config.take("responseJsonSchema", |s| s.is_object().then(|| s.clone()));
    let has_older = config.has("responseSchema");
    if has_older || !config.is("responseMimeType", &json_type) {
        return None;
    }
    Some(match schema {
        None => Schema::AnyJson,
        Some(schema) => {
            let name = JsonSchema::NAME.to_owned();
            Schema::Described(JsonSchema { name, description: None, schema, strict: None })
        }
    })
}

/// Gemini 2.5 takes a budget of tokens, later models a level. The thoughts are asked for: they cost the same unseen.
fn write_effort(effort: Effort, control: EffortControl, most: u64, model: &str) -> Option<Value> {
    let shown = effort != Effort::None;
    match control {
        EffortControl::Unsupported => None,
        EffortControl::Budget => {
            let budget = effort.budget(most.min(USUAL_MAX_TOKENS));
            // The large model thinks at least a little.
            let budget = if model.contains("pro") { budget.max(LEAST_PRO_BUDGET) } else { budget };
            Some(json!({"thinkingBudget": budget, "includeThoughts": shown}))
        }
        _ => {
            // The vendor's levels go from minimal to high: what cannot be said is brought to the nearest of them.
            let level = match effort {
                Effort::None | Effort::Minimal => "MINIMAL",
                Effort::Low => "LOW",
                Effort::Medium => "MEDIUM",
                Effort::High | Effort::Xhigh | Effort::Max => "HIGH",
            };
            Some(json!({"thinkingLevel": level, "includeThoughts": shown}))
        }
    }
}

fn read_effort(config: &Value) -> Option<Effort> {
    let levels = [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
    levels
        .into_iter()
        .find(|level| write_effort(*level, EffortControl::Native, 0, "").as_ref() == Some(config))
}
