//! Tests of request adjustments with the models of the built-in catalog.

use std::sync::Arc;

use serde_json::json;

use super::adapt_request::RequestAdjustment;
use super::{ModelRef, Target, built_in_providers};
use crate::catalog::Catalog;
use crate::chat::{
    Attachment, AttachmentSource, JsonSchema, Message, Part, PromptCacheTtl, ReasoningEffort, Request,
    RequestParameter, ResponseFormat, Role, TokenCount, Tool, ToolCall, ToolChoice,
};
use crate::dialect::UnsupportedInput;

fn target(model: &str) -> Target {
    let model_ref: ModelRef = model.parse().unwrap();
    let row = built_in_providers().unwrap().into_iter().find(|row| row.name == model_ref.provider).unwrap();
    let set = |name: &str| match name {
        "AWS_REGION" | "GOOGLE_CLOUD_LOCATION" => Some("eu-west-1".to_owned()),
        "AWS_PROFILE" | "AWS_CONFIG_FILE" | "AWS_SHARED_CREDENTIALS_FILE" => None,
        _ => Some("x".to_owned()),
    };
    Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &set).unwrap()
}

fn adjustments_for(model: &str, change: impl FnOnce(&mut Request)) -> Vec<RequestAdjustment> {
    let mut request = Request::from_prompt("hi");
    change(&mut request);
    target(model).adjustments(&request)
}

fn function_tool() -> Tool {
    Tool::Function(crate::chat::FunctionTool {
        name: "look".into(),
        description: None,
        parameters: json!({"type": "object"}),
        strict: None,
    })
}

fn object_schema() -> ResponseFormat {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    ResponseFormat::JsonSchema(JsonSchema { name: "answer".into(), description: None, schema, strict: None })
}

#[test]
fn effort_mapping_cases() {
    let effort = |asked| move |request: &mut Request| request.reasoning_effort = Some(asked);
    let sent = |asked, sent| vec![RequestAdjustment::EffortChanged { asked, sent }];
    let dropped = vec![RequestAdjustment::Dropped(RequestParameter::ReasoningEffort)];
    for (model, asked, expected) in [
        ("openai/gpt-4.1", ReasoningEffort::High, dropped.clone()),
        // The model does not reason anyway.
        ("openai/gpt-4.1", ReasoningEffort::None, vec![]),
        ("mistral/mistral-large-latest", ReasoningEffort::High, dropped),
        ("xai/grok-4.3", ReasoningEffort::Max, sent(ReasoningEffort::Max, ReasoningEffort::High)),
        ("anthropic/claude-sonnet-4-6", ReasoningEffort::None, vec![]),
        (
            "anthropic/claude-opus-5-5",
            ReasoningEffort::None,
            sent(ReasoningEffort::None, ReasoningEffort::Low),
        ),
        (
            "gemini/gemini-3.8-flash",
            ReasoningEffort::None,
            sent(ReasoningEffort::None, ReasoningEffort::Minimal),
        ),
        ("gemini/gemini-3.8-flash", ReasoningEffort::Max, sent(ReasoningEffort::Max, ReasoningEffort::High)),
        ("gemini/gemini-2.5-flash", ReasoningEffort::None, vec![]),
        (
            "gemini/gemini-2.5-pro",
            ReasoningEffort::None,
            sent(ReasoningEffort::None, ReasoningEffort::Minimal),
        ),
        // A switch has only on and off.
        ("dashscope/qwen3-max", ReasoningEffort::Max, sent(ReasoningEffort::Max, ReasoningEffort::Medium)),
        // For an unknown model, the dialect's own levels apply.
        ("openai/gpt-9", ReasoningEffort::Max, vec![]),
    ] {
        assert_eq!(adjustments_for(model, effort(asked)), expected, "{model} {asked}");
    }
}

#[test]
fn parameters_conflicting_with_reasoning_are_dropped() {
    let clash = |request: &mut Request| {
        request.reasoning_effort = Some(ReasoningEffort::High);
        request.temperature = Some(0.2);
        request.tools = vec![function_tool()];
        request.tool_choice = Some(ToolChoice::Required);
    };
    let dropped = [
        RequestAdjustment::Dropped(RequestParameter::Temperature),
        RequestAdjustment::Dropped(RequestParameter::ToolChoice),
    ];
    assert_eq!(adjustments_for("anthropic/claude-sonnet-4-5", clash), dropped);
    // A model with effort levels alone has no visible reasoning, so nothing conflicts.
    assert_eq!(adjustments_for("anthropic/claude-opus-4-5", clash), []);
    let small = |request: &mut Request| {
        (request.reasoning_effort, request.max_output_tokens) =
            (Some(ReasoningEffort::High), Some(TokenCount::new(800)));
    };
    let dropped_effort = [RequestAdjustment::Dropped(RequestParameter::ReasoningEffort)];
    assert_eq!(adjustments_for("anthropic/claude-sonnet-4-5", small), dropped_effort);
    assert_eq!(adjustments_for("gemini/gemini-2.5-flash", small), []);
}

#[test]
fn parameter_adjustment_cases() {
    let hot = |request: &mut Request| request.temperature = Some(1.5);
    assert_eq!(adjustments_for("openai/gpt-4.1", hot), []);
    assert_eq!(
        adjustments_for("anthropic/claude-haiku-4-5", hot),
        [RequestAdjustment::TemperatureLowered { sent: 1 }]
    );
    assert_eq!(
        adjustments_for("openai/gpt-6-luna", hot),
        [RequestAdjustment::Dropped(RequestParameter::Temperature)]
    );
    let forced = |request: &mut Request| {
        request.tools = vec![function_tool()];
        request.tool_choice = Some(ToolChoice::Required);
    };
    assert_eq!(
        adjustments_for("moonshot/kimi-k3", forced),
        [RequestAdjustment::Dropped(RequestParameter::ToolChoice)]
    );
    assert_eq!(
        adjustments_for("anthropic/claude-opus-5-5", forced),
        [RequestAdjustment::Dropped(RequestParameter::ToolChoice)]
    );
    let cached = |request: &mut Request| request.prompt_cache = Some(PromptCacheTtl::ProviderDefault);
    assert_eq!(adjustments_for("anthropic/claude-haiku-4-5", cached), []);
    assert_eq!(
        adjustments_for("bedrock/us.meta.llama3-3-70b-instruct-v1:0", cached),
        [RequestAdjustment::Dropped(RequestParameter::PromptCache)]
    );
}

#[test]
fn structured_output_fallback_cases() {
    let with_schema = |request: &mut Request| request.response_format = Some(object_schema());
    let with_tools = |request: &mut Request| {
        request.response_format = Some(object_schema());
        request.tools = vec![function_tool()];
    };
    assert_eq!(adjustments_for("openai/gpt-6-luna", with_schema), []);
    assert_eq!(adjustments_for("deepseek/deepseek-chat", with_schema), [RequestAdjustment::SchemaByJsonMode]);
    assert_eq!(adjustments_for("cohere/command-a-03-2025", with_tools), [RequestAdjustment::SchemaByPrompt]);
    assert_eq!(adjustments_for("gemini/gemini-2.5-flash", with_tools), [RequestAdjustment::SchemaByPrompt]);
    assert_eq!(adjustments_for("gemini/gemini-3.8-flash", with_tools), []);
}

#[test]
fn adapted_request_drops_foreign_parts() {
    let target = target("deepseek/deepseek-chat");
    let mut request = Request::from_prompt("hi");
    request.response_format = Some(object_schema());
    let reasoning = Part::Reasoning { text: "hm".into(), state: None };
    let provider_block = Part::ProviderSpecific { block: json!({}) };
    let assistant_message = |from: &str| Message {
        role: Role::Assistant,
        parts: vec![reasoning.clone(), provider_block.clone(), Part::from_text("so")],
        model_ref: Some(from.into()),
    };
    request.messages = vec![
        Message::from_user("hi"),
        assistant_message("openai/m"),
        assistant_message("deepseek/deepseek-chat"),
    ];
    let adapted = target.adapt_request(&request, &target.adjustments(&request));
    assert!(adapted.request.system_prompt.as_ref().unwrap().contains("JSON Schema"));
    assert_eq!(adapted.request.messages[1].parts, [Part::from_text("so")]);
    assert_eq!(adapted.request.messages[2].parts.len(), 3);
    // Without adjustments the request is not copied.
    let plain = Request::from_prompt("hi");
    assert!(matches!(target.adapt_request(&plain, &[]).request, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn responses_only_model_uses_responses_dialect() {
    use crate::dialect::Dialect;
    assert_eq!(target("openai/gpt-6-luna").dialect, Dialect::named("openai-chat"));
    assert_eq!(target("openai/gpt-daybreak-blue-latest").dialect, Dialect::named("openai-responses"));
}

#[test]
fn unsupported_content_is_named() {
    let image_request = |source| {
        let image = Attachment { media_type: "image/png".into(), source, name: None };
        let message = Message { role: Role::User, parts: vec![Part::Image(image)], model_ref: None };
        Request { messages: vec![message], ..Request::default() }
    };
    let (inline, by_url) =
        (AttachmentSource::Base64("AA==".into()), AttachmentSource::Url("https://a/b.png".into()));
    assert_eq!(target("openai/gpt-4.1").unsupported_input(&image_request(inline.clone())), None);
    assert_eq!(
        target("ollama/some-model").unsupported_input(&image_request(by_url)),
        Some(UnsupportedInput::ImagesByUrl)
    );
    let called = ToolCall { id: "c".into(), name: "look".into(), arguments: json!({}) };
    let mut request = image_request(inline);
    request.messages[0].parts = vec![Part::ToolCall(called)];
    request.tools = vec![function_tool()];
    assert_eq!(target("perplexity/sonar").unsupported_input(&request), Some(UnsupportedInput::Tools));
}
