//! Strategies for random requests of every kind.

use proptest::prelude::*;
use serde_json::{Value, json};
use slalom::chat::{
    Attachment, AttachmentSource, FunctionTool, JsonSchema, Message, Part, PromptCacheTtl, ReasoningEffort,
    Request, ResponseFormat, Role, TokenCount, Tool, ToolCall, ToolChoice, ToolResult,
};
use slalom::dialect::{Dialect, Quirks};

fn texts() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 .,äß€✓\"\\\\{}:\n]{1,30}"
}

fn schemas() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof!["string", "integer", "boolean"];
    prop::collection::btree_map("[a-z]{1,6}", kinds, 0..3).prop_map(|fields| {
        let properties: serde_json::Map<String, Value> =
            fields.iter().map(|(name, kind)| (name.clone(), json!({"type": kind}))).collect();
        let required: Vec<&String> = fields.keys().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    })
}

fn names() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_-]{0,63}"
}

fn tools() -> impl Strategy<Value = Vec<Tool>> {
    let described = prop::option::of("[A-Za-z ]{0,20}");
    let function = (names(), described, schemas(), any::<Option<bool>>());
    let tool = function.prop_map(|(name, description, parameters, strict)| {
        Tool::Function(FunctionTool { name, description, parameters, strict })
    });
    prop::collection::vec(tool, 0..3)
}

fn images() -> impl Strategy<Value = Part> {
    (prop_oneof!["image/png", "image/jpeg", "image/webp", "image/gif"], any::<bool>()).prop_map(
        |(media_type, url)| {
            let source = if url {
                AttachmentSource::Url("https://example.org/a.png".into())
            } else {
                AttachmentSource::Base64("iVBORw0KGgo=".into())
            };
            Part::Image(Attachment { media_type, source, name: None })
        },
    )
}

fn documents() -> impl Strategy<Value = Part> {
    (prop::option::of("[a-z ._/]{1,12}"), any::<bool>()).prop_map(|(name, url)| {
        let source = if url {
            AttachmentSource::Url("https://example.org/a.pdf".into())
        } else {
            AttachmentSource::Base64("JVBERi0=".into())
        };
        Part::Document(Attachment { media_type: "application/pdf".into(), source, name })
    })
}

fn user_turns() -> impl Strategy<Value = Message> {
    let more = (prop::option::of(images()), prop::option::of(documents()));
    (prop::collection::vec(texts(), 1..3), more).prop_map(|(texts, (picture, document))| {
        let mut turn = Message::from_texts(Role::User, texts);
        turn.parts.extend(picture);
        turn.parts.extend(document);
        turn
    })
}

/// An assistant message; if it has tool calls, also their results and a final assistant message.
fn assistant_turns(dialect: Dialect) -> impl Strategy<Value = Vec<Message>> {
    let calls = prop::collection::vec((names(), "[a-z0-9 ]{0,12}", any::<bool>()), 0..3);
    let answers = (prop::option::of("[a-z ]{1,20}"), prop::option::of(texts()), calls, texts());
    answers.prop_map(move |(reasoning, text, calls, after)| {
        let mut turn = Message { role: Role::Assistant, parts: Vec::new(), model_ref: None };
        turn.parts
            .extend(reasoning.map(|text| Part::Reasoning { state: reasoning_state(dialect, &text), text }));
        turn.parts.extend(text.or_else(|| calls.is_empty().then(|| after.clone())).map(Part::from_text));
        let mut results = Message { role: Role::User, parts: Vec::new(), model_ref: None };
        for (n, (name, value, is_error)) in calls.into_iter().enumerate() {
            let (id, arguments) = (format!("call_{n}"), json!({"x": value, "n": n}));
            turn.parts.push(Part::ToolCall(ToolCall { id: id.clone(), name: name.clone(), arguments }));
            results.parts.push(Part::ToolResult(ToolResult { call_id: id, name, content: value, is_error }));
        }
        if results.parts.is_empty() {
            return vec![turn];
        }
        vec![turn, results, Message::from_texts(Role::Assistant, [after])]
    })
}

/// The reasoning state in each vendor's format.
fn reasoning_state(dialect: Dialect, text: &str) -> Option<Value> {
    match dialect.as_str() {
        "cohere" | "ollama" => None,
        "openai-chat" => Some(json!({"field": "reasoning"})),
        "gemini" => Some(json!({"thoughtSignature": "c2lnbmVk"})),
        "openai-responses" => {
            let summary = json!([{"type": "summary_text", "text": text}]);
            Some(json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "x"}))
        }
        "anthropic" | "bedrock" => Some(json!({"signature": "signed"})),
        other => panic!("no reasoning state for {other}"),
    }
}

fn response_schemas() -> impl Strategy<Value = Option<ResponseFormat>> {
    let described = (names(), prop::option::of("[a-z ]{1,9}"), schemas(), any::<Option<bool>>());
    prop_oneof![
        Just(None),
        Just(Some(ResponseFormat::JsonObject)),
        described.prop_map(|(name, description, schema, strict)| {
            Some(ResponseFormat::JsonSchema(JsonSchema { name, description, schema, strict }))
        }),
    ]
}

/// A conversation that begins and ends with a user message, limited to the parts and parameters that the
/// dialect supports: slalom removes others before encoding.
pub(super) fn requests(
    dialect: Dialect,
    efforts: &'static [ReasoningEffort],
) -> impl Strategy<Value = Request> {
    let rounds = prop::collection::vec((user_turns(), assistant_turns(dialect)), 0..3);
    let numbers = (
        prop::option::of(0u8..=10),
        prop::option::of(0u8..=10),
        prop::option::of(2048u64..30_000),
        prop::collection::vec("[a-z]{1,5}", 0..3),
        prop::option::of(0i32..),
    );
    let more = (
        tools(),
        prop::option::of(0usize..4),
        any::<Option<bool>>(),
        response_schemas(),
        any::<prop::sample::Index>(),
    );
    let conversation = (prop::option::of(texts()), rounds, user_turns(), prop::option::of(any::<bool>()));
    (conversation, numbers, more).prop_map(move |(conversation, numbers, more)| {
        let ((system, rounds, last, cached), (temperature, top_p, max_tokens, stop, seed)) =
            (conversation, numbers);
        let (tools, choice, parallel_tool_calls, schema, effort) = more;
        let turns = rounds.into_iter().flat_map(|(user, answers)| [user].into_iter().chain(answers));
        let client = dialect.client_codec();
        let supported_parts = |mut turn: Message| {
            turn.parts.retain(|part| client.unsupported_part(part, &Quirks::default()).is_none());
            turn
        };
        let named = tools.first().and_then(Tool::as_function).map(|f| f.name.clone());
        let tool_choice = choice.zip(named).map(|(n, name)| match n {
            0 => ToolChoice::Auto,
            1 => ToolChoice::None,
            2 => ToolChoice::Required,
            _ => ToolChoice::Named(name),
        });
        let effort = efforts.get(effort.index(efforts.len() + 1)).copied();
        let ttl = |is_long| if is_long { PromptCacheTtl::OneHour } else { PromptCacheTtl::ProviderDefault };
        let mut request = Request {
            system_prompt: system,
            messages: turns.chain([last]).map(supported_parts).collect(),
            temperature: temperature.map(|t| f64::from(t) / 10.0),
            top_p: top_p.map(|p| f64::from(p) / 10.0),
            max_output_tokens: max_tokens.map(TokenCount::new),
            stop_sequences: stop,
            seed: seed.map(i64::from),
            parallel_tool_calls: parallel_tool_calls.filter(|_| !tools.is_empty()),
            tools,
            tool_choice,
            response_format: schema,
            reasoning_effort: effort,
            prompt_cache: cached.map(ttl),
            ..Request::default()
        };
        for parameter in client.unsupported_parameters() {
            request.remove_parameter(*parameter);
        }
        request
    })
}
