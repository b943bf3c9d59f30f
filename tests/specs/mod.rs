//! Validates encoded requests against the vendors' schemas and two of our own, which must allow every field that
//! slalom sends.

mod convert;
mod requests;
mod strict_schema;
mod vendor_schemas;

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use slalom::chat::ReasoningEffort;
use slalom::dialect::{
    ClientRequest, Dialect, EchoReasoning, EffortControl, MaxTokensField, Quirks, SystemRole,
};

use vendor_schemas::SchemaSource;

use crate::harness::dialect;
use crate::shared_folder::shared_path;

/// Encodes random requests with each of the quirks and validates the bodies. `remove_known_gaps` removes
/// fields that the API accepts but the schema lacks.
fn assert_requests_match_schema(
    dialect: Dialect,
    quirks: &[Quirks],
    efforts: &'static [ReasoningEffort],
    validator: &Validator,
    remove_known_gaps: fn(&mut Value),
) {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let run = runner.run(&requests::requests(dialect, efforts), |request| {
        for (quirks, stream) in quirks.iter().flat_map(|quirks| [(quirks, false), (quirks, true)]) {
            let call = ClientRequest {
                model: "model-1",
                request: &request,
                is_streaming: stream,
                quirks,
                provider_options: None,
            };
            let sent = dialect.client_codec().encode_request(call);
            let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
            remove_known_gaps(&mut body);
            let problems = strict_schema::schema_errors(validator, &body);
            proptest::prop_assert!(problems.is_empty(), "{}\n{body:#}", problems.join("\n"));
            for pointer in ["", "/messages/0", "/contents/0", "/input/0", "/tools/0", "/contents/0/parts/0"] {
                let mut invalid = body.clone();
                let Some(object) = invalid.pointer_mut(pointer).and_then(Value::as_object_mut) else {
                    continue;
                };
                object.insert("unknown_field".to_owned(), json!(1));
                let is_rejected = !strict_schema::schema_errors(validator, &invalid).is_empty();
                proptest::prop_assert!(is_rejected, "the schema accepts an unknown field at {pointer:?}");
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// A vendor's schema file.
fn spec_path(name: &str) -> PathBuf {
    shared_path("wire/specs").join(name)
}

/// A schema that was written for these tests.
fn written_schema_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs/written").join(name)
}

fn leave_unchanged(_: &mut Value) {}

fn schema_validator(source: &SchemaSource, root: &Value) -> Validator {
    strict_schema::validator(root, &|name| source.schema(name))
}

#[test]
fn ollama_matches_written_schema() {
    let source = SchemaSource::from_yaml(&written_schema_path("ollama.yaml"));
    let validator = schema_validator(&source, &json!({"$ref": "ChatRequest"}));
    let quirks = [Quirks::default()];
    let efforts = &ReasoningEffort::ALL;
    assert_requests_match_schema(dialect("ollama"), &quirks, efforts, &validator, leave_unchanged);
}

#[test]
fn anthropic_matches_written_schema() {
    let source = SchemaSource::from_json(&written_schema_path("anthropic.json"), "/$defs");
    let validator = schema_validator(&source, &source.sdk_root("MessageRequest"));
    let quirks = anthropic_quirks();
    let efforts = &ReasoningEffort::ALL;
    assert_requests_match_schema(dialect("anthropic"), &quirks, efforts, &validator, leave_unchanged);
}

fn anthropic_quirks() -> Vec<Quirks> {
    let controls =
        [EffortControl::Native, EffortControl::Level, EffortControl::Adaptive, EffortControl::Budget];
    controls.iter().map(|effort| Quirks { effort: *effort, ..Quirks::default() }).collect()
}

fn chat_quirks() -> Vec<Quirks> {
    let newest = Quirks {
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
        system_role: SystemRole::Developer,
        ..Quirks::default()
    };
    vec![
        Quirks::default(),
        newest,
        Quirks { content_as_string: true, no_stream_options: true, ..Quirks::default() },
    ]
}

#[test]
#[ignore = "needs ../shared"]
fn openai_chat_matches_sdk_schema() {
    let source = SchemaSource::from_json(&spec_path("openai-sdk-3.52.0-derived.schema.json"), "/$defs");
    let roots =
        ["CompletionCreateParams", "CompletionCreateParamsStreaming"].map(|name| source.sdk_root(name));
    let validator = schema_validator(&source, &json!({"anyOf": roots}));
    assert_requests_match_schema(
        dialect("openai-chat"),
        &chat_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn openai_chat_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("openai-openapi.yaml.gz"));
    let validator = schema_validator(&source, &json!({"$ref": "CreateChatCompletionRequest"}));
    assert_requests_match_schema(
        dialect("openai-chat"),
        &chat_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

fn responses_quirks() -> Vec<Quirks> {
    vec![Quirks::default(), Quirks { reasons: true, ..Quirks::default() }]
}

#[test]
#[ignore = "needs ../shared"]
fn openai_responses_matches_sdk_schema() {
    let source = SchemaSource::from_json(&spec_path("openai-sdk-3.52.0-derived.schema.json"), "/$defs");
    let validator = schema_validator(&source, &source.sdk_root("ResponseCreateParams"));
    assert_requests_match_schema(
        dialect("openai-responses"),
        &responses_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        |body| {
            // The schema covers requests without streaming only.
            assert!(body.as_object_mut().unwrap().remove("stream").is_none_or(|stream| stream == true));
        },
    );
}

#[test]
#[ignore = "needs ../shared"]
fn openai_responses_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("openai-openapi.yaml.gz"));
    let validator = schema_validator(&source, &json!({"$ref": "CreateResponse"}));
    assert_requests_match_schema(
        dialect("openai-responses"),
        &responses_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn anthropic_matches_sdk_schema() {
    let source = SchemaSource::from_json(&spec_path("anthropic-sdk-2.11.0-derived.schema.json"), "/$defs");
    let validator = schema_validator(&source, &source.sdk_root("MessageCreateParams"));
    let quirks = anthropic_quirks();
    assert_requests_match_schema(dialect("anthropic"), &quirks, &ReasoningEffort::ALL, &validator, |body| {
        // The schema is for version 2026-10-21; slalom uses 2023-06-01, which accepts these two fields.
        let fields = body.as_object_mut().unwrap();
        for name in ["temperature", "top_p"] {
            assert!(fields.remove(name).is_none_or(|number| (0.0..=1.0).contains(&number.as_f64().unwrap())));
        }
    });
}

#[test]
#[ignore = "needs ../shared"]
fn openrouter_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("openrouter-openapi.yaml"));
    let efforts = [EffortControl::Native, EffortControl::ReasoningObject];
    let with = |effort, echo_reasoning| Quirks { effort, echo_reasoning, ..Quirks::default() };
    let quirks = efforts.map(|effort| with(effort, EchoReasoning::Always));
    let validator = schema_validator(&source, &json!({"$ref": "ChatRequest"}));
    assert_requests_match_schema(
        dialect("openai-chat"),
        &quirks,
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
    let validator = schema_validator(&source, &json!({"$ref": "ResponsesRequest"}));
    assert_requests_match_schema(
        dialect("openai-responses"),
        &responses_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn gemini_matches_sdk_schema() {
    let source = SchemaSource::from_json(&spec_path("google-genai-sdk-3.4.0-derived.schema.json"), "/$defs");
    let root = |name| source.sdk_root(name);
    let body = json!({"type": "object", "required": ["contents"], "properties": {
        "contents": {"type": "array", "items": root("Content")}, "systemInstruction": root("Content"),
        "tools": {"type": "array", "items": root("Tool")}, "toolConfig": root("ToolConfig"),
        "generationConfig": root("GenerationConfig"),
    }});
    assert_requests_match_schema(
        dialect("gemini"),
        &gemini_quirks(),
        &ReasoningEffort::ALL,
        &schema_validator(&source, &body),
        leave_unchanged,
    );
}

fn gemini_quirks() -> [Quirks; 2] {
    [Quirks::default(), Quirks { effort: EffortControl::Budget, ..Quirks::default() }]
}

#[test]
#[ignore = "needs ../shared"]
fn gemini_matches_discovery_schema() {
    let source =
        SchemaSource::from_json(&spec_path("vertex-aiplatform-v1-generatecontent-subset.json"), "/schemas");
    let lookup = |name: &str| convert::from_discovery(&source.schema(name));
    let root = json!({"$ref": "GoogleCloudAiplatformV1GenerateContentRequest"});
    let validator = strict_schema::validator(&root, &lookup);
    assert_requests_match_schema(
        dialect("gemini"),
        &gemini_quirks(),
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn cohere_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("cohere-openapi.yaml"));
    let body = source.yaml_value_after("  /v2/chat:", "      requestBody:");
    let validator = schema_validator(&source, body.pointer("/content/application~1json/schema").unwrap());
    assert_requests_match_schema(
        dialect("cohere"),
        &[Quirks::default()],
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn mistral_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("mistral-openapi.yaml"));
    let validator = schema_validator(&source, &json!({"$ref": "ChatCompletionRequest"}));
    let row = slalom::provider::built_in_providers()
        .unwrap()
        .into_iter()
        .find(|row| row.name == "mistral")
        .unwrap();
    let quirks = Quirks { any_tool: true, nine_letter_call_ids: true, document_url: true, ..row.quirks };
    assert_requests_match_schema(
        dialect("openai-chat"),
        &[quirks],
        &[ReasoningEffort::None, ReasoningEffort::High],
        &validator,
        leave_unchanged,
    );
}

#[test]
#[ignore = "needs ../shared"]
fn ollama_matches_openapi_schema() {
    let source = SchemaSource::from_yaml(&spec_path("ollama-openapi.yaml"));
    let validator = schema_validator(&source, &json!({"$ref": "ChatRequest"}));
    assert_requests_match_schema(
        dialect("ollama"),
        &[Quirks::default()],
        &ReasoningEffort::ALL,
        &validator,
        |body| {
            // The server reads reasoning, call IDs, and tool names, which its spec does not list yet.
            for message in
                body["messages"].as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut)
            {
                for name in ["thinking", "tool_name", "tool_call_id"] {
                    assert!(message.remove(name).is_none_or(|value| value.is_string()));
                }
                let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten();
                calls.filter_map(Value::as_object_mut).for_each(|call| {
                    call.remove("id");
                });
            }
        },
    );
}

#[test]
#[ignore = "needs ../shared"]
fn bedrock_matches_service_model() {
    let source = SchemaSource::from_json(&spec_path("botocore-bedrock-runtime-service-2.json"), "/shapes");
    let lookup = |name: &str| convert::from_aws_shape(&source.schema(name));
    let validator = strict_schema::validator(&lookup("ConverseRequest"), &lookup);
    let controls =
        [EffortControl::Native, EffortControl::Level, EffortControl::Adaptive, EffortControl::Budget];
    let quirks: Vec<Quirks> = controls
        .iter()
        .map(|effort| Quirks { effort: *effort, cache_points: true, ..Quirks::default() })
        .collect();
    assert_requests_match_schema(
        dialect("bedrock"),
        &quirks,
        &ReasoningEffort::ALL,
        &validator,
        leave_unchanged,
    );
}
