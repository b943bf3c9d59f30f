//! What the client halves send, held to the vendors' own schemas: any request that a caller may make must be a body
//! that the schema takes, without a field that it does not list. Where the specs are not there (a user's clone), this
//! says so.

mod foreign;
mod requests;
mod source;
mod strict;

use jsonschema::Validator;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use slalom::chat::Effort;
use slalom::dialect::{Call, Dialect, EchoReasoning, EffortControl, MaxTokensField, Quirks, SystemRole};

use source::Source;

/// Sends many requests under each of these quirks and holds the bodies to the schema. `known` takes out of a body what
/// the schema is behind reality with.
fn hold(
    dialect: Dialect,
    quirks: &[Quirks],
    efforts: &'static [Effort],
    validator: &Validator,
    known: fn(&mut Value),
) {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let run = runner.run(&requests::requests(dialect, efforts), |request| {
        for (quirks, stream) in quirks.iter().flat_map(|quirks| [(quirks, false), (quirks, true)]) {
            let call = Call { model: "model-1", request: &request, stream, quirks, options: None };
            let sent = dialect.client().encode_request(call);
            let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
            known(&mut body);
            let problems = strict::problems(validator, &body);
            proptest::prop_assert!(problems.is_empty(), "{}\n{body:#}", problems.join("\n"));
            for place in ["", "/messages/0", "/contents/0", "/input/0", "/tools/0", "/contents/0/parts/0"] {
                let mut wrong = body.clone();
                let Some(object) = wrong.pointer_mut(place).and_then(Value::as_object_mut) else { continue };
                object.insert("unheard_of".to_owned(), json!(1));
                let noticed = !strict::problems(validator, &wrong).is_empty();
                proptest::prop_assert!(noticed, "a field that there is not, at {place:?}, is not noticed");
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn nothing(_: &mut Value) {}

fn of(source: &Source, root: &Value) -> Validator {
    strict::validator(root, &|name| source.schema(name))
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
fn openai_chat_by_the_sdk() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("openai-sdk-3.52.0-derived.schema.json"), "/$defs");
    let Source::Json(file, _) = &source else { return };
    let roots =
        ["CompletionCreateParams", "CompletionCreateParamsStreaming"].map(|name| &file["roots"][name]);
    let validator = of(&source, &json!({"anyOf": roots}));
    hold(Dialect::OpenaiChat, &chat_quirks(), &Effort::ALL, &validator, nothing);
}

#[test]
fn openai_chat_by_the_specification() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("openai-openapi.yaml.gz"));
    let validator = of(&source, &json!({"$ref": "CreateChatCompletionRequest"}));
    hold(Dialect::OpenaiChat, &chat_quirks(), &Effort::ALL, &validator, nothing);
}

fn responses_quirks() -> Vec<Quirks> {
    vec![Quirks::default(), Quirks { reasons: true, ..Quirks::default() }]
}

#[test]
fn openai_responses_by_the_sdk() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("openai-sdk-3.52.0-derived.schema.json"), "/$defs");
    let Source::Json(file, _) = &source else { return };
    let validator = of(&source, &file["roots"]["ResponseCreateParams"]);
    hold(Dialect::OpenaiResponses, &responses_quirks(), &Effort::ALL, &validator, |body| {
        // The schema is that of a request for a whole answer.
        assert!(body.as_object_mut().unwrap().remove("stream").is_none_or(|stream| stream == true));
    });
}

#[test]
fn openai_responses_by_the_specification() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("openai-openapi.yaml.gz"));
    let validator = of(&source, &json!({"$ref": "CreateResponse"}));
    hold(Dialect::OpenaiResponses, &responses_quirks(), &Effort::ALL, &validator, nothing);
}

#[test]
fn anthropic() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("anthropic-sdk-2.11.0-derived.schema.json"), "/$defs");
    let Source::Json(file, _) = &source else { return };
    let validator = of(&source, &file["roots"]["MessageCreateParams"]);
    let controls =
        [EffortControl::Native, EffortControl::Level, EffortControl::Adaptive, EffortControl::Budget];
    let quirks: Vec<Quirks> =
        controls.iter().map(|effort| Quirks { effort: *effort, ..Quirks::default() }).collect();
    hold(Dialect::Anthropic, &quirks, &Effort::ALL, &validator, |body| {
        // The schema is that of version 2026-10-21; the one that is spoken, 2023-06-01, takes these two numbers.
        let fields = body.as_object_mut().unwrap();
        for name in ["temperature", "top_p"] {
            assert!(fields.remove(name).is_none_or(|number| (0.0..=1.0).contains(&number.as_f64().unwrap())));
        }
    });
}

#[test]
fn openrouter() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("openrouter-openapi.yaml"));
    let efforts = [EffortControl::Native, EffortControl::ReasoningObject];
    let with = |effort, echo_reasoning| Quirks { effort, echo_reasoning, ..Quirks::default() };
    let quirks = efforts.map(|effort| with(effort, EchoReasoning::Always));
    let validator = of(&source, &json!({"$ref": "ChatRequest"}));
    hold(Dialect::OpenaiChat, &quirks, &Effort::ALL, &validator, nothing);
    let validator = of(&source, &json!({"$ref": "ResponsesRequest"}));
    hold(Dialect::OpenaiResponses, &responses_quirks(), &Effort::ALL, &validator, nothing);
}

#[test]
fn gemini_by_the_sdk() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("google-genai-sdk-3.4.0-derived.schema.json"), "/$defs");
    let Source::Json(file, _) = &source else { return };
    let root = |name: &str| file["roots"][name].clone();
    let body = json!({"type": "object", "required": ["contents"], "properties": {
        "contents": {"type": "array", "items": root("Content")}, "systemInstruction": root("Content"),
        "tools": {"type": "array", "items": root("Tool")}, "toolConfig": root("ToolConfig"),
        "generationConfig": root("GenerationConfig"),
    }});
    hold(Dialect::Gemini, &gemini_quirks(), &Effort::ALL, &of(&source, &body), nothing);
}

fn gemini_quirks() -> [Quirks; 2] {
    [Quirks::default(), Quirks { effort: EffortControl::Budget, ..Quirks::default() }]
}

#[test]
fn gemini_by_the_discovery_document() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("vertex-aiplatform-v1-generatecontent-subset.json"), "/schemas");
    let lookup = |name: &str| foreign::of_discovery(&source.schema(name));
    let root = json!({"$ref": "GoogleCloudAiplatformV1GenerateContentRequest"});
    let validator = strict::validator(&root, &lookup);
    hold(Dialect::Gemini, &gemini_quirks(), &Effort::ALL, &validator, nothing);
}

#[test]
fn cohere() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("cohere-openapi.yaml"));
    let body = source.below("  /v2/chat:", "      requestBody:");
    let validator = of(&source, body.pointer("/content/application~1json/schema").unwrap());
    hold(Dialect::Cohere, &[Quirks::default()], &Effort::ALL, &validator, nothing);
}

#[test]
fn mistral() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("mistral-openapi.yaml"));
    let validator = of(&source, &json!({"$ref": "ChatCompletionRequest"}));
    let row = slalom::provider::built_in_providers().into_iter().find(|row| row.name == "mistral").unwrap();
    let quirks = Quirks { any_tool: true, nine_letter_call_ids: true, document_url: true, ..row.quirks };
    hold(Dialect::OpenaiChat, &[quirks], &[Effort::None, Effort::High], &validator, nothing);
}

#[test]
fn ollama() {
    let Some(folder) = source::folder() else { return };
    let source = Source::yaml(&folder.join("ollama-openapi.yaml"));
    let validator = of(&source, &json!({"$ref": "ChatRequest"}));
    hold(Dialect::Ollama, &[Quirks::default()], &Effort::ALL, &validator, |body| {
        // The server reads thoughts, ids of calls and names of tools, which its specification does not tell of yet.
        for message in body["messages"].as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut) {
            for name in ["thinking", "tool_name", "tool_call_id"] {
                assert!(message.remove(name).is_none_or(|value| value.is_string()));
            }
            let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten();
            calls.filter_map(Value::as_object_mut).for_each(|call| {
                call.remove("id");
            });
        }
    });
}

#[test]
fn bedrock() {
    let Some(folder) = source::folder() else { return };
    let source = Source::json(&folder.join("botocore-bedrock-runtime-service-2.json"), "/shapes");
    let lookup = |name: &str| foreign::of_shape(&source.schema(name));
    let validator = strict::validator(&lookup("ConverseRequest"), &lookup);
    let controls =
        [EffortControl::Native, EffortControl::Level, EffortControl::Adaptive, EffortControl::Budget];
    let quirks: Vec<Quirks> = controls
        .iter()
        .map(|effort| Quirks { effort: *effort, cache_points: true, ..Quirks::default() })
        .collect();
    hold(Dialect::Bedrock, &quirks, &Effort::ALL, &validator, nothing);
}
