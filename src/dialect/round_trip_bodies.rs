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

fn sent(dialect: Dialect, request: &Request) -> Value {
    let quirks = Quirks::default();
    let call = Call { model: "m", request, stream: false, quirks: &quirks, options: None };
    serde_json::from_slice(&dialect.client().encode_request(call).body).unwrap()
}

#[test]
fn a_function_asks_to_be_held_to_its_schema_only_where_it_can() {
    let parameters = json!({"type": "object", "properties": {}});
    let function =
        crate::chat::Function { name: "f".into(), description: None, parameters, strict: Some(true) };
    let request = Request { tools: vec![crate::chat::Tool::Function(function)], ..Request::prompt("q") };
    assert_eq!(sent(Dialect::OpenaiChat, &request)["tools"][0]["function"]["strict"], true);
    for dialect in [Dialect::Cohere, Dialect::Ollama] {
        let body = sent(dialect, &request);
        assert!(body["tools"][0]["function"]["strict"].is_null(), "{body}");
        // What somebody else says there all the same is passed on.
        let mut own = body;
        own["tools"][0]["function"]["strict"] = json!(true);
        assert_eq!(again(dialect, "", &own)["tools"], own["tools"]);
    }
}

#[test]
fn cohere_gets_a_share_within_its_bounds() {
    for (asked, share) in [(0.0, 0.01), (0.5, 0.5), (1.0, 0.99)] {
        let request = Request { top_p: Some(asked), ..Request::prompt("q") };
        assert_eq!(sent(Dialect::Cohere, &request)["p"], share);
    }
}

#[test]
fn what_the_model_said_goes_back_to_responses_as_text() {
    let said = crate::chat::Message::texts(crate::chat::Role::Assistant, ["a".to_owned(), "b".to_owned()]);
    let mut request = Request::prompt("q");
    request.messages.push(said);
    let body = sent(Dialect::OpenaiResponses, &request);
    assert_eq!(body["input"][1], json!({"type": "message", "role": "assistant", "content": "a"}));
    let asked = Dialect::OpenaiResponses.server().decode_request("", body.to_string().as_bytes()).unwrap();
    assert_eq!(asked.request, request);
}

/// What another model called, with an id and arguments that this vendor would not take.
fn foreign(dialect: Dialect, quirks: &Quirks) -> Value {
    use crate::chat::{Message, Role, ToolCall, ToolResult};
    let id = "call:1/with a very long tail that no vendor takes as an id, far more than sixty-four letters";
    let call = ToolCall { id: id.into(), name: "look".into(), arguments: json!("{\"x\":") };
    let result = ToolResult { call_id: id.into(), name: String::new(), content: " ".into(), is_error: true };
    let said = vec![Part::text("\n\n"), Part::text("so"), Part::ToolCall(call)];
    let request = Request {
        messages: vec![
            Message::user("hi"),
            Message { role: Role::Assistant, parts: said, from: Some("other/model".into()) },
            Message { role: Role::User, parts: vec![Part::ToolResult(result)], from: None },
        ],
        ..Request::default()
    };
    let call = Call { model: "m", request: &request, stream: false, quirks, options: None };
    serde_json::from_slice(&dialect.client().encode_request(call).body).unwrap()
}

#[test]
fn calls_of_another_model_are_made_acceptable() {
    let quirks = Quirks::default();
    let anthropic = foreign(Dialect::Anthropic, &quirks);
    let blocks = &anthropic["messages"][1]["content"];
    assert_eq!(blocks.as_array().unwrap().len(), 2, "the blank text is gone");
    let id = blocks[1]["id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{id}");
    assert_eq!(anthropic["messages"][2]["content"][0]["tool_use_id"], id);
    assert_eq!(blocks[1]["input"], json!({"input": "{\"x\":"}));
    let bedrock = foreign(Dialect::Bedrock, &quirks);
    assert_eq!(bedrock.pointer("/toolConfig/tools/0/toolSpec/name"), Some(&json!("look")));
    assert_eq!(
        bedrock.pointer("/messages/2/content/0/toolResult/content/0/text"),
        Some(&json!("(no output)"))
    );
    let gemini = foreign(Dialect::Gemini, &quirks);
    let call = gemini["contents"][1]["parts"].as_array().unwrap().last().unwrap();
    assert_eq!(call["thoughtSignature"], "skip_thought_signature_validator");
    let older = foreign(Dialect::Gemini, &Quirks { effort: EffortControl::Budget, ..Quirks::default() });
    let call = older["contents"][1]["parts"].as_array().unwrap().last().unwrap();
    assert!(call.get("thoughtSignature").is_none());
    assert_eq!(gemini.pointer("/contents/2/parts/0/functionResponse/name"), Some(&json!("look")));
    let insists = Quirks { echo_reasoning: EchoReasoning::ToolTurns, ..Quirks::default() };
    let chat = foreign(Dialect::OpenaiChat, &insists);
    assert_eq!(chat["messages"][1]["reasoning_content"], "");
    assert_eq!(chat["messages"][2]["content"], "Error:  ");
}
