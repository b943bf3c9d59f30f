//! Request flags: tools, JSON Schema, attachments, effort, caching, and provider options; and `slalom embed`.

use serde_json::{Value, json};

use crate::harness::{CliHarness, CliOutput};
use crate::test_host::TestHost;

const DIALECTS: [&str; 7] =
    ["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-cohere", "sim-ollama", "sim-bedrock"];

const TOOLS: &str = r#"[{"name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"], "additionalProperties": false}}]"#;

const SCHEMA: &str = r#"{"type": "object", "properties": {"city": {"type": "string"}, "warm": {"type": "boolean"}},
    "required": ["city", "warm"], "additionalProperties": false}"#;

/// The envelope without provider, model, times, and IDs.
fn comparable_envelope(envelope: &Value) -> Value {
    let calls: Vec<Value> = envelope["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| json!([call["name"], call["arguments"]]))
        .collect();
    let usage = &envelope["usage"];
    json!({
        "text": envelope["text"], "reasoning": envelope["reasoning"], "calls": calls,
        "finish_reason": envelope["finish_reason"], "input": usage["input_tokens"], "output": usage["output_tokens"],
        "unexpected": envelope["unexpected"], "citations": envelope["citations"], "error": envelope["error"],
        "failovers": envelope["failovers"], "simulated": envelope["simulated"], "schema": envelope["schema"],
    })
}

/// Continues the conversation until the model calls no more tools. Returns the comparable part of each
/// envelope.
fn run_tool_conversation(cli: &CliHarness, model: &str, stream: bool) -> Vec<Value> {
    let mut messages = vec![json!({"role": "user", "content": "Will it be warm?"})];
    let mut seen = Vec::new();
    loop {
        let file = cli.path("messages.json");
        std::fs::write(&file, json!(messages).to_string()).unwrap();
        let mut arguments =
            vec!["ask", "-m", model, "--tools", "tools.json", "--messages", "messages.json", "--json"];
        arguments.extend((!stream).then_some("--no-stream"));
        let envelope = cli.run(&arguments).assert_exit_code(0).json();
        seen.push(comparable_envelope(&envelope));
        assert!(seen.len() < 10, "{model} does not stop calling tools");
        let calls = envelope["tool_calls"].as_array().unwrap().clone();
        if calls.is_empty() {
            assert_eq!(envelope["message"]["from"], model);
            return seen;
        }
        messages.push(envelope["message"].clone());
        let result =
            |call: &Value| json!({"type": "tool_result", "call_id": call["id"], "content": "21 degrees"});
        let results: Vec<Value> = calls.iter().map(result).collect();
        messages.push(json!({"role": "user", "content": results}));
    }
}

/// The simulator requires a result for every call and, where the vendor signs reasoning, the reasoning of
/// each turn.
#[test]
fn five_tool_turns_match_across_dialects() {
    let cli = CliHarness::new().with_file("tools.json", TOOLS);
    let expected = run_tool_conversation(&cli, "sim-anthropic/tool-caller", true);
    assert_eq!(expected.len(), 6);
    for (turn, envelope) in expected[..5].iter().enumerate() {
        let call = json!(["get_weather", {"city": format!("turn {}", turn + 1), "days": 1}]);
        assert_eq!((&envelope["calls"], &envelope["finish_reason"]), (&json!([call]), &json!("tool_calls")));
    }
    assert_eq!(expected[5]["text"], "5 tool calls came back.");
    for provider in DIALECTS {
        for stream in [true, false] {
            let envelopes = run_tool_conversation(&cli, &format!("{provider}/tool-caller"), stream);
            assert_eq!(envelopes, expected, "{provider}, streamed: {stream}");
        }
    }
}

#[test]
fn incomplete_tool_conversation_is_rejected() {
    let call = json!({"type": "tool_call", "id": "call_anthropic_1", "name": "get_weather", "arguments": {}});
    let reasoning = json!({"type": "reasoning", "text": "hm", "state": {"signature": "somebody else's"}});
    let result = json!({"type": "tool_result", "call_id": "call_anthropic_1", "content": "21"});
    let user = json!({"role": "user", "content": "Warm?"});
    let ask = |parts: Value, results: Value, code: i32, expected: &str| {
        let messages =
            json!([user, {"role": "assistant", "content": parts}, {"role": "user", "content": results}]);
        let cli = CliHarness::new()
            .with_file("tools.json", TOOLS)
            .with_file("messages.json", &messages.to_string());
        let arguments = [
            "ask",
            "-m",
            "sim-anthropic/tool-caller",
            "--tools",
            "tools.json",
            "--messages",
            "messages.json",
        ];
        cli.run(&arguments).assert_exit_code(code).assert_stderr_contains(&[expected]);
    };
    let rejected = |parts: Value, results: Value, expected: &str| ask(parts, results, 3, expected);
    let invalid = |parts: Value, results: Value, expected: &str| ask(parts, results, 2, expected);
    rejected(json!([call]), json!([result]), "the reasoning before tool call 1 was not sent back");
    rejected(json!([reasoning, call]), json!([result]), "the reasoning before tool call 1 was not sent back");
    let reasoning = json!({"type": "reasoning", "state": {"signature": "simulated-thoughts-1"}});
    invalid(
        json!([reasoning, call]),
        json!("21"),
        "no result for the preceding tool call `call_anthropic_1`",
    );
}

#[test]
fn reasoning_of_other_models_is_not_sent() {
    let messages = json!([
        {"role": "user", "content": "Warm?"},
        {"role": "assistant", "from": "anthropic/claude", "content": [
            {"type": "reasoning", "text": "secret thoughts", "state": {"signature": "x"}},
            {"type": "own", "block": {"type": "server_tool_use"}}, {"type": "text", "text": "Yes."}]},
    ]);
    let body = sent_body("anthropic", &["--messages", "messages.json", "And then?"], &messages);
    assert_eq!(body["messages"][1]["content"], "Yes.");
    assert_eq!(body["messages"][2]["content"], "And then?");
}

fn ask_with_schema(cli: &CliHarness, provider: &str, more: &[&str]) -> CliOutput {
    let model = format!("{provider}/good");
    let mut arguments = vec!["ask", "-m", &model, "--schema", "schema.json"];
    arguments.extend(more);
    arguments.push("Is Rome warm?");
    cli.run(&arguments)
}

#[test]
fn answer_is_validated_for_every_schema_mode() {
    for mode in ["native", "tool", "prompt", "json_object"] {
        let mut routes = "version: 1\nproviders:\n".to_owned();
        for provider in DIALECTS {
            routes.push_str(&format!("  {provider}: {{quirks: {{schema: {mode}}}}}\n"));
        }
        let cli = CliHarness::new().with_file("schema.json", SCHEMA).with_file("routes.yaml", &routes);
        for provider in DIALECTS {
            for stream in [&["--json"][..], &["--json", "--no-stream"]] {
                let output = ask_with_schema(&cli, provider, stream);
                // The simulator ignores a schema that is only in the prompt, so validation must fail.
                let by_tool = mode == "tool" && provider != "sim-ollama";
                let by_json = mode == "json_object" && matches!(provider, "sim-openai");
                if mode == "native" || by_tool || mode == "json_object" && !by_json {
                    let envelope = output.assert_exit_code(0).json();
                    assert_eq!(
                        envelope["structured"],
                        json!({"city": "simulated", "warm": true}),
                        "{provider}"
                    );
                    assert_eq!(envelope["finish_reason"], "stop", "{provider} {mode}");
                    assert!(envelope["tool_calls"].as_array().unwrap().is_empty(), "{provider}");
                } else {
                    let envelope = output.assert_exit_code(1).json();
                    assert!(envelope["structured"].is_null(), "{provider}");
                    assert!(envelope["schema_error"].is_string(), "{provider} {mode}");
                }
            }
        }
    }
}

#[test]
fn answer_violating_schema_exits_1() {
    let schema = r#"{"type": "object", "properties": {"year": {"type": "string", "pattern": "^[0-9]{4}$"}}}"#;
    let cli = CliHarness::new().with_file("schema.json", schema);
    let output = ask_with_schema(&cli, "sim-gemini", &[]).assert_exit_code(1);
    assert_eq!(output.stdout, "{\"year\":\"simulated\"}\n");
    output.assert_stderr_contains(&["error: the answer does not match the schema", "at /year", "hint:"]);
    cli.run(&["compare", "-m", "sim-openai/good,sim-gemini/good", "--schema", "schema.json", "hi"])
        .assert_exit_code(1);
}

/// The request body that a host of this dialect receives.
fn sent_body(dialect: &str, arguments: &[&str], messages: &Value) -> Value {
    let host = TestHost::start(vec![("POST ", 500, "{}".into())]);
    let routes = format!(
        "version: 1\nproviders:\n  host: {{dialect: {dialect}, base_url: '{}', auth: none}}\nroutes:\n  r: {{candidates: [host/m], retry: {{retries: 0}}}}\n",
        host.url
    );
    let cli = CliHarness::new()
        .with_file("routes.yaml", &routes)
        .with_file("tools.json", TOOLS)
        .with_file("schema.json", SCHEMA)
        .with_file("messages.json", &messages.to_string());
    std::fs::write(cli.path("dot.png"), PNG).unwrap();
    std::fs::write(cli.path("page.pdf"), "%PDF-1.4 page").unwrap();
    let path = cli.path("routes.yaml");
    let mut all = vec!["--config", path.to_str().unwrap(), "ask", "-m", "route:r", "--no-stream"];
    all.extend(arguments);
    cli.run(&all).assert_exit_code(3);
    let requests = host.requests();
    assert_eq!(requests.len(), 1);
    serde_json::from_str(requests[0].split_once("\r\n\r\n").unwrap().1).unwrap()
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";
const PNG_BASE64: &str = "iVBORw0KGgouLi4u";

#[test]
fn attachments_are_encoded_per_dialect() {
    let arguments = ["-f", "dot.png", "-f", "page.pdf", "What is this?"];
    let body = |dialect: &str| sent_body(dialect, &arguments, &json!([]));
    let data = format!("data:image/png;base64,{PNG_BASE64}");
    let chat = body("openai-chat");
    assert_eq!(chat.pointer("/messages/0/content/0/image_url/url"), Some(&json!(data)));
    assert_eq!(chat.pointer("/messages/0/content/1/file/filename"), Some(&json!("page.pdf")));
    assert_eq!(chat.pointer("/messages/0/content/2/text"), Some(&json!("What is this?")));
    let responses = body("openai-responses");
    assert_eq!(responses.pointer("/input/0/content/0/image_url"), Some(&json!(data)));
    assert_eq!(responses.pointer("/input/0/content/1/type"), Some(&json!("input_file")));
    let anthropic = body("anthropic");
    assert_eq!(anthropic.pointer("/messages/0/content/0/source/data"), Some(&json!(PNG_BASE64)));
    assert_eq!(anthropic.pointer("/messages/0/content/1/source/media_type"), Some(&json!("application/pdf")));
    let gemini = body("gemini");
    assert_eq!(gemini.pointer("/contents/0/parts/0/inlineData/mimeType"), Some(&json!("image/png")));
    assert_eq!(gemini.pointer("/contents/0/parts/1/inlineData/mimeType"), Some(&json!("application/pdf")));
    let bedrock = body("bedrock");
    assert_eq!(bedrock.pointer("/messages/0/content/0/image/format"), Some(&json!("png")));
    assert_eq!(bedrock.pointer("/messages/0/content/1/document/name"), Some(&json!("page pdf")));
    let by_url = sent_body("openai-chat", &["-f", "https://example.org/cat.jpg", "What?"], &json!([]));
    assert_eq!(
        by_url.pointer("/messages/0/content/0/image_url/url"),
        Some(&json!("https://example.org/cat.jpg"))
    );
}

#[test]
fn candidate_without_document_support_is_skipped() {
    let cli = CliHarness::new();
    std::fs::write(cli.path("page.pdf"), "%PDF-1.4 page").unwrap();
    let output =
        cli.run(&["ask", "-m", "sim-cohere/good", "-f", "page.pdf", "hi", "--json"]).assert_exit_code(3);
    assert_eq!(output.json()["skipped"][0]["reason"], "lacks_capability");
    output.assert_stderr_contains(&["sim-cohere/good skipped: does not support documents"]);
    std::fs::write(cli.path("noise.bin"), [0xfe, 0xff, 0x00]).unwrap();
    cli.run(&["ask", "-m", "sim-openai/good", "-f", "noise.bin", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["unsupported file type `noise.bin`: expected text, an image, or a PDF"]);
}

#[test]
fn effort_caching_encoding_cases() {
    let arguments = ["--effort", "high", "--cache-prompt=1h", "--max-tokens", "8000", "hi"];
    let body = |dialect: &str| sent_body(dialect, &arguments, &json!([]));
    assert_eq!(body("openai-chat")["reasoning_effort"], "high");
    assert_eq!(body("openai-responses")["reasoning"], json!({"effort": "high"}));
    let anthropic = body("anthropic");
    assert_eq!(anthropic["output_config"], json!({"effort": "high"}));
    assert_eq!(anthropic["thinking"], json!({"type": "adaptive"}));
    assert_eq!(anthropic["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    let thinking = &body("gemini")["generationConfig"]["thinkingConfig"];
    assert_eq!(*thinking, json!({"thinkingLevel": "HIGH", "includeThoughts": true}));
    assert_eq!(body("cohere")["thinking"], json!({"type": "enabled", "token_budget": 6400}));
    assert_eq!(body("ollama")["think"], "high");
}

#[test]
fn option_is_sent_only_to_named_provider() {
    let options =
        ["--option", "host.service_tier=flex", "--option", "host.a.b=[1]", "--option", "openai.x=1", "hi"];
    let body = sent_body("openai-chat", &options, &json!([]));
    assert_eq!(
        (&body["service_tier"], &body["a"], &body["x"]),
        (&json!("flex"), &json!({"b": [1]}), &Value::Null)
    );
    for wrong in ["service_tier=flex", "nobody.a=1", "openai.a", "openai..a=1"] {
        CliHarness::new()
            .run(&["ask", "-m", "sim-openai/good", "--option", wrong, "hi"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["--option"]);
    }
}

#[test]
fn unsupported_parameter_warns_unless_strict() {
    let cli = CliHarness::new();
    let seeded = ["ask", "-m", "sim-anthropic/good", "--seed", "7", "hi"];
    cli.run(&seeded).assert_exit_code(0).assert_stderr_contains(&[
        "warning: sim-anthropic/good: `seed` is not supported and will not be sent",
    ]);
    let strict = [&seeded[..], &["--strict-params"]].concat();
    cli.run(&strict).assert_exit_code(2).assert_stderr_contains(&[
        "sim-anthropic/good: `seed` is not supported and will not be sent",
        "hint: remove these parameters",
    ]);
    let routes = "version: 1\nmodels:\n  sim-openai/good: {efforts: [low, high]}\n";
    let cli = cli.with_file("routes.yaml", routes);
    let effort = ["ask", "-m", "sim-openai/good", "--effort", "xhigh", "hi"];
    cli.run(&effort)
        .assert_exit_code(0)
        .assert_stderr_contains(&["effort `xhigh` is not supported; sending `high`"]);
    cli.run(&["ask", "-m", "sim-openai/good", "--effort", "much", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["invalid --effort `much`: expected none, minimal,"]);
}

#[test]
fn invalid_input_file_exits_2() {
    let cli = CliHarness::new()
        .with_file("schema.json", "{\"type\": 7}")
        .with_file("half.json", "[{\"name\": \"a\"")
        .with_file("twice.json", r#"[{"name": "a"}, {"name": "a"}]"#)
        .with_file("bad.json", r#"[{"name": "a b"}]"#)
        .with_file("turns.json", r#"[{"role": "user", "content": "hi", "form": "x"}]"#)
        .with_file("system.json", r#"[{"role": "system", "content": "hi"}]"#)
        .with_file("tools.json", TOOLS);
    for (arguments, expected) in [
        (&["--schema", "schema.json"][..], "schema.json is not a valid JSON Schema"),
        (&["--tools", "half.json"], "cannot parse half.json as JSON"),
        (&["--tools", "twice.json"], "tool 2: duplicate tool name `a`"),
        (&["--tools", "bad.json"], "tool 1: invalid name: expected 1 to 64 letters"),
        (&["--tools", "half.json"], ": unexpected end of file (line 1)"),
        (&["--messages", "turns.json"], "turns.json: message 1: unknown field `form`"),
        (&["--tools", "tools.json", "--tool-choice", "get_whether"], "` in --tool-choice"),
        (&["--cache-prompt=2h"], "invalid --cache-prompt `"),
        (&["--schema", "missing.json"], "cannot read missing.json: "),
        (&["--schema", "missing.json"], "hint: check the path"),
        (&["--messages", "tools.json"], "tools.json: message 1: "),
        (
            &["--messages", "system.json"],
            "system.json: message 1: unknown role `system`: expected user or assistant",
        ),
        (&["--messages", "schema.json"], "schema.json is not a list of messages: expected a JSON array"),
    ] {
        let all = [&["ask", "-m", "sim-openai/good", "hi"], arguments].concat();
        cli.run(&all).assert_exit_code(2).assert_stderr_contains(&[expected]);
    }
}

#[test]
fn embed_returns_embeddings_per_dialect() {
    let cli = CliHarness::new();
    for provider in DIALECTS {
        let model = format!("{provider}/good");
        let output =
            cli.run(&["embed", "-m", &model, "--json", "the cat sat", "a cat sat down", "markets fell"]);
        if provider == "sim-anthropic" {
            output.assert_exit_code(2).assert_stderr_contains(&["sim-anthropic does not offer embeddings"]);
            continue;
        }
        let json = output.assert_exit_code(0).json();
        let embeddings: Vec<Vec<f64>> = serde_json::from_value(json["vectors"].clone()).unwrap();
        let similarity =
            |a: usize, b: usize| embeddings[a].iter().zip(&embeddings[b]).map(|(a, b)| a * b).sum::<f64>();
        assert!(embeddings.len() == 3 && similarity(0, 1) > similarity(0, 2), "{provider}");
        assert_eq!((&json["simulated"], &json["schema"]), (&json!(true), &json!("slalom.embeddings/1")));
    }
    let output = cli.run_with_input(&["embed", "-m", "sim-openai/good"], "one\ntwo\n").assert_exit_code(0);
    assert_eq!(output.stdout.lines().count(), 2);
    cli.run_with_input(&["embed", "-m", "sim-openai/good"], "one\n\ntwo\n")
        .assert_exit_code(2)
        .assert_stderr_contains(&["text 2 is empty"]);
    cli.run(&["embed", "-m", "sim-openai/rate-limited", "hi"])
        .assert_exit_code(3)
        .assert_stderr_contains(&["rate_limited"]);
}

#[test]
fn unexpected_fields_are_reported_without_failure() {
    let cli = CliHarness::new();
    for provider in DIALECTS {
        for stream in [&[][..], &["--no-stream"]] {
            let model = format!("{provider}/unexpected");
            let envelope = cli
                .run(&[&["ask", "-m", &model, "--json", "hi"], stream].concat())
                .assert_exit_code(0)
                .json();
            let unexpected: Vec<&str> = envelope["unexpected"]
                .as_array()
                .unwrap()
                .iter()
                .map(|path| path.as_str().unwrap())
                .collect();
            assert!(unexpected.contains(&"sim_added"), "{provider} {unexpected:?}");
            let has_id = !matches!(provider, "sim-ollama" | "sim-bedrock");
            let missing = if provider == "sim-gemini" { "responseId: missing" } else { "id: missing" };
            assert_eq!(unexpected.contains(&missing), has_id, "{provider} {unexpected:?}");
        }
        let plain =
            cli.run(&["ask", "-m", &format!("{provider}/good"), "--json", "hi"]).assert_exit_code(0).json();
        assert_eq!(plain["unexpected"], json!([]), "{provider}");
    }
}

/// A route may fail over to another provider between a tool call and its result.
#[test]
fn tool_conversation_continues_across_dialects() {
    let cli = CliHarness::new().with_file("tools.json", TOOLS);
    let ask = |provider: &str, messages: &[Value]| {
        std::fs::write(cli.path("messages.json"), json!(messages).to_string()).unwrap();
        let model = format!("{provider}/tool-caller");
        let arguments =
            ["ask", "-m", &model, "--tools", "tools.json", "--messages", "messages.json", "--json"];
        let envelope = cli.run(&arguments).assert_exit_code(0).json();
        let id = envelope["tool_calls"][0]["id"].clone();
        assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{provider} {envelope}");
        let result = json!([{"type": "tool_result", "call_id": id, "content": "21", "is_error": true}]);
        [envelope["message"].clone(), json!({"role": "user", "content": result})]
    };
    for first in DIALECTS {
        let mut conversation = vec![json!({"role": "user", "content": "Warm?"})];
        conversation.extend(ask(first, &conversation));
        for second in DIALECTS.into_iter().filter(|second| *second != first) {
            let mut messages = conversation.clone();
            messages.extend(ask(second, &messages));
            // Back on the first provider, its own reasoning is still in the messages.
            ask(first, &messages);
        }
    }
}
