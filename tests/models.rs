//! `slalom models`: the list, --update, --available, and overrides in `routes.yaml`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{CliHarness, CountingSimulator};

fn find_model(json: &Value, name: &str) -> Value {
    let found =
        json["models"].as_array().unwrap().iter().find(|m| {
            format!("{}/{}", m["provider"].as_str().unwrap(), m["model"].as_str().unwrap()) == name
        });
    found.cloned().unwrap_or_else(|| panic!("missing model {name}"))
}

/// Serves the same response to every request until the test process ends.
fn serve_fixed_response(status: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let reply = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    url
}

const OPENROUTER_MODELS_JSON: &str = r#"{"data":[
 {"id":"made-up/one","context_length":1000,"pricing":{"prompt":"0.000003","completion":"0.000015"}},
 {"id":"openai/gpt-4o","pricing":{"prompt":"0.0000031","completion":"0.00001"}}]}"#;

#[test]
fn list_shows_model_facts() {
    let json = CliHarness::new().run(&["models", "--json"]).assert_exit_code(0).json();
    assert!(json["count"].as_u64().unwrap() > 2_000);
    assert_eq!(json["catalogue_date"], "2026-11-21");
    let opus = find_model(&json, "anthropic/claude-opus-5-5");
    assert_eq!(opus["supports"]["prefill"], false);
    assert_eq!(opus["supports"]["audio"], Value::Null);
    assert_eq!(opus["price_usd_per_million"]["cache_write_1h"], 8.0);
    assert_eq!(opus["thinking"], "adaptive");
    assert_eq!(find_model(&json, "anthropic/claude-mythos-preview")["past_deprecation"], true);
    assert_eq!(find_model(&json, "openai/text-embedding-3-large")["mode"], "embedding");
    let wide =
        CliHarness::new().with_env("COLUMNS", "220").run(&["models", "mythos-preview"]).assert_exit_code(0);
    for expected in ["2026-06-09 (past)", "json_schema", "tools"] {
        assert!(wide.stdout.contains(expected), "{}", wide.stdout);
    }
    assert!(wide.stderr.contains("as of 2026-11-21"), "{}", wide.stderr);
    let narrow = CliHarness::new().with_env("COLUMNS", "90").run(&["models", "gpt-4o"]).assert_exit_code(0);
    assert!(!narrow.stdout.contains("json_schema"), "{}", narrow.stdout);
}

#[test]
fn update_overrides_built_in_catalog() {
    let cli = CliHarness::new().with_file("list.json", OPENROUTER_MODELS_JSON);
    let output = cli.run(&["models", "--update", "list.json"]).assert_exit_code(0);
    assert!(output.stdout.contains("2.5 → 3.1"), "{}", output.stdout);
    assert!(output.stdout.contains("1 new, 1 price changed"), "{}", output.stdout);
    assert!(output.stderr.contains("2 models from list.json"), "{}", output.stderr);
    let json = cli.run(&["models", "--json"]).assert_exit_code(0).json();
    assert_eq!(find_model(&json, "openrouter/made-up/one")["price_usd_per_million"]["input"], 3.0);
    assert_eq!(find_model(&json, "openrouter/openai/gpt-4o")["price_usd_per_million"]["input"], 3.1);
    assert_eq!(
        find_model(&json, "openai/gpt-4o")["price_usd_per_million"]["input"],
        2.5,
        "changed the price of another provider"
    );
    assert_eq!(json["fetched_models"], 2);
    let again = cli.run(&["models", "--update", "list.json", "--json"]).assert_exit_code(0).json();
    let changed = again["changes"].as_array().unwrap();
    assert!(changed.iter().all(|change| change["change"] == "not_listed"), "{again}");

    let file = cli.home().join(".local/share/slalom/catalogue.csv");
    let before = fs::read_to_string(&file).unwrap();
    let cli = cli.with_file("wrong.json", "{\"data\":[{\"id\":\"a\",\"pricing\":{\"prompt\":\"cheap\"}}]}");
    let cli = cli.with_file("wrong.csv", "provider,model,usd_input\nopenai,a,1\nopenai,b,-1\n");
    for (name, expected) in [
        ("wrong.json", "wrong.json: `data[0].pricing.prompt`: invalid price `cheap`"),
        ("wrong.csv", "wrong.csv: line 3: invalid price `-1` in column usd_input"),
        ("missing.csv", "cannot read missing.csv: "),
    ] {
        cli.run(&["models", "--update", name]).assert_exit_code(2).assert_stderr_contains(&[expected]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn update_keeps_earlier_updates() {
    let cli = CliHarness::new()
        .with_file("one.csv", "provider,model,usd_input,usd_output\nopenai,mine-1,1.5,2.5\n");
    let cli = cli.with_file("two.csv", "provider,model\nopenai,mine-2\n");
    let output = cli.run(&["models", "--update", "one.csv"]).assert_exit_code(0);
    let shown = output.collapsed_stdout();
    assert!(shown.contains("1.5") && shown.contains("2.5"), "the price of a new model is missing: {shown}");
    cli.run(&["models", "--update", "two.csv"]).assert_exit_code(0).assert_stderr_contains(&[
        "1 model from two.csv now overrides the built-in catalog",
        "1 model kept from earlier updates",
    ]);
    assert_eq!(cli.run(&["models", "openai/mine-", "--json"]).assert_exit_code(0).json()["count"], 2);
    // One invalid row rejects the whole file.
    let cli = cli.with_file("bad.csv", "provider,model\nopenai,mine-3\nopnai,mine-4\n");
    cli.run(&["models", "--update", "bad.csv"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["bad.csv: line 3: unknown provider `opnai`"]);
    assert_eq!(cli.run(&["models", "openai/mine-", "--json"]).assert_exit_code(0).json()["count"], 2);
}

#[test]
fn update_uses_configured_base_url() {
    let routes = |url: &str| format!("version: 1\nproviders:\n  openrouter: {{base_url: '{url}/api/v1'}}\n");
    let cli = CliHarness::new()
        .with_file("routes.yaml", &routes(&serve_fixed_response("200 OK", OPENROUTER_MODELS_JSON)));
    cli.run(&["models", "--update", "openrouter"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["not trusted", "--trust"]);
    cli.run(&["models", "--update", "openrouter", "--config", "routes.yaml"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["/api/v1/models now override the built-in catalog"]);
    let cli = cli.with_file("routes.yaml", &routes(&serve_fixed_response("503 Unavailable", "{}")));
    cli.run(&["models", "--update", "openrouter", "--config", "routes.yaml"])
        .assert_exit_code(3)
        .assert_stderr_contains(&["status 503"]);
    let cli = cli.with_file("routes.yaml", &routes(&serve_fixed_response("200 OK", "<html>")));
    cli.run(&["models", "--update", "openrouter", "--config", "routes.yaml"]).assert_exit_code(3);
    let json = cli.run(&["models", "made-up", "--json"]).assert_exit_code(0).json();
    assert_eq!(json["count"], 1, "a failed update changed the catalog");
}

#[test]
fn invalid_user_catalog_is_ignored_with_warning() {
    let cli = CliHarness::new();
    let folder = cli.home().join(".local/share/slalom");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("catalogue.csv"), "provider,model\n").unwrap();
    let output = cli.run(&["models", "claude-haiku-4-5"]).assert_exit_code(0);
    assert!(output.stderr.contains("is not a valid catalog:") && output.stdout.contains("claude-haiku-4-5"));
}

#[test]
fn deprecated_model_call_warns_once() {
    let simulator = CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}/v1'}}\n",
        simulator.url()
    );
    let cli = CliHarness::new()
        .with_file("own.yaml", &routes)
        .with_env("SLALOM_CONFIG", "own.yaml")
        .with_file("own.csv", "provider,model,deprecated\nmine,good,2026-01-31\nmine,terse,2999-01-31\n");
    cli.run(&["models", "--update", "own.csv"]).assert_exit_code(0);
    let output = cli.run(&["ask", "-m", "mine/good", "hi"]).assert_exit_code(0);
    assert_eq!(
        output.stderr.matches("mine/good was scheduled for shutdown on 2026-01-31").count(),
        1,
        "{}",
        output.stderr
    );
    let output = cli.run(&["ask", "-m", "mine/terse", "hi"]).assert_exit_code(0);
    assert!(!output.stderr.contains("scheduled for shutdown"), "{}", output.stderr);
}

#[test]
fn available_lists_models_per_provider() {
    let cli = CliHarness::new();
    let all = ["sim-openai", "sim-anthropic", "sim-gemini", "sim-cohere", "sim-ollama", "sim-responses"];
    let json = cli.run(&[&["models", "--json", "--available"], &all[..]].concat()).assert_exit_code(0).json();
    let providers = json["providers"].as_array().unwrap();
    assert_eq!(providers.len(), all.len());
    for provider in providers {
        let models = provider["models"].as_array().unwrap();
        assert_eq!(models.len(), slalom::sim::LISTED_MODELS.len(), "{provider}");
        assert!(models.iter().all(|m| m["listed"] == true && m["in_catalogue"] == true), "{provider}");
    }
    cli.run(&["models", "--available", "sim-bedrock"])
        .assert_exit_code(3)
        .assert_stderr_contains(&["sim-bedrock: no model list on this host"]);
    cli.run(&["models", "--available", "sim-bedrock", "sim-openai"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["sim-bedrock"]);
    cli.run(&["models", "--available", "opnai"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["did you mean `openai`?"]);
    cli.run(&["models", "--available"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["no provider to query: no API key is set"]);
    cli.run(&["models", "--available", "openai"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["OPENAI_API_KEY is not set"]);
    cli.run(&["models", "--available", "openai", "sim-openai"]).assert_exit_code(2);
}

#[test]
fn available_marks_differences_from_catalog() {
    let simulator = CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  groq: {{base_url: '{url}/v1'}}\n  cerebras: {{base_url: '{url}/nowhere/x'}}\n",
        url = simulator.url()
    );
    let cli = CliHarness::new()
        .with_file("own.yaml", &routes)
        .with_env("SLALOM_CONFIG", "own.yaml")
        .with_env("GROQ_API_KEY", "planted-key-123");
    let output = cli.run(&["models", "--available", "--json"]).assert_exit_code(0).json();
    assert_eq!(output["providers"].as_array().unwrap().len(), 1, "queried a provider without a key");
    let models = output["providers"][0]["models"].as_array().unwrap();
    let find = |name: &str| models.iter().find(|m| m["model"] == name).unwrap().clone();
    assert_eq!(find("good")["in_catalogue"], false);
    assert_eq!(find("openai/gpt-oss-120b")["listed"], false);
    let shown = cli.run(&["models", "--available", "groq"]).assert_exit_code(0).stdout;
    assert!(shown.contains("groq/good") && shown.contains("groq/openai/gpt-oss-120b"), "{shown}");
}

#[test]
fn config_overrides_individual_fields() {
    let facts = "version: 1\nmodels:\n  anthropic/claude-haiku-5-5:\n    supports: [audio, no-tools]\n    price: {output: 7, cache_write_1h: 0.3}\n    efforts: [low, high]\n    refuses: [seed]\n";
    let cli = CliHarness::new().with_file("routes.yaml", facts);
    let json = cli.run(&["models", "--json", "claude-haiku-5-5"]).assert_exit_code(0).json();
    let haiku = find_model(&json, "anthropic/claude-haiku-5-5");
    assert_eq!(
        (haiku["supports"]["audio"].clone(), haiku["supports"]["tools"].clone()),
        (true.into(), false.into())
    );
    assert_eq!(haiku["supports"]["vision"], true, "changed, though not in the file");
    assert_eq!(haiku["context_tokens"], 1_000_000, "changed, though not in the file");
    assert_eq!(haiku["price_usd_per_million"]["input"], 0.1);
    assert_eq!(haiku["price_usd_per_million"]["output"], 7.0);
    assert_eq!(
        (haiku["tiers"][0]["input"].clone(), haiku["tiers"][0]["output"].clone()),
        (0.5.into(), 7.0.into())
    );
    assert_eq!(haiku["tiers"][0]["cache_write_1h"], 0.3);
    assert_eq!(haiku["efforts"], serde_json::json!(["low", "high"]));
    assert_eq!(haiku["refuses"], serde_json::json!(["seed"]));
    for (line, expected) in [
        ("supports: [tols]", &["unknown capability `tols`", "did you mean `tools`?", "routes.yaml:4:16"][..]),
        ("efforts: [lots]", &["unknown effort `lots`", "none, minimal, low"]),
        ("refuses: [temprature]", &["unknown parameter `temprature`", "did you mean `temperature`?"]),
        ("price: {cached: 1}", &["unknown key `cached`", "did you mean `cached_input`?"]),
        ("price: {input: -1}", &["invalid price `-1`"]),
        ("price: {input: 0.0000000001}", &["invalid price `", "`: too small"]),
        ("suports: [tools]", &["unknown key `suports`", "did you mean `supports`?"]),
    ] {
        let text = format!("version: 1\nmodels:\n  openai/gpt-4o:\n    {line}\n");
        CliHarness::new()
            .with_file("routes.yaml", &text)
            .run(&["models", "gpt-4o"])
            .assert_exit_code(2)
            .assert_stderr_contains(expected);
    }
}
