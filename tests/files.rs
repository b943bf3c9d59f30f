//! `routes.yaml`, trust, `check` and `models`; and that no bytes of any file make the tool panic.

use proptest::prelude::*;

use crate::tool::{CountingSimulator, Tool};

pub(crate) fn error_of(routes: &str) -> String {
    let ran = Tool::new().file("routes.yaml", routes).run(&["route"]).exits(2);
    let start = ran.stderr.find("--> ").map(|at| at + 4);
    // The folder is a temporary one.
    let folder = start
        .and_then(|at| ran.stderr[at..].find("routes.yaml").map(|end| ran.stderr[at..at + end].to_owned()));
    match folder {
        Some(folder) => ran.stderr.replace(&folder, ""),
        None => ran.stderr,
    }
}

#[test]
fn mistakes_in_routes_are_underlined() {
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
    insta::assert_snapshot!("all_problems_of_one_file", error_of(routes));
    insta::assert_snapshot!(
        "unknown_key",
        error_of("version: 1\nroutes:\n  a: {candidates: [sim-openai/good], strategi: priority}\n")
    );
    insta::assert_snapshot!(
        "duplicate_key",
        error_of(
            "version: 1\nroutes:\n  a: {candidates: [sim-openai/good]}\n  a: {candidates: [sim-openai/good]}\n"
        )
    );
    insta::assert_snapshot!(
        "wrong_type",
        error_of("version: 1\nroutes:\n  a: {candidates: [sim-openai/good], retry: {retries: many}}\n")
    );
    insta::assert_snapshot!(
        "new_provider_without_url",
        error_of("version: 1\nproviders:\n  box: {dialect: openai-chat}\n")
    );
    insta::assert_snapshot!("broken_yaml", error_of("version: 1\nroutes: [\n"));
}

#[test]
fn a_model_that_came_out_this_morning_works() {
    let simulator = CountingSimulator::start();
    let tool = Tool::new().file("routes.yaml", &simulator.routes());
    let ran = tool.run(&["check"]).exits(0);
    assert!(!ran.stdout.contains("not in the catalogue"));
    let routes = simulator.routes() + "routes:\n  new: {candidates: [openai/gpt-6-lunar, sim-openai/good]}\n";
    let ran = Tool::new().file("routes.yaml", &routes).run(&["check"]).exits(0);
    assert!(ran.stdout.contains("openai/gpt-6-lunar is not in the catalogue"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the nearest known one is openai/gpt-6-luna"), "{}", ran.stdout);
}

#[test]
fn a_projects_file_sends_no_key_elsewhere_until_it_is_trusted() {
    let simulator = CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  openai: {{base_url: '{}/v1'}}\nroutes:\n  two: {{candidates: [openai/good, sim-gemini/good]}}\n",
        simulator.url()
    );
    let tool = Tool::new().file("routes.yaml", &routes).env("OPENAI_API_KEY", "planted");
    tool.run(&["ask", "-m", "openai/good", "hi"])
        .exits(2)
        .says(&["is not trusted yet", "slalom check --trust"]);
    let ran = tool.run(&["route", "two", "--json", "hi"]).exits(0);
    assert_eq!(ran.json()["skipped"][0]["reason"], "untrusted");
    assert_eq!(simulator.hits(), 0);
    tool.run(&["check", "--trust"]).exits(0).says(&["is trusted as it is now"]);
    tool.run(&["ask", "-m", "openai/good", "hi"]).exits(0);
    assert_eq!(simulator.hits(), 1);
    // An edit asks again; naming the file is trust.
    let tool = tool.file("routes.yaml", &(routes + "# edited\n"));
    tool.run(&["ask", "-m", "openai/good", "hi"]).exits(2);
    let named = tool.path("routes.yaml");
    tool.run(&["--config", named.to_str().unwrap(), "ask", "-m", "openai/good", "hi"]).exits(0);
}

#[test]
fn check_says_which_keys_are_set_and_never_shows_one() {
    let tool = Tool::new().env("OPENAI_API_KEY", "planted-5f2c9b7d");
    let ran = tool.run(&["check"]).exits(0);
    for words in ["openai key set", "anthropic no key: ANTHROPIC_API_KEY is not set", "ollama needs no key"] {
        assert!(ran.squeezed().contains(words), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("planted"));
}

#[test]
fn models_are_listed_and_found() {
    let tool = Tool::new();
    let ran = tool.run(&["models", "claude-haiku"]).exits(0);
    assert!(ran.stdout.contains("anthropic/claude-haiku-5-5"), "{}", ran.stdout);
    let json = tool.run(&["models", "--json"]).exits(0).json();
    assert!(json["models"].as_array().unwrap().len() > 150);
    tool.run(&["models", "no-such-model"]).exits(2).says(&["no known model"]);
}

#[test]
fn usage_errors_are_exit_2() {
    let tool = Tool::new();
    for arguments in [
        &["ask", "--nope"][..],
        &["nope"],
        &["eval"],
        &["compare", "hi"],
        &["ask", "-m", "a/b", "--timeout", "5", "hi"],
        &["ask", "-m", "sim-openai/good"],
        &["ask", "-m", "sim-openai/good", "-p", "x", "hi"],
    ] {
        let ran = tool.run(arguments).exits(2);
        assert!(ran.stderr.contains("error: "), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

/// A file of these bytes, or a right one with a part of it replaced by them.
fn damaged(right: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let noise = || {
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), "[ -~\n]{0,40}".prop_map(String::into_bytes)]
    };
    (noise(), 0..right.len(), 0usize..30, any::<bool>()).prop_map(move |(noise, at, cut, alone)| {
        if alone {
            return noise;
        }
        let end = (at + cut).min(right.len());
        [&right.as_bytes()[..at], &noise, &right.as_bytes()[end..]].concat()
    })
}

const RIGHT_SET: &str = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: 'Say {{ x }}'\nrequest: {temperature: 0}\nassert:\n  - json-path: {path: $.a, equals: 1}\n  - numeric: {equals: 3, tolerance: 1%}\n  - choice: {options: [a, b], equals: a}\n  - any-of: [rouge-l: {value: a b, threshold: 0.5}, not-json-diff: {value: {a: 1}}]\n  - all-of: {value: [finish-reason: stop, contains-json: {schema: {}}], weight: 2}\ngate: {min_pass_rate: 0.5}\ncases_from: [more.csv, more.jsonl]\ncases:\n  - {id: a, vars: {x: 1}, reference: r, assert: [is-json, {regex: '^a'}]}\n";
const RIGHT_ROUTES: &str = include_str!("../routes.yaml");
const RIGHT_CSV: &str = "id,x,reference,assert:contains,tags\none,1,r,\"[1]\",a b\n";
const RIGHT_JSONL: &str = "{\"id\": \"j\", \"x\": 1, \"assert:equals\": {\"value\": \"x\"}}\n";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// No bytes of any file make a loader panic, and what it says of them can be printed.
    #[test]
    fn bytes_harm_no_loader(set in damaged(RIGHT_SET), csv in damaged(RIGHT_CSV), jsonl in damaged(RIGHT_JSONL),
        routes in prop_oneof![damaged(RIGHT_ROUTES), damaged(crate::route_files::EVERY_KEY)]) {
        use slalom::config::{Config, Found, Origin, TrustStore, load_set};
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("more.csv", &csv);
        write("more.jsonl", &jsonl);
        for text in [&set[..], RIGHT_SET.as_bytes()] {
            write("set.yaml", text);
            if let Err(error) = load_set(&folder.path().join("set.yaml"), slalom::config::FileAccess::SetFolderOnly) {
                let said = error.to_string();
                prop_assert!(said.starts_with("error: ") && said.contains("\nhint: "), "{}", said);
            }
        }
        let text = String::from_utf8_lossy(&routes).into_owned();
        let path = Some(folder.path().join("routes.yaml"));
        let found = Found { name: "routes.yaml".into(), path, text, origin: Origin::Named };
        if let Err(error) = Config::load(found, &TrustStore::of_user()) {
            let said = error.to_string();
            prop_assert!(said.starts_with("error: ") && said.contains("\nhint: "), "{}", said);
        }
    }
}
