//! `routes.yaml` errors, trust, `check`, and `models`; corrupted files never cause a panic.

use proptest::prelude::*;

use crate::harness::{CliHarness, CountingSimulator};

pub(crate) fn routes_yaml_error(routes: &str) -> String {
    let output = CliHarness::new().with_file("routes.yaml", routes).run(&["route"]).assert_exit_code(2);
    let start = output.stderr.find("--> ").map(|at| at + 4);
    // The folder is temporary, so its path is removed.
    let folder = start.and_then(|at| {
        output.stderr[at..].find("routes.yaml").map(|end| output.stderr[at..at + end].to_owned())
    });
    match folder {
        Some(folder) => output.stderr.replace(&folder, ""),
        None => output.stderr,
    }
}

#[test]
fn routes_yaml_errors_show_source_spans() {
    let routes = "version: 1
aliases:
  haiku: antropic/claude-haiku-5-5
routes:
  summarize:
    candidates: [haiku, sim-openai/good, sim-openai/good]
    deadline: soon
    retry: {base: 9s}
  empty: {candidates: []}
defaults: {route: sumarize}
";
    insta::assert_snapshot!("all_errors_in_one_file", routes_yaml_error(routes));
    insta::assert_snapshot!(
        "unknown_key",
        routes_yaml_error("version: 1\nroutes:\n  a: {candidates: [sim-openai/good], strategi: priority}\n")
    );
    insta::assert_snapshot!(
        "duplicate_key",
        routes_yaml_error(
            "version: 1\nroutes:\n  a: {candidates: [sim-openai/good]}\n  a: {candidates: [sim-openai/good]}\n"
        )
    );
    insta::assert_snapshot!(
        "wrong_type",
        routes_yaml_error(
            "version: 1\nroutes:\n  a: {candidates: [sim-openai/good], retry: {retries: many}}\n"
        )
    );
    insta::assert_snapshot!(
        "new_provider_without_url",
        routes_yaml_error("version: 1\nproviders:\n  box: {dialect: openai-chat}\n")
    );
    insta::assert_snapshot!("broken_yaml", routes_yaml_error("version: 1\nroutes: [\n"));
}

#[test]
fn check_accepts_unknown_model_with_suggestion() {
    let simulator = CountingSimulator::start();
    let routes =
        simulator.routes_yaml() + "routes:\n  known: {candidates: [openai/gpt-6-luna, sim-openai/good]}\n";
    let output = CliHarness::new().with_file("routes.yaml", &routes).run(&["check"]).assert_exit_code(0);
    assert!(!output.stdout.contains("is not in the catalog"), "{}", output.stdout);
    let routes =
        simulator.routes_yaml() + "routes:\n  new: {candidates: [openai/gpt-6-lunar, sim-openai/good]}\n";
    let output = CliHarness::new().with_file("routes.yaml", &routes).run(&["check"]).assert_exit_code(0);
    assert!(
        output.stdout.contains("openai/gpt-6-lunar is not in the catalog, so its price"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("closest match: openai/gpt-6-luna\n"), "{}", output.stdout);
}

#[test]
fn untrusted_project_config_sends_no_key() {
    let simulator = CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  openai: {{base_url: '{}/v1'}}\nroutes:\n  two: {{candidates: [openai/good, sim-gemini/good]}}\n",
        simulator.url()
    );
    let cli = CliHarness::new().with_file("routes.yaml", &routes).with_env("OPENAI_API_KEY", "planted");
    cli.run(&["ask", "-m", "openai/good", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["is not trusted", "slalom check --trust"]);
    let output = cli.run(&["route", "two", "--json", "hi"]).assert_exit_code(0);
    assert_eq!(output.json()["skipped"][0]["reason"], "untrusted");
    assert_eq!(simulator.request_count(), 0);
    cli.run(&["check", "--trust"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["is now trusted; run `slalom check --trust` again after each edit"]);
    cli.run(&["ask", "-m", "openai/good", "hi"]).assert_exit_code(0);
    assert_eq!(simulator.request_count(), 1);
    // An edit revokes trust; a file named with --config is trusted.
    let cli = cli.with_file("routes.yaml", &(routes + "# edited\n"));
    cli.run(&["ask", "-m", "openai/good", "hi"]).assert_exit_code(2);
    let named = cli.path("routes.yaml");
    cli.run(&["--config", named.to_str().unwrap(), "ask", "-m", "openai/good", "hi"]).assert_exit_code(0);
}

#[test]
fn check_lists_key_status_without_values() {
    let cli = CliHarness::new().with_env("OPENAI_API_KEY", "planted-5f2c9b7d");
    let output = cli.run(&["check"]).assert_exit_code(0);
    for expected in
        ["openai key set", "anthropic no API key: ANTHROPIC_API_KEY is not set", "ollama needs no key"]
    {
        assert!(output.collapsed_stdout().contains(expected), "{}", output.stdout);
    }
    assert!(!output.stdout.contains("planted"));
}

#[test]
fn models_search_cases() {
    let cli = CliHarness::new();
    let output = cli.run(&["models", "claude-haiku"]).assert_exit_code(0);
    assert!(output.stdout.contains("anthropic/claude-haiku-5-5"), "{}", output.stdout);
    let json = cli.run(&["models", "--json"]).assert_exit_code(0).json();
    assert!(json["models"].as_array().unwrap().len() > 150);
    cli.run(&["models", "no-such-model"]).assert_exit_code(2).assert_stderr_contains(&["no known model"]);
}

#[test]
fn usage_error_exits_2_without_stdout() {
    let cli = CliHarness::new();
    for arguments in [
        &["ask", "--nope"][..],
        &["nope"],
        &["eval"],
        &["compare", "hi"],
        &["ask", "-m", "a/b", "--timeout", "5", "hi"],
        &["ask", "-m", "sim-openai/good"],
        &["ask", "-m", "sim-openai/good", "-p", "x", "hi"],
    ] {
        let output = cli.run(arguments).assert_exit_code(2);
        assert!(output.stderr.contains("error: "), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

/// Random bytes, or the valid file with a random part replaced by them.
fn corrupted_bytes_strategy(valid: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let noise = || {
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[ -~\n]{0,40}".prop_map(String::into_bytes)]
    };
    (noise(), 0..valid.len(), 0usize..30, any::<bool>()).prop_map(move |(noise, at, cut, alone)| {
        if alone {
            return noise;
        }
        let end = (at + cut).min(valid.len());
        [&valid.as_bytes()[..at], &noise, &valid.as_bytes()[end..]].concat()
    })
}

const VALID_SET_YAML: &str = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: 'Say {{ x }}'\nrequest: {temperature: 0}\nassert:\n  - json-path: {path: $.a, equals: 1}\n  - numeric: {equals: 3, tolerance: 1%}\n  - choice: {options: [a, b], equals: a}\n  - any-of: [rouge-l: {value: a b, threshold: 0.5}, not-json-diff: {value: {a: 1}}]\n  - all-of: {value: [finish-reason: stop, contains-json: {schema: {}}], weight: 2}\ngate: {min_pass_rate: 0.5}\ncases_from: [more.csv, more.jsonl]\ncases:\n  - {id: a, vars: {x: 1}, reference: r, assert: [is-json, {regex: '^a'}]}\n";
const VALID_ROUTES_YAML: &str = include_str!("../routes.yaml");
const VALID_CASES_CSV: &str = "id,x,reference,assert:contains,tags\none,1,r,\"[1]\",a b\n";
const VALID_CASES_JSONL: &str = "{\"id\": \"j\", \"x\": 1, \"assert:equals\": {\"value\": \"x\"}}\n";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Loaders never panic on corrupted bytes, and every error has a hint.
    #[test]
    fn loaders_never_panic_on_corrupted_files(set in corrupted_bytes_strategy(VALID_SET_YAML), csv in corrupted_bytes_strategy(VALID_CASES_CSV), jsonl in corrupted_bytes_strategy(VALID_CASES_JSONL),
        routes in prop_oneof![corrupted_bytes_strategy(VALID_ROUTES_YAML), corrupted_bytes_strategy(crate::routing_config::EVERY_KEY)]) {
        use slalom::config::{Config, ConfigFile, ConfigOrigin, TrustStore, load_golden_set};
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("more.csv", &csv);
        write("more.jsonl", &jsonl);
        for text in [&set[..], VALID_SET_YAML.as_bytes()] {
            write("set.yaml", text);
            if let Err(error) = load_golden_set(&folder.path().join("set.yaml"), slalom::config::FileAccess::SetFolderOnly) {
                let message = error.to_string();
                prop_assert!(message.starts_with("error: ") && message.contains("\nhint: "), "{}", message);
            }
        }
        let text = String::from_utf8_lossy(&routes).into_owned();
        let path = Some(folder.path().join("routes.yaml"));
        let found = ConfigFile { display_name: "routes.yaml".into(), path, text, origin: ConfigOrigin::Explicit };
        if let Err(error) = Config::load(found, &TrustStore::for_user()) {
            let message = error.to_string();
            prop_assert!(message.starts_with("error: ") && message.contains("\nhint: "), "{}", message);
        }
    }
}
