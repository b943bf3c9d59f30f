//! Bodies that once lost something between the two halves: each must come out as it went in.

use serde_json::{Value, json};

use super::*;

fn again(dialect: Dialect, path: &str, body: &Value) -> Value {
    let asked = dialect.server().decode_request(path, body.to_string().as_bytes()).unwrap();
    let quirks = Quirks { echo_reasoning: EchoReasoning::Always, ..Quirks::default() };
    let written = dialect.client().encode_request(Call {
        model: &asked.model,
        request: &asked.request,
        stream: asked.stream,
        quirks: &quirks,
        options: Some(&asked.options),
    });
    serde_json::from_slice(&written.body).unwrap()
}

#[test]
fn a_mark_on_a_lone_text_stays() {
    let marked = json!([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]);
    let messages = json!([{"role": "user", "content": marked}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    assert_eq!(again(Dialect::Anthropic, "", &body), body);
    assert_eq!(again(Dialect::OpenaiChat, "", &body), body);
}

#[test]
fn a_level_without_thinking_switches_none_on() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let level =
        json!({"model": "m", "max_tokens": 9, "messages": messages, "output_config": {"effort": "high"}});
    assert_eq!(again(Dialect::Anthropic, "", &level), level);
    let mut both = level;
    both["thinking"] = json!({"type": "adaptive"});
    assert_eq!(again(Dialect::Anthropic, "", &both), both);
    let asked = Dialect::Anthropic.server().decode_request("", both.to_string().as_bytes()).unwrap();
    assert_eq!(asked.request.effort, Some(crate::chat::Effort::High));
}

#[test]
fn a_turn_of_an_unknown_speaker_stays_its_own() {
    let turns = |name: &str| json!([{"role": "user", name: [{"text": "a"}]}, {"role": "system", name: [{"text": "b"}]}]);
    let gemini = json!({"contents": turns("parts")});
    assert_eq!(again(Dialect::Gemini, "/models/m:generateContent", &gemini), gemini);
    let bedrock = json!({"messages": turns("content")});
    assert_eq!(again(Dialect::Bedrock, "/model/m/converse", &bedrock), bedrock);
    let messages = json!([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]);
    let anthropic = json!({"model": "m", "max_tokens": 9, "messages": messages});
    assert_eq!(again(Dialect::Anthropic, "", &anthropic), anthropic);
}

#[test]
fn thoughts_go_back_in_every_field_they_came_in() {
    for said in [
        json!({"role": "assistant", "content": "a", "reasoning_content": "b", "reasoning": "b"}),
        json!({"role": "assistant", "content": "a", "reasoning_content": ""}),
    ] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}, said]});
        assert_eq!(again(Dialect::OpenaiChat, "", &body), body);
    }
}

#[test]
fn gemini_tools_keep_their_order_and_open_parameters() {
    let open = json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}});
    let function = json!({"name": "f", "description": "d", "parametersJsonSchema": open});
    let tools = json!([{"googleSearch": {}}, {"functionDeclarations": [function]}]);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}], "tools": tools});
    assert_eq!(again(Dialect::Gemini, "/models/m:generateContent", &body), body);
}
