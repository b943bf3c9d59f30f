//! Proptest strategies for requests, and the normalization of a request to what each dialect can represent.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::round_trip::text_strategy;
use super::*;
use crate::chat::{
    Attachment, AttachmentSource, FunctionTool, JsonSchema, Message, Part, PromptCacheTtl, ReasoningEffort,
    Request, ResponseFormat, Role, TokenCount, Tool, ToolCall, ToolChoice, ToolResult,
};

fn schema_strategy() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,6}", prop_oneof!["string", "integer", "boolean"], 0..3).prop_map(
        |fields| {
            let properties: serde_json::Map<String, Value> =
                fields.iter().map(|(name, kind)| (name.clone(), json!({"type": kind}))).collect();
            let required: Vec<&String> = fields.keys().collect();
            match required.is_empty() {
                true => json!({"type": "object", "properties": {}}),
                false => json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false}),
            }
        },
    )
}

fn tools_strategy() -> impl Strategy<Value = Vec<Tool>> {
    let described = prop::option::of("[A-Z][a-z ]{3,20}\\.");
    let function = (described, schema_strategy(), prop::option::of(Just(true)));
    prop::collection::vec(function, 0..3).prop_map(|functions| {
        let named = |(n, (description, parameters, strict))| {
            Tool::Function(FunctionTool { name: format!("tool_{n}"), description, parameters, strict })
        };
        (0..).zip(functions).map(named).collect()
    })
}

fn test_media(media_type: &str, data: &str, url: bool) -> Attachment {
    let source = if url {
        AttachmentSource::Url(format!("https://example.org/{data}"))
    } else {
        AttachmentSource::Base64(data.into())
    };
    Attachment { media_type: media_type.into(), source, name: None }
}

fn user_message_strategy() -> impl Strategy<Value = Message> {
    let parts =
        (prop::collection::vec(text_strategy(), 1..3), prop::option::of(any::<bool>()), any::<bool>());
    parts.prop_map(|(texts, image, document)| {
        let mut message = Message::from_texts(Role::User, texts);
        message.parts.extend(image.map(|url| Part::Image(test_media("image/png", "iVBORw0KGgo=", url))));
        if document {
            let pdf = Attachment {
                name: Some("report".into()),
                ..test_media("application/pdf", "JVBERi0=", false)
            };
            message.parts.push(Part::Document(pdf));
        }
        message
    })
}

/// A response text. After tool calls, also their results and the next response.
fn assistant_messages_strategy() -> impl Strategy<Value = Vec<Message>> {
    let calls = prop::collection::vec(("[a-z0-9 ]{1,12}", any::<bool>()), 0..3);
    (prop::option::of("[a-z ]{1,20}"), text_strategy(), calls, text_strategy()).prop_map(
        |(reasoning, text, calls, after)| {
            let mut message = Message { role: Role::Assistant, parts: Vec::new(), model_ref: None };
            message.parts.extend(reasoning.map(|text| Part::Reasoning { text, state: None }));
            message.parts.push(Part::from_text(text));
            let mut results = Message { role: Role::User, parts: Vec::new(), model_ref: None };
            for (n, (value, is_error)) in calls.into_iter().enumerate() {
                let (id, name) = (format!("call_{n}"), format!("tool_{n}"));
                let arguments = json!({"x": value, "n": n});
                message.parts.push(Part::ToolCall(ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments,
                }));
                results.parts.push(Part::ToolResult(ToolResult {
                    call_id: id,
                    name,
                    content: value,
                    is_error,
                }));
            }
            if results.parts.is_empty() {
                return vec![message];
            }
            vec![message, results, Message::from_texts(Role::Assistant, [after])]
        },
    )
}

/// A conversation that starts and ends with the user.
pub(super) fn request_strategy() -> impl Strategy<Value = Request> {
    let rounds = prop::collection::vec((user_message_strategy(), assistant_messages_strategy()), 0..3);
    let numbers = (
        prop::option::of(0u8..=20),
        prop::option::of(0u8..=10),
        2048u64..100_000,
        prop::collection::vec("[a-z]{1,5}", 0..3),
        prop::option::of(any::<i32>()),
    );
    let shape = prop_oneof![
        Just(None),
        Just(Some(ResponseFormat::JsonObject)),
        (schema_strategy(), prop::option::of("[a-z ]{1,9}")).prop_map(|(schema, description)| {
            let name = "city_list".to_owned();
            Some(ResponseFormat::JsonSchema(JsonSchema { name, description, schema, strict: Some(true) }))
        }),
    ];
    let choice = prop::option::of(0usize..4);
    let more =
        (tools_strategy(), choice, any::<Option<bool>>(), shape, prop::option::of(0usize..7), any::<bool>());
    (prop::option::of(text_strategy()), rounds, user_message_strategy(), numbers, more).prop_map(
        |(system, rounds, last, numbers, more)| {
            let (temperature, top_p, max_tokens, stop, seed) = numbers;
            let (tools, choice, parallel, schema, effort, cached) = more;
            let mut messages: Vec<Message> =
                rounds.into_iter().flat_map(|(user, replies)| [user].into_iter().chain(replies)).collect();
            messages.push(last);
            let tool_choice = choice.filter(|_| !tools.is_empty()).map(|n| match n {
                0 => ToolChoice::Auto,
                1 => ToolChoice::None,
                2 => ToolChoice::Required,
                _ => ToolChoice::Named("tool_0".into()),
            });
            Request {
                system_prompt: system,
                messages,
                temperature: temperature.map(|t| f64::from(t) / 10.0),
                top_p: top_p.map(|p| f64::from(p) / 10.0),
                max_output_tokens: Some(TokenCount::new(max_tokens)),
                stop_sequences: stop,
                seed: seed.map(i64::from),
                parallel_tool_calls: parallel
                    .filter(|_| tool_choice.is_some() && tool_choice != Some(ToolChoice::None)),
                tools,
                tool_choice,
                response_format: schema,
                reasoning_effort: effort.map(|n| ReasoningEffort::ALL[n]),
                prompt_cache: cached.then_some(PromptCacheTtl::OneHour),
                ..Request::default()
            }
        },
    )
}

/// The request as this dialect can represent it. Everything removed here is lost on the wire.
pub(super) fn normalize_request(dialect: Dialect, request: &Request, quirks: &Quirks) -> Request {
    let (name, client) = (dialect.as_str(), dialect.client_codec());
    let mut request = request.clone();
    for parameter in client.unsupported_parameters() {
        request.remove_parameter(*parameter);
    }
    if name == "cohere" {
        request.top_p = request.top_p.map(|p| p.clamp(0.01, 0.99));
    }
    if name != "anthropic" {
        // Other dialects cache automatically or need cache points between blocks.
        request.prompt_cache = None;
    }
    for message in &mut request.messages {
        if matches!(name, "anthropic" | "bedrock") {
            message.parts = super::parsed_message::nonblank_parts(message).cloned().collect();
        }
    }
    let has_calls =
        request.messages.iter().flat_map(|m| &m.parts).any(|part| matches!(part, Part::ToolCall(_)));
    match (name, request.tool_choice.clone()) {
        ("cohere", Some(ToolChoice::Named(_))) => {
            request.tools.truncate(1);
            request.tool_choice = Some(ToolChoice::Required);
        }
        ("cohere", Some(ToolChoice::Auto)) => request.tool_choice = None,
        ("bedrock", Some(ToolChoice::None)) => {
            request.tool_choice = None;
            request.tools.retain(|_| has_calls);
        }
        _ => {}
    }
    if name == "bedrock" && has_calls && request.tools.is_empty() {
        // Called tools are always declared.
        let mut names: Vec<String> = Vec::new();
        for part in request.messages.iter().flat_map(|m| &m.parts) {
            if let Part::ToolCall(call) = part
                && !names.contains(&call.name)
            {
                names.push(call.name.clone());
            }
        }
        let parameters = json!({"type": "object"});
        let named =
            |name| FunctionTool { name, description: None, parameters: parameters.clone(), strict: None };
        request.tools = names.into_iter().map(|name| Tool::Function(named(name))).collect();
    }
    for tool in &mut request.tools {
        if let Tool::Function(function) = tool
            && matches!(name, "gemini" | "cohere" | "ollama")
        {
            function.strict = None;
        }
    }
    request.response_format = request.response_format.take().and_then(|schema| match schema {
        ResponseFormat::JsonObject => {
            (!matches!(name, "anthropic" | "bedrock")).then_some(ResponseFormat::JsonObject)
        }
        ResponseFormat::JsonSchema(mut schema) => {
            if !matches!(name, "openai-chat" | "openai-responses" | "bedrock") {
                (schema.name, schema.description) = (JsonSchema::DEFAULT_NAME.to_owned(), None);
            }
            if !matches!(name, "openai-chat" | "openai-responses") {
                schema.strict = None;
            }
            if name == "anthropic" {
                schema.schema = super::claude_schema::to_claude_schema(&schema.schema);
            }
            Some(ResponseFormat::JsonSchema(schema))
        }
    });
    request.reasoning_effort = request.reasoning_effort.and_then(|effort| match (name, effort) {
        ("bedrock", _) => None,
        ("cohere", effort) => (effort == ReasoningEffort::None).then_some(effort),
        ("anthropic" | "ollama", ReasoningEffort::Minimal) => Some(ReasoningEffort::Low),
        ("gemini", ReasoningEffort::Xhigh | ReasoningEffort::Max) => Some(ReasoningEffort::High),
        ("ollama", ReasoningEffort::Xhigh) => Some(ReasoningEffort::Max),
        (_, effort) => Some(effort),
    });
    let reasoning_kept = name != "openai-chat" || quirks.echo_reasoning == EchoReasoning::Always;
    for message in &mut request.messages {
        message.parts.retain(|part| client.unsupported_part(part, quirks).is_none());
        message.parts.retain(|part| reasoning_kept || !matches!(part, Part::Reasoning { .. }));
        message.parts.iter_mut().for_each(|part| normalize_part(dialect, part));
        if name == "ollama" {
            join_text_parts(message);
        }
    }
    request
}

fn normalize_part(dialect: Dialect, part: &mut Part) {
    match part {
        Part::Reasoning { text, state } => *state = reasoning_state(dialect, text),
        Part::Image(image)
            if dialect.as_str() != "gemini" && matches!(image.source, AttachmentSource::Url(_)) =>
        {
            image.media_type.clear();
        }
        Part::Document(document) if dialect.as_str() == "gemini" => document.name = None,
        Part::ToolResult(result) => {
            if dialect.as_str() == "bedrock" && result.content.trim().is_empty() {
                result.content = super::bedrock::EMPTY_RESULT_TEXT.to_owned();
            }
            if !matches!(dialect.as_str(), "gemini" | "ollama") {
                result.name.clear();
            }
            if !matches!(dialect.as_str(), "anthropic" | "gemini" | "bedrock") {
                result.content = super::parsed_message::tool_result_text(result);
                result.is_error = false;
            }
        }
        _ => {}
    }
}

/// The reasoning state in the form that each provider accepts when it is sent back.
fn reasoning_state(dialect: Dialect, text: &str) -> Option<Value> {
    match dialect.as_str() {
        "cohere" | "ollama" => None,
        "openai-chat" => Some(json!({"field": "reasoning"})),
        "gemini" => Some(json!({"thoughtSignature": "signed"})),
        "openai-responses" => {
            let summary = json!([{"type": "summary_text", "text": text}]);
            Some(json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "x"}))
        }
        "anthropic" | "bedrock" => Some(json!({"signature": "signed"})),
        other => panic!("no reasoning state for {other}"),
    }
}

/// In this dialect content is one string, and images are separate.
fn join_text_parts(message: &mut Message) {
    let text = message.joined_text();
    let first = message.parts.iter().position(|part| part.as_text().is_some());
    let Some(first) = first else { return };
    message.parts[first] = Part::Text { text };
    let mut seen = 0;
    message.parts.retain(|part| {
        seen += usize::from(part.as_text().is_some());
        part.as_text().is_none() || seen == 1
    });
}
