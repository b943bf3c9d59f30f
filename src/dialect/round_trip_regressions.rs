//! Regression tests: bodies that once lost a field between the two halves.

use serde_json::{Value, json};

use super::*;
use crate::chat::{Part, Request};

fn decode_then_encode(dialect: Dialect, path: &str, body: &Value) -> Value {
    let decoded = dialect.server_codec().decode_request(path, body.to_string().as_bytes()).unwrap();
    let quirks = Quirks { echo_reasoning: EchoReasoning::Always, ..Quirks::default() };
    let encoded = dialect.client_codec().encode_request(ClientRequest {
        model: &decoded.model,
        request: &decoded.request,
        is_streaming: decoded.is_streaming,
        quirks: &quirks,
        provider_options: Some(&decoded.provider_options),
    });
    serde_json::from_slice(&encoded.body).unwrap()
}

#[test]
fn cache_control_on_single_text_is_kept() {
    let marked = json!([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]);
    let messages = json!([{"role": "user", "content": marked}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    assert_eq!(decode_then_encode(Dialect::named("anthropic"), "", &body), body);
    assert_eq!(decode_then_encode(Dialect::named("openai-chat"), "", &body), body);
}

#[test]
fn effort_does_not_enable_thinking() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let level =
        json!({"model": "m", "max_tokens": 9, "messages": messages, "output_config": {"effort": "high"}});
    assert_eq!(decode_then_encode(Dialect::named("anthropic"), "", &level), level);
    let mut both = level;
    both["thinking"] = json!({"type": "adaptive"});
    assert_eq!(decode_then_encode(Dialect::named("anthropic"), "", &both), both);
    let decoded =
        Dialect::named("anthropic").server_codec().decode_request("", both.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.request.reasoning_effort, Some(crate::chat::ReasoningEffort::High));
}

#[test]
fn unexpected_role_is_kept() {
    let messages_with = |name: &str| json!([{"role": "user", name: [{"text": "a"}]}, {"role": "system", name: [{"text": "b"}]}]);
    let gemini = json!({"contents": messages_with("parts")});
    assert_eq!(decode_then_encode(Dialect::named("gemini"), "/models/m:generateContent", &gemini), gemini);
    let bedrock = json!({"messages": messages_with("content")});
    assert_eq!(decode_then_encode(Dialect::named("bedrock"), "/model/m/converse", &bedrock), bedrock);
    let messages = json!([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]);
    let anthropic = json!({"model": "m", "max_tokens": 9, "messages": messages});
    assert_eq!(decode_then_encode(Dialect::named("anthropic"), "", &anthropic), anthropic);
}

#[test]
fn reasoning_keeps_its_original_fields() {
    for message in [
        json!({"role": "assistant", "content": "a", "reasoning_content": "b", "reasoning": "b"}),
        json!({"role": "assistant", "content": "a", "reasoning_content": ""}),
    ] {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}, message]});
        assert_eq!(decode_then_encode(Dialect::named("openai-chat"), "", &body), body);
    }
}

#[test]
fn gemini_tools_are_unchanged() {
    let open = json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}});
    let function = json!({"name": "f", "description": "d", "parametersJsonSchema": open});
    let tools = json!([{"googleSearch": {}}, {"functionDeclarations": [function]}]);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}], "tools": tools});
    assert_eq!(decode_then_encode(Dialect::named("gemini"), "/models/m:generateContent", &body), body);
}

fn encode_body(dialect: Dialect, request: &Request) -> Value {
    let quirks = Quirks::default();
    let call =
        ClientRequest { model: "m", request, is_streaming: false, quirks: &quirks, provider_options: None };
    serde_json::from_slice(&dialect.client_codec().encode_request(call).body).unwrap()
}

#[test]
fn strict_is_sent_only_where_supported() {
    let parameters = json!({"type": "object", "properties": {}});
    let function =
        crate::chat::FunctionTool { name: "f".into(), description: None, parameters, strict: Some(true) };
    let request = Request { tools: vec![crate::chat::Tool::Function(function)], ..Request::from_prompt("q") };
    assert_eq!(encode_body(Dialect::named("openai-chat"), &request)["tools"][0]["function"]["strict"], true);
    for dialect in [Dialect::named("cohere"), Dialect::named("ollama")] {
        let body = encode_body(dialect, &request);
        assert!(body["tools"][0]["function"]["strict"].is_null(), "{body}");
        // A client that sends `strict` anyway gets it passed on.
        let mut with_strict = body;
        with_strict["tools"][0]["function"]["strict"] = json!(true);
        assert_eq!(decode_then_encode(dialect, "", &with_strict)["tools"], with_strict["tools"]);
    }
}

#[test]
fn cohere_top_p_is_clamped() {
    for (top_p, expected) in [(0.0, 0.01), (0.5, 0.5), (1.0, 0.99)] {
        let request = Request { top_p: Some(top_p), ..Request::from_prompt("q") };
        assert_eq!(encode_body(Dialect::named("cohere"), &request)["p"], expected);
    }
}

#[test]
fn responses_joins_assistant_text_parts() {
    let message =
        crate::chat::Message::from_texts(crate::chat::Role::Assistant, ["a".to_owned(), "b".to_owned()]);
    let mut request = Request::from_prompt("q");
    request.messages.push(message);
    let body = encode_body(Dialect::named("openai-responses"), &request);
    assert_eq!(body["input"][1], json!({"type": "message", "role": "assistant", "content": "a"}));
    let decoded = Dialect::named("openai-responses")
        .server_codec()
        .decode_request("", body.to_string().as_bytes())
        .unwrap();
    assert_eq!(decoded.request, request);
}

/// A call of another model, whose ID and arguments this provider would reject.
fn encode_foreign_call(dialect: Dialect, quirks: &Quirks) -> Value {
    use crate::chat::{Message, Role, ToolCall, ToolResult};
    let id = "call:1/with a very long tail that no vendor takes as an id, far more than sixty-four letters";
    let call = ToolCall { id: id.into(), name: "look".into(), arguments: json!("{\"x\":") };
    let result = ToolResult { call_id: id.into(), name: String::new(), content: " ".into(), is_error: true };
    let assistant_parts = vec![Part::from_text("\n\n"), Part::from_text("so"), Part::ToolCall(call)];
    let request = Request {
        messages: vec![
            Message::from_user("hi"),
            Message { role: Role::Assistant, parts: assistant_parts, model_ref: Some("other/model".into()) },
            Message { role: Role::User, parts: vec![Part::ToolResult(result)], model_ref: None },
        ],
        ..Request::default()
    };
    let call =
        ClientRequest { model: "m", request: &request, is_streaming: false, quirks, provider_options: None };
    serde_json::from_slice(&dialect.client_codec().encode_request(call).body).unwrap()
}

#[test]
fn foreign_tool_calls_are_adapted() {
    let quirks = Quirks::default();
    let anthropic = encode_foreign_call(Dialect::named("anthropic"), &quirks);
    let blocks = &anthropic["messages"][1]["content"];
    assert_eq!(blocks.as_array().unwrap().len(), 2, "blank text is removed");
    let id = blocks[1]["id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id}");
    assert_eq!(anthropic["messages"][2]["content"][0]["tool_use_id"], id);
    assert_eq!(blocks[1]["input"], json!({"input": "{\"x\":"}));
    let bedrock = encode_foreign_call(Dialect::named("bedrock"), &quirks);
    assert_eq!(bedrock.pointer("/toolConfig/tools/0/toolSpec/name"), Some(&json!("look")));
    assert_eq!(
        bedrock.pointer("/messages/2/content/0/toolResult/content/0/text"),
        Some(&json!("(no output)"))
    );
    let gemini = encode_foreign_call(Dialect::named("gemini"), &quirks);
    let call = gemini["contents"][1]["parts"].as_array().unwrap().last().unwrap();
    assert_eq!(call["thoughtSignature"], "skip_thought_signature_validator");
    let older = encode_foreign_call(
        Dialect::named("gemini"),
        &Quirks { effort: EffortControl::Budget, ..Quirks::default() },
    );
    let call = older["contents"][1]["parts"].as_array().unwrap().last().unwrap();
    assert!(call.get("thoughtSignature").is_none());
    assert_eq!(gemini.pointer("/contents/2/parts/0/functionResponse/name"), Some(&json!("look")));
    let requires_reasoning = Quirks { echo_reasoning: EchoReasoning::ToolTurns, ..Quirks::default() };
    let chat = encode_foreign_call(Dialect::named("openai-chat"), &requires_reasoning);
    assert_eq!(chat["messages"][1]["reasoning_content"], "");
    assert_eq!(chat["messages"][2]["content"], "Error:  ");
}
