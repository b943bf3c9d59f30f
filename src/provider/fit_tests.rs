//! What models get otherwise than it was asked for, by the shipped facts about them.

use std::sync::Arc;

use serde_json::json;

use super::fit::Adjustment;
use super::{ModelRef, Target, built_in_providers};
use crate::catalog::Catalog;
use crate::chat::{
    CacheLifetime, Effort, JsonSchema, Media, Message, Parameter, Part, Request, Role, Schema, Source, Tool,
    ToolCall, ToolChoice,
};

fn target(model: &str) -> Target {
    let model_ref: ModelRef = model.parse().unwrap();
    let row = built_in_providers().into_iter().find(|row| row.name == model_ref.provider).unwrap();
    let set = |name: &str| match name {
        "AWS_REGION" | "GOOGLE_CLOUD_LOCATION" => Some("eu-west-1".to_owned()),
        "AWS_PROFILE" | "AWS_CONFIG_FILE" | "AWS_SHARED_CREDENTIALS_FILE" => None,
        _ => Some("x".to_owned()),
    };
    Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &set).unwrap()
}

fn adjusted(model: &str, change: impl FnOnce(&mut Request)) -> Vec<Adjustment> {
    let mut request = Request::prompt("hi");
    change(&mut request);
    target(model).adjustments(&request)
}

fn tool() -> Tool {
    Tool::Function(crate::chat::Function {
        name: "look".into(),
        description: None,
        parameters: json!({"type": "object"}),
        strict: None,
    })
}

fn schema() -> Schema {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    Schema::Described(JsonSchema { name: "answer".into(), description: None, schema, strict: None })
}

#[test]
fn effort_is_brought_to_what_each_model_has() {
    let effort = |asked| move |request: &mut Request| request.effort = Some(asked);
    let sent = |asked, sent| vec![Adjustment::Effort { asked, sent }];
    let dropped = vec![Adjustment::Dropped(Parameter::Effort)];
    for (model, asked, expected) in [
        ("openai/gpt-4.1", Effort::High, dropped.clone()),
        // Not to think is what it does anyway.
        ("openai/gpt-4.1", Effort::None, vec![]),
        ("mistral/mistral-large-latest", Effort::High, dropped),
        ("xai/grok-4.3", Effort::Max, sent(Effort::Max, Effort::High)),
        ("anthropic/claude-sonnet-4-6", Effort::None, vec![]),
        ("anthropic/claude-opus-5-5", Effort::None, sent(Effort::None, Effort::Low)),
        ("gemini/gemini-3.8-flash", Effort::None, sent(Effort::None, Effort::Minimal)),
        ("gemini/gemini-3.8-flash", Effort::Max, sent(Effort::Max, Effort::High)),
        ("gemini/gemini-2.5-flash", Effort::None, vec![]),
        ("gemini/gemini-2.5-pro", Effort::None, sent(Effort::None, Effort::Minimal)),
        // A switch knows on and off.
        ("dashscope/qwen3-max", Effort::Max, sent(Effort::Max, Effort::Medium)),
        // A model of this morning is taken at the dialect's word.
        ("openai/gpt-9", Effort::Max, vec![]),
    ] {
        assert_eq!(adjusted(model, effort(asked)), expected, "{model} {asked}");
    }
}

#[test]
fn what_clashes_with_thinking_is_left_out() {
    let clash = |request: &mut Request| {
        request.effort = Some(Effort::High);
        request.temperature = Some(0.2);
        request.tools = vec![tool()];
        request.tool_choice = Some(ToolChoice::Required);
    };
    let dropped = [Adjustment::Dropped(Parameter::Temperature), Adjustment::Dropped(Parameter::ToolChoice)];
    assert_eq!(adjusted("anthropic/claude-sonnet-4-5", clash), dropped);
    // With a level alone nothing is thought aloud, and nothing clashes.
    assert_eq!(adjusted("anthropic/claude-opus-4-5", clash), []);
    let small =
        |request: &mut Request| (request.effort, request.max_tokens) = (Some(Effort::High), Some(800));
    let no_room = [Adjustment::Dropped(Parameter::Effort)];
    assert_eq!(adjusted("anthropic/claude-sonnet-4-5", small), no_room);
    assert_eq!(adjusted("gemini/gemini-2.5-flash", small), []);
}

#[test]
fn parameters_are_dropped_or_cooled() {
    let hot = |request: &mut Request| request.temperature = Some(1.5);
    assert_eq!(adjusted("openai/gpt-4.1", hot), []);
    assert_eq!(adjusted("anthropic/claude-haiku-4-5", hot), [Adjustment::Cooled { sent: 1 }]);
    assert_eq!(adjusted("openai/gpt-6-luna", hot), [Adjustment::Dropped(Parameter::Temperature)]);
    let forced = |request: &mut Request| {
        request.tools = vec![tool()];
        request.tool_choice = Some(ToolChoice::Required);
    };
    assert_eq!(adjusted("moonshot/kimi-k3", forced), [Adjustment::Dropped(Parameter::ToolChoice)]);
    assert_eq!(adjusted("anthropic/claude-opus-5-5", forced), [Adjustment::Dropped(Parameter::ToolChoice)]);
    let cached = |request: &mut Request| request.cache = Some(CacheLifetime::Short);
    assert_eq!(adjusted("anthropic/claude-haiku-4-5", cached), []);
    assert_eq!(
        adjusted("bedrock/us.meta.llama3-3-70b-instruct-v1:0", cached),
        [Adjustment::Dropped(Parameter::Cache)]
    );
}

#[test]
fn shapes_are_asked_for_in_a_way_that_is_taken() {
    let shaped = |request: &mut Request| request.schema = Some(schema());
    let beside_tools = |request: &mut Request| {
        request.schema = Some(schema());
        request.tools = vec![tool()];
    };
    assert_eq!(adjusted("openai/gpt-6-luna", shaped), []);
    assert_eq!(adjusted("deepseek/deepseek-chat", shaped), [Adjustment::ShapeByJson]);
    assert_eq!(adjusted("cohere/command-a-03-2025", beside_tools), [Adjustment::ShapeByPrompt]);
    assert_eq!(adjusted("gemini/gemini-2.5-flash", beside_tools), [Adjustment::ShapeByPrompt]);
    assert_eq!(adjusted("gemini/gemini-3.8-flash", beside_tools), []);
}

#[test]
fn a_fitted_request_has_the_adjustments_and_nothing_foreign() {
    let target = target("deepseek/deepseek-chat");
    let mut request = Request::prompt("hi");
    request.schema = Some(schema());
    let thought = Part::Reasoning { text: "hm".into(), state: None };
    let own = Part::Own { block: json!({}) };
    let said = |from: &str| Message {
        role: Role::Assistant,
        parts: vec![thought.clone(), own.clone(), Part::text("so")],
        from: Some(from.into()),
    };
    request.messages = vec![Message::user("hi"), said("openai/m"), said("deepseek/deepseek-chat")];
    let fitted = target.fitted(&request, &target.adjustments(&request));
    assert!(fitted.request.system.as_ref().unwrap().contains("JSON Schema"));
    assert_eq!(fitted.request.messages[1].parts, [Part::text("so")]);
    assert_eq!(fitted.request.messages[2].parts.len(), 3);
    // Nothing to adjust, nothing to copy.
    let plain = Request::prompt("hi");
    assert!(matches!(target.fitted(&plain, &[]).request, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn models_that_only_answer_elsewhere_are_asked_there() {
    use crate::dialect::Dialect;
    assert_eq!(target("openai/gpt-6-luna").dialect, Dialect::OpenaiChat);
    assert_eq!(target("openai/gpt-daybreak-blue-latest").dialect, Dialect::OpenaiResponses);
}

#[test]
fn what_cannot_be_given_at_all_is_named() {
    let picture = |source| {
        let image = Media { media_type: "image/png".into(), source, name: None };
        let turn = Message { role: Role::User, parts: vec![Part::Image(image)], from: None };
        Request { messages: vec![turn], ..Request::default() }
    };
    let (here, there) = (Source::Data("AA==".into()), Source::Url("https://a/b.png".into()));
    assert_eq!(target("openai/gpt-4.1").cannot_take(&picture(here.clone())), None);
    assert_eq!(target("ollama/some-model").cannot_take(&picture(there)), Some("pictures by URL"));
    let called = ToolCall { id: "c".into(), name: "look".into(), arguments: json!({}) };
    let mut request = picture(here);
    request.messages[0].parts = vec![Part::ToolCall(called)];
    request.tools = vec![tool()];
    assert_eq!(target("perplexity/sonar").cannot_take(&request), Some("tools"));
}
