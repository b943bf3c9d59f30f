//! `slalom check --ping`: which providers are pinged, and how results update health.

use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const ROUTES: &str = "version: 1
defaults: {route: second}
aliases: {luna: openai/gpt-6-luna, embedder: openai/text-embedding-3-small, short: sim-cohere/good}
routes:
  first: {candidates: [sim-openai/gone, sim-anthropic/overloaded]}
  second: {candidates: [sim-openai/good, anthropic/claude-haiku-5-5, sim-gemini/good]}
";

fn harness() -> CliHarness {
    CliHarness::new().with_file("routes.yaml", ROUTES)
}

/// `PROVIDER/MODEL` and ping result for each listed provider.
fn ping_results(json: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let providers = json["providers"].as_array().unwrap().iter();
    let model_name =
        |p: &Value| format!("{}/{}", p["provider"].as_str().unwrap(), p["model"].as_str().unwrap());
    providers.map(|p| (model_name(p), text(&p["result"]))).collect()
}

fn owned_pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn candidate_status(output: CliOutput, model: &str) -> Value {
    let json = output.assert_exit_code(0).json();
    let all = json["routes"].as_array().unwrap().iter().flat_map(|r| r["candidates"].as_array().unwrap());
    all.clone().find(|c| c["model"] == model).unwrap().clone()
}

#[test]
fn one_model_per_configured_provider_is_pinged() {
    let cli = harness();
    let json = cli.run(&["check", "--ping", "--json"]).assert_exit_code(3).json();
    assert_eq!((&json["schema"], &json["exit_code"]), (&"slalom.ping/1".into(), &3.into()));
    // The default route's candidates come first; embedding models are not pinged.
    let expected = [
        ("sim-openai/good", "ok"),
        ("anthropic/claude-haiku-5-5", "not_pinged"),
        ("sim-gemini/good", "ok"),
        ("sim-anthropic/overloaded", "failed"),
        ("openai/gpt-6-luna", "not_pinged"),
        ("sim-cohere/good", "ok"),
    ];
    assert_eq!(ping_results(&json), owned_pairs(&expected));
    let [good, keyless, .., failed, _, _] = json["providers"].as_array().unwrap().as_slice() else {
        panic!()
    };
    assert_eq!((&good["simulated"], &good["cost_source"]), (&true.into(), &"simulated".into()));
    assert!(good["attempt"]["usage"]["output_tokens"].as_u64().unwrap() <= 16, "{good}");
    assert_eq!((&keyless["reason"], &keyless["attempt"]), (&"no_key".into(), &Value::Null));
    assert_eq!(keyless["problem"], "ANTHROPIC_API_KEY is not set");
    assert_eq!(failed["attempt"]["failure"]["class"], "server_error");
    assert_eq!((&failed["stop_reason"], &good["stop_reason"]), (&"all_attempts_failed".into(), &Value::Null));
    assert_eq!(json["cost_usd"], 0.0, "simulated cost is not real cost");
}

#[test]
fn failed_pings_open_breaker() {
    let cli = harness();
    for _ in 0..2 {
        cli.run(&["check", "--ping", "--json"]).assert_exit_code(3);
    }
    cli.run(&["check", "--ping"]).assert_exit_code(3).assert_stderr_contains(&[
        "circuit breaker for sim-anthropic/overloaded opened (server_error); skipping it for ",
    ]);
    assert_eq!(
        candidate_status(cli.run(&["route", "first", "--json"]), "overloaded")["state"],
        "breaker_open"
    );
    let good = candidate_status(cli.run(&["route", "second", "--json"]), "good");
    assert_eq!((&good["state"], &good["recent_trouble"]), (&"ready".into(), &0.0.into()));
    assert!(
        good["first_token_ms"].as_f64().is_some() && good["recent_calls"].as_f64().unwrap() > 2.0,
        "{good}"
    );
    // Pings are not retried: three pings are three events.
    let overloaded = candidate_status(cli.run(&["route", "first", "--json"]), "overloaded");
    assert!(overloaded["recent_calls"].as_f64().unwrap() <= 3.0, "{overloaded}");
}

#[test]
fn two_successful_pings_close_half_open_breaker() {
    let simulator = CountingSimulator::start();
    let text = simulator.routes_yaml() + "routes:\n  one: {candidates: [sim-openai/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &text).with_env("SLALOM_LEDGER", "ledger.db");
    cli.run(&["check", "--ping"]).assert_exit_code(0);
    let broken = "UPDATE health SET open_until = 1, trips = 1, consecutive = 3, sick = 3, events = 3";
    rusqlite::Connection::open(cli.path("ledger.db")).unwrap().execute_batch(broken).unwrap();
    assert_eq!(candidate_status(cli.run(&["route", "one", "--json"]), "good")["state"], "half_open");
    cli.run(&["check", "--ping"]).assert_exit_code(0);
    assert_eq!(candidate_status(cli.run(&["route", "one", "--json"]), "good")["state"], "half_open");
    cli.run(&["check", "--ping"]).assert_exit_code(0);
    assert_eq!(candidate_status(cli.run(&["route", "one", "--json"]), "good")["state"], "ready");
    assert_eq!(simulator.request_count(), 3);
}

#[test]
fn only_named_providers_are_pinged() {
    let simulator = CountingSimulator::start();
    let routes = simulator.routes_yaml()
        + "routes:\n  all: {candidates: [sim-openai/good, sim-gemini/good, sim-anthropic/down]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &routes);
    let json = cli.run(&["check", "--json", "--ping", "sim-openai"]).assert_exit_code(0).json();
    assert_eq!(ping_results(&json), owned_pairs(&[("sim-openai/good", "ok")]));
    assert_eq!(simulator.request_count(), 1);
    let json = cli
        .run(&["check", "--json", "--ping", "sim-gemini,sim-openai", "sim-gemini"])
        .assert_exit_code(0)
        .json();
    assert_eq!(ping_results(&json), owned_pairs(&[("sim-openai/good", "ok"), ("sim-gemini/good", "ok")]));
    assert_eq!(simulator.request_count(), 3);
    cli.run(&["check"]).assert_exit_code(0);
    assert_eq!(simulator.request_count(), 3, "without --ping nothing is sent");
}

#[test]
fn unusable_target_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let routes =
        simulator.routes_yaml() + "routes:\n  all: {candidates: [sim-openai/good, openai/gpt-6-luna]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &routes);
    let ping = |names: &[&str]| {
        cli.run(&[&["check", "--ping", "sim-openai"][..], names].concat()).assert_exit_code(2)
    };
    ping(&["sim-opnai"])
        .assert_stderr_contains(&["unknown provider `sim-opnai`", "did you mean `sim-openai`?"]);
    ping(&["openai"]).assert_stderr_contains(&["`openai` has no API key: OPENAI_API_KEY is not set"]);
    ping(&["groq"]).assert_stderr_contains(&[
        "cannot ping `groq`: no route or alias uses one of its models",
        "aliases: {short: groq/MODEL}",
    ]);
    cli.run(&["check", "--json"]).assert_exit_code(2).assert_stderr_contains(&["--ping"]);
    let keyless = CliHarness::new()
        .with_file("routes.yaml", "version: 1\nroutes: {r: {candidates: [openai/gpt-6-luna]}}\n");
    let output = keyless
        .run(&["check", "--ping"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["no provider to ping: no API key is set for the providers in routes.yaml"]);
    assert!(output.stdout.contains("not pinged: OPENAI_API_KEY is not set"), "{}", output.stdout);
    let plain_http = "version: 1\nproviders: {openai: {base_url: 'http://far.example/v1'}}\n\
                 routes: {r: {candidates: [sim-openai/good, openai/gpt-6-luna]}}\n";
    let plain_http = CliHarness::new()
        .with_file("named.yaml", plain_http)
        .with_env("SLALOM_CONFIG", "named.yaml")
        .with_env("OPENAI_API_KEY", "k");
    let output = plain_http.run(&["check", "--ping"]).assert_exit_code(2);
    assert!(
        output.stdout.contains("error: refusing to send the key of `openai` over plain HTTP")
            && !output.stdout.contains("pinged"),
        "{}",
        output.stdout
    );
    plain_http
        .run(&["check", "--ping", "--json"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["cannot ping: named.yaml has errors"]);
    assert_eq!(simulator.request_count(), 0);
}

#[test]
fn untrusted_host_is_not_pinged() {
    let simulator = CountingSimulator::start();
    let url = simulator.url();
    let routes = format!(
        "version: 1\nproviders:\n  box: {{dialect: openai-chat, base_url: '{url}/v1', api_key: {{env: OPENAI_API_KEY}}}}\n\
         routes: {{r: {{candidates: [box/good, sim-openai/good]}}}}\n"
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_env("OPENAI_API_KEY", "planted");
    let json = cli.run(&["check", "--ping", "--json"]).assert_exit_code(0).json();
    assert_eq!(ping_results(&json), owned_pairs(&[("box/good", "not_pinged"), ("sim-openai/good", "ok")]));
    assert_eq!(json["providers"][0]["reason"], "untrusted");
    assert_eq!(simulator.request_count(), 0);
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    let json = cli.run(&["check", "--ping", "box", "--json"]).assert_exit_code(0).json();
    assert_eq!((simulator.request_count(), &json["cost_usd"]), (1, &Value::Null), "the price is unknown");
}

#[test]
fn simulated_failure_exits_3_only_when_named() {
    let simulator = CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders: {{mine: {{dialect: openai-chat, base_url: '{}/v1', auth: none}}}}\n\
         models: {{mine/good: {{price: {{input: 1, output: 2}}}}}}\n\
         routes: {{r: {{candidates: [sim-anthropic/overloaded, mine/good]}}}}\n",
        simulator.url()
    );
    let cli = CliHarness::new().with_file("named.yaml", &routes).with_env("SLALOM_CONFIG", "named.yaml");
    let json = cli.run(&["check", "--ping", "--json"]).assert_exit_code(0).json();
    assert_eq!(
        ping_results(&json),
        owned_pairs(&[("sim-anthropic/overloaded", "failed"), ("mine/good", "ok")])
    );
    let usage = &json["providers"][1]["attempt"]["usage"];
    let tokens = |name: &str| usage[name].as_f64().unwrap();
    let expected = (tokens("input_tokens") + 2.0 * tokens("output_tokens")) / 1e6;
    assert!((json["cost_usd"].as_f64().unwrap() - expected).abs() < 1e-9, "{json}");
    cli.run(&["check", "--ping", "sim-anthropic", "mine"]).assert_exit_code(3);
    cli.run(&["check", "--ping", "sim-anthropic"]).assert_exit_code(3);
}

#[test]
fn table_shows_result_per_provider() {
    let cli = harness().with_env("COLUMNS", "120");
    let output = cli.run(&["check", "--ping"]).assert_exit_code(3);
    let shown = output.collapsed_stdout();
    for expected in [
        "routes.yaml: 2 routes, 3 aliases\n",
        "│ sim-openai/good (sim) ┆ ok ┆ ",
        "│ anthropic/claude-haiku-5-5 ┆ not pinged: ANTHROPIC_API_KEY is not set ┆ – ┆ – │",
        "│ sim-anthropic/overloaded (sim) ┆ FAILED: server_error (529): Overloaded (simulated) ┆ ",
        "· 1 failed · $0 (excluding simulated cost)\n",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in\n{shown}");
    }
    assert!(!shown.contains("MISTRAL_API_KEY"), "unused providers are not listed: {shown}");
    for width in ["60", "80"] {
        let cli = harness().with_env("COLUMNS", width);
        let shown = cli.run(&["check", "--ping"]).assert_exit_code(3).stdout;
        assert!(shown.contains("│ sim-anthropic/overloaded (sim) "), "{shown}");
        let table = shown.lines().filter(|line| line.starts_with('│'));
        assert!(
            table.map(|line| line.chars().count()).all(|length| length <= width.parse().unwrap()),
            "{shown}"
        );
    }
}
