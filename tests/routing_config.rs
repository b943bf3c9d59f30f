//! Routing keys of `routes.yaml`: parsing, conflicts, nested routes, and environment overrides.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use slalom::catalog::Capability;
use slalom::chat::{NanoDollars, TokenCount};
use slalom::config::{CandidateSpec, Config, ConfigFile, ConfigOrigin, SubjectError, TrustStore};
use slalom::route::{
    CandidateConditions, DailyBudget, OnExceeded, OnMissingPassRate, QualityFloor, RetryWhen, RoutePolicy,
    StopOrContinue,
};

use crate::config_files::routes_yaml_error;
use crate::harness::CliHarness;

/// A config with every routing key. It needs `set.yaml` in the same directory.
pub(crate) const EVERY_KEY: &str = r#"version: 1
defaults:
  route: summarize
  deadline: 90s
  timeouts: {connect: 5s, first_token: 20s, idle: 15s}
  retry: {retries: 2}
  on_midstream: restart
  on_content_policy: failover
  on_bad_request: failover
  on_unknown: stop
  on_conversation: failover
budget: {daily_usd: 20.000000001, on_exceeded: warn}
on_breaker_open: {command: [notify-send, "{{ provider }}/{{ model }}: {{ reason }}", "{{ open_seconds }} s"]}
providers:
  gpu-box:
    dialect: openai-chat
    base_url: http://gpu-box.internal:8000/v1
    allow_http: true
    api_key: {env: GPU_BOX_KEY}
    limits: {concurrency: 16, requests_per_minute: 600, tokens_per_minute: 200000}
models:
  gpu-box/llama-4-scout: {context_tokens: 131072, supports: [tools, json_schema, no-vision]}
aliases:
  haiku: anthropic/claude-haiku-4-5
routes:
  summarize:
    description: short summaries; cheap first
    strategy: priority
    candidates:
      - haiku
      - gemini/gemini-3.7-flash
      - model: gpu-box/llama-4-scout
        when: {max_input_tokens: 20000, min_input_tokens: 10, label: bulk, tools: false, attachments: false, schema: true}
    requires: [json_schema, tools]
    quality: {set: set.yaml, min_pass_rate: 0.85, max_age: 30d, missing: skip}
    max_cost_usd: 0.05
    max_p50_ms: 4000
    deadline: 60s
    retry: {retries: 1, when: first, base: 100ms, cap: 4s}
    on_midstream: stop
    on_content_policy: stop
    on_bad_request: stop
    on_unknown: failover
    on_conversation: stay
  support:
    strategy: balanced
    weigh: {cost: 1, latency: 0.5, reliability: 2}
    candidates: [{model: "route:summarize", when: {label: bulk}}, mistral/mistral-small-2603]
  canary:
    strategy: weighted
    sticky_by: var:customer
    candidates: [{model: haiku, weight: 94}, {model: "route:support", weight: 6}]
  quick: {strategy: fastest, candidates: [haiku]}
  cheap: {strategy: cheapest, candidates: [haiku, "route:quick"]}
"#;

const SET: &str =
    "version: 1\nname: s\nprompt: 'Say {{ x }}'\ncases: [{id: a, vars: {x: 1}, assert: [is-json]}]\n";

/// Loads `text` as a `routes.yaml` in `folder`, next to a `set.yaml`.
fn load_config(text: &str, folder: &Path, origin: ConfigOrigin) -> Config {
    std::fs::write(folder.join("set.yaml"), SET).unwrap();
    let path = Some(folder.join("routes.yaml"));
    let found = ConfigFile { display_name: "routes.yaml".into(), path, text: text.into(), origin };
    Config::load(found, &TrustStore::for_user()).unwrap_or_else(|error| panic!("{error}"))
}

fn route_policy<'a>(config: &'a Config, route: &str) -> &'a RoutePolicy {
    &config.routes.iter().find(|r| r.name == route).unwrap().policy
}

fn describe_strategy(policy: &RoutePolicy) -> (&'static str, Value) {
    (policy.strategy.name(), policy.strategy.options_json().into())
}

/// Each candidate of a route as `model weight`, with its label and input token limit.
fn describe_candidates(config: &Config, route: &str) -> Vec<String> {
    let spec = config.routes.iter().find(|r| r.name == route).unwrap();
    let describe = |c: &CandidateSpec| {
        let label = c.when.label.as_ref().map(|label| format!(" for {label}")).unwrap_or_default();
        let limit = c.when.max_input_tokens.map(|limit| format!(" up to {limit}")).unwrap_or_default();
        format!("{} {}{label}{limit}", c.model, c.weight)
    };
    spec.candidates.iter().map(describe).collect()
}

fn yaml_with_routes(routes: &str) -> String {
    format!("version: 1\nroutes:\n{routes}")
}

#[test]
fn every_key_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = load_config(EVERY_KEY, folder.path(), ConfigOrigin::Explicit);
    assert_eq!(
        config.budget,
        Some(DailyBudget { limit: NanoDollars::new(20_000_000_001), on_exceeded: OnExceeded::Warn })
    );
    assert_eq!(config.on_breaker_open.as_ref().unwrap()[0], "notify-send");
    let limits = config.providers["gpu-box"].limits;
    assert_eq!(
        (limits.concurrency, limits.requests_per_minute, limits.tokens_per_minute),
        (Some(16), Some(600), Some(TokenCount::new(200_000)))
    );
    let summarize = route_policy(&config, "summarize");
    assert_eq!(describe_strategy(summarize), ("priority", json!({})));
    assert_eq!(summarize.requirements.capabilities, [Capability::JsonSchema, Capability::Tools]);
    assert_eq!(summarize.requirements.max_cost, Some(NanoDollars::new(50_000_000)));
    assert_eq!(summarize.requirements.max_p50, Some(Duration::from_secs(4)));
    let set = folder.path().join("set.yaml").canonicalize().unwrap();
    let quality = QualityFloor {
        digest: slalom::config::load_golden_set(&set, slalom::config::FileAccess::Unrestricted)
            .unwrap()
            .digest,
        set,
        min_pass_rate: 0.85,
        max_age: Some(Duration::from_secs(30 * 86_400)),
        on_missing: OnMissingPassRate::Skip,
    };
    assert_eq!(summarize.requirements.quality, Some(quality));
    assert_eq!((summarize.retry.retries, summarize.retry.when), (1, RetryWhen::First));
    assert_eq!(
        (summarize.on_midstream, summarize.on_unknown),
        (StopOrContinue::Stop, StopOrContinue::Continue)
    );
    assert_eq!(
        (summarize.on_content_policy, summarize.on_conversation),
        (StopOrContinue::Stop, StopOrContinue::Stop)
    );
    // Keys that a route omits come from `defaults`.
    let support = route_policy(&config, "support");
    assert_eq!(
        describe_strategy(support),
        ("balanced", json!({"weigh": {"cost": 1.0, "latency": 0.5, "reliability": 2.0}}))
    );
    assert_eq!((support.retry.retries, support.retry.when), (2, RetryWhen::Alone));
    assert_eq!(
        (support.on_midstream, support.on_content_policy, support.on_bad_request),
        (StopOrContinue::Continue, StopOrContinue::Continue, StopOrContinue::Continue)
    );
    assert_eq!(
        (support.on_unknown, support.on_conversation),
        (StopOrContinue::Stop, StopOrContinue::Continue)
    );
    assert_eq!(support.timeouts.first_token, Some(Duration::from_secs(20)));
    assert_eq!(config.default_policy.retry.retries, 2);
    let strategy_of = |route| describe_strategy(route_policy(&config, route));
    assert_eq!(strategy_of("canary"), ("weighted", json!({"sticky_by": "customer"})));
    assert_eq!(strategy_of("quick"), ("fastest", json!({})));
    assert_eq!(strategy_of("cheap"), ("cheapest", json!({})));
    let bulk = CandidateConditions {
        max_input_tokens: Some(TokenCount::new(20_000)),
        min_input_tokens: Some(TokenCount::new(10)),
        label: Some("bulk".into()),
        tools: Some(false),
        attachments: Some(false),
        schema: Some(true),
    };
    let route = config.build_route("summarize", &|_: &str| None).unwrap();
    assert_eq!((route.candidates[2].when.clone(), route.candidates[2].weight), (bulk, 1.0));
}

#[test]
fn nested_routes_expand_to_candidates() {
    let folder = tempfile::tempdir().unwrap();
    let config = load_config(EVERY_KEY, folder.path(), ConfigOrigin::Explicit);
    assert_eq!(
        describe_candidates(&config, "support"),
        [
            "anthropic/claude-haiku-4-5 1 for bulk",
            "gemini/gemini-3.7-flash 1 for bulk",
            "gpu-box/llama-4-scout 1 for bulk up to 20000",
            "mistral/mistral-small-2603 1",
        ]
    );
    // The weight of a nested route is split evenly; `haiku` comes earlier, so its share is dropped.
    assert_eq!(
        describe_candidates(&config, "canary"),
        [
            "anthropic/claude-haiku-4-5 94",
            "gemini/gemini-3.7-flash 1.5 for bulk",
            "gpu-box/llama-4-scout 1.5 for bulk up to 20000",
            "mistral/mistral-small-2603 1.5",
        ]
    );
    assert_eq!(describe_candidates(&config, "cheap"), ["anthropic/claude-haiku-4-5 1"]);
    // A model that comes earlier only under a condition keeps its later position for other requests.
    let config = load_config(
        &yaml_with_routes(
            "  a: {candidates: [{model: 'route:b', when: {label: x, max_input_tokens: 9}}, sim-openai/good]}
  b: {strategy: weighted, candidates: [{model: sim-openai/good, weight: 3, when: {max_input_tokens: 10}}, {model: sim-gemini/good, weight: 1}]}
  c: {strategy: weighted, candidates: [{model: 'route:b', weight: 8}, {model: 'route:a', weight: 0}]}
",
        ),
        folder.path(),
        ConfigOrigin::Explicit,
    );
    assert_eq!(
        describe_candidates(&config, "a"),
        ["sim-openai/good 1 for x up to 9", "sim-gemini/good 1 for x up to 9", "sim-openai/good 1"]
    );
    assert_eq!(
        describe_candidates(&config, "c"),
        ["sim-openai/good 6 up to 10", "sim-gemini/good 2", "sim-openai/good 0"]
    );
}

#[test]
fn all_conflicts_are_reported_at_once() {
    insta::assert_snapshot!(
        "strategy_conflicts",
        routes_yaml_error(
            "version: 1
routes:
  a:
    weigh: {cost: 1}
    sticky_by: var:x
    candidates: [{model: sim-openai/good, weight: 2}, antropic/x, a]
  b: {strategy: balanced, weigh: {cost: 0, latency: 0, reliability: 0}, candidates: [sim-openai/good]}
  c: {strategy: balanced, weigh: {cost: -1, latency: .nan}, candidates: [sim-openai/good]}
  d: {strategy: weighted, sticky_by: customer, candidates: [{model: sim-openai/good, weight: -2}]}
"
        )
    );
    insta::assert_snapshot!(
        "condition_conflicts",
        routes_yaml_error(
            "version: 1
models:
  sim-openai/good: {supports: [no-tools]}
routes:
  a:
    candidates:
      - {model: sim-gemini/good, when: {min_input_tokens: 9, max_input_tokens: 5}}
      - {model: sim-gemini/good, when: {max_input_tokens: 0}}
      - {model: sim-gemini/terse, when: {label: ''}}
      - {model: sim-openai/good, when: {tools: true}}
      - {model: sim-gemini/terse, when: {label: x}}
      - {model: sim-gemini/terse, when: {label: x, schema: true}}
"
        )
    );
    insta::assert_snapshot!(
        "requirement_and_retry_conflicts",
        routes_yaml_error(
            "version: 1
defaults: {deadline: 10s, timeouts: {first_token: 40s}}
models:
  sim-openai/good: {supports: [no-tools]}
  sim-gemini/good: {supports: [no-pdf]}
routes:
  a: {candidates: [sim-openai/good], retry: {retries: 0, when: first}}
  b: {candidates: [sim-openai/good], deadline: 30s, timeouts: {first_token: 31s, idle: 50s}}
  c: {candidates: [sim-openai/good, sim-gemini/good], requires: [tools, pdf]}
  d: {candidates: [sim-openai/good, sim-gemini/terse], requires: [tools, pdf], max_cost_usd: 0}
  e: {candidates: [sim-openai/good], quality: {set: missing.yaml, min_pass_rate: 1.5, max_age: 0d}}
"
        )
    );
    insta::assert_snapshot!(
        "conflicts_outside_routes",
        routes_yaml_error(
            "version: 1
budget: {daily_usd: 0}
on_breaker_open: {command: ['{{ model }}', '{{ provder }}', '{{ model', '{{ reason | shout }}', 'ok {{ open_seconds }}']}
providers:
  sim-openai: {limits: {concurrency: 0, requests_per_minute: 0, tokens_per_minute: 0}}
routes:
  a: {candidates: [sim-openai/good]}
"
        )
    );
}

#[test]
fn nested_route_conflict_cases() {
    insta::assert_snapshot!(
        "nested_route_conflicts",
        routes_yaml_error(
            "version: 1
routes:
  a: {candidates: ['route:b', sim-openai/good]}
  b: {candidates: ['route:c', sim-openai/good]}
  c: {candidates: ['route:a', sim-openai/good]}
  self: {candidates: ['route:self']}
  lost: {candidates: ['route:selv']}
  x: {candidates: [{model: 'route:y', when: {label: one}}]}
  y: {candidates: [{model: sim-openai/good, when: {label: two}}]}
"
        )
    );
    insta::assert_snapshot!(
        "all_weights_zero",
        routes_yaml_error(
            "version: 1\nroutes:\n  w: {strategy: weighted, candidates: [{model: sim-openai/good, weight: 0}]}\n"
        )
    );
    // Deep nesting is rejected in any order, and many paths through nested routes do not slow down the check.
    let line = |n: usize| format!("  r{n}: {{candidates: ['route:r{}', sim-openai/m{n}]}}\n", n + 1);
    for order in [(0..40).collect::<Vec<_>>(), (0..40).rev().collect()] {
        let routes: String = order.into_iter().map(line).collect();
        let error =
            routes_yaml_error(&yaml_with_routes(&(routes + "  r40: {candidates: [sim-openai/good]}\n")));
        assert!(error.contains("routes nested more than 16 levels deep"), "{error}");
    }
    let fork = |n: usize| {
        let next = n + 1;
        format!("  r{n}: {{candidates: [{{model: 'route:r{next}', when: {{label: x}}}}, 'route:r{next}']}}\n")
    };
    let routes: String = (0..15).map(fork).collect();
    CliHarness::new()
        .with_file("routes.yaml", &yaml_with_routes(&(routes + "  r15: {candidates: [sim-openai/good]}\n")))
        .run(&["check"])
        .assert_exit_code(0);
    let many: String = (0..201).map(|n| format!("sim-openai/m{n}, ")).collect();
    let error = routes_yaml_error(&yaml_with_routes(&format!("  big: {{candidates: [{many}]}}\n")));
    assert!(error.contains("route `big` has more than 200 candidates"), "{error}");
}

#[test]
fn invalid_value_error_cases() {
    let error_for = |entry: &str| {
        routes_yaml_error(&yaml_with_routes(&format!(
            "  a:\n    candidates: [sim-openai/good]\n    {entry}\n"
        )))
    };
    for (entry, expected) in [
        ("strategy: cheepest", "did you mean `cheapest`?"),
        (
            "strategy: x",
            "use one of these values: priority, cheapest, fastest, least-busy, balanced, weighted",
        ),
        ("strategy:", "missing value: expected a string"),
        ("wiegh: {cost: 1}", "did you mean `weigh`?"),
        ("strategy: balanced\n    weigh: {cots: 1}", "did you mean `cost`?"),
        ("strategy: balanced\n    weigh: {x: 1}", "use one of these keys: cost, latency, reliability"),
        ("strategy: balanced\n    weigh: {cost: 50%}", "write 0.5 for 50%"),
        ("strategy: balanced\n    weigh: 5", "expected a map"),
        ("strategy: weighted\n    sticky_by: [x]", "expected a string"),
        ("quality: {set: s.yaml, min_pas_rate: 1}", "did you mean `min_pass_rate`?"),
        ("on_conversation: stop", "use one of these values: stay, failover"),
        ("max_p50_ms: 1.5", "invalid value `1.5`: expected an integer of 0 or more"),
        ("max_p50_ms: 99999999999999999999", "the number is too large"),
        ("max_cost_usd: 5e-2", "invalid amount `5e-2`: expected an amount in USD"),
    ] {
        assert!(error_for(entry).contains(expected), "{entry}: {}", error_for(entry));
    }
    // The weight is not reported as useless, because the strategy is only misspelled.
    let misspelled = yaml_with_routes(
        "  a: {strategy: wieghted, sticky_by: var:x, candidates: [{model: sim-openai/good, weight: 2}]}\n",
    );
    let error = routes_yaml_error(&misspelled);
    assert!(error.contains("did you mean `weighted`?") && !error.contains("has no effect"), "{error}");
    let candidate = |text: &str| {
        routes_yaml_error(&yaml_with_routes(&format!("  a:\n    candidates:\n      - {text}\n")))
    };
    insta::assert_snapshot!("unknown_candidate_key", candidate("{model: sim-openai/good, wehn: {label: x}}"));
    for (text, expected) in [
        ("{model: sim-openai/good, when: {lable: x}}", "did you mean `label`?"),
        ("{weight: 3}", "missing key `model`"),
        ("5", "expected a model name or a map"),
        ("", "expected a model name or a map"),
        ("[sim-openai/good]", "expected a model name or a map"),
        ("a", "did you mean `route:a`?"),
    ] {
        assert!(candidate(text).contains(expected), "{text}: {}", candidate(text));
        assert!(candidate(text).contains("routes.yaml:5:"), "{text}: {}", candidate(text));
    }
}

#[test]
fn overridden_defaults_are_not_conflicts() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version: 1
defaults: {deadline: 10s, timeouts: {first_token: 40s}, retry: {retries: 0}}
routes:
  long: {candidates: [sim-openai/good], deadline: 60s, retry: {retries: 1, when: first}}
  short: {candidates: [sim-openai/good], deadline: 5s}
  late: {candidates: [sim-openai/good], deadline: 10s, timeouts: {idle: 60s}, on_midstream: restart}
";
    load_config(text, folder.path(), ConfigOrigin::Explicit);
}

#[test]
fn untrusted_on_breaker_open_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "version: 1\non_breaker_open: {command: [true]}\nroutes: {a: {candidates: [sim-openai/good]}}\n";
    let text = text.replace("[true]", "['true']");
    let config = load_config(&text, folder.path(), ConfigOrigin::Project);
    assert_eq!((config.on_breaker_open, config.is_trusted), (None, false));
    assert_eq!(config.trust_requirements, ["`on_breaker_open` would run a command"]);
    assert!(load_config(&text, folder.path(), ConfigOrigin::User).on_breaker_open.is_some());
    let cli = CliHarness::new().with_file("routes.yaml", &text);
    cli.run(&["ask", "-m", "sim-openai/good", "hi"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["`on_breaker_open` would run a command", "slalom check --trust"]);
    cli.run(&["check", "--trust"]).assert_exit_code(0);
    let output = cli.run(&["ask", "-m", "sim-openai/good", "hi"]).assert_exit_code(0);
    assert!(!output.stderr.contains("trust"), "{}", output.stderr);
}

const ROUTES: &str = "  two-arms:
    strategy: weighted
    candidates: [{model: sim-openai/good, weight: 9, when: {label: x}}, {model: sim-gemini/good, weight: 1}]
  over: {candidates: ['route:two-arms', sim-openai/terse]}
  needs: {candidates: [sim-openai/good], requires: [tools]}
models:
  sim-openai/mute: {supports: [no-tools]}
aliases: {good: sim-gemini/good}
";

fn load_with_variables(set: &[(&str, &str)]) -> Result<Config, SubjectError> {
    let folder = tempfile::tempdir().unwrap();
    let lookup = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    load_config(&yaml_with_routes(ROUTES), folder.path(), ConfigOrigin::Explicit).apply_overrides(&lookup)
}

#[test]
fn env_override_replaces_route_candidates() {
    let config = load_with_variables(&[("SLALOM_ROUTE_TWO_ARMS", " sim-openai/good ,sim-anthropic/good,")]);
    assert_eq!(config.unwrap_err().message, "SLALOM_ROUTE_TWO_ARMS: empty name in the list");
    let config =
        load_with_variables(&[("SLALOM_ROUTE_TWO_ARMS", " sim-openai/good ,sim-anthropic/good")]).unwrap();
    assert_eq!(describe_candidates(&config, "two-arms"), ["sim-openai/good 9 for x", "sim-anthropic/good 1"]);
    assert_eq!(
        describe_candidates(&config, "over"),
        ["sim-openai/good 1 for x", "sim-anthropic/good 1", "sim-openai/terse 1"]
    );
    assert_eq!(config.override_notes, ["SLALOM_ROUTE_TWO_ARMS overrides the candidates of route `two-arms`"]);
    let overridden_by =
        |name: &str| config.routes.iter().find(|r| r.name == name).unwrap().overridden_by.clone();
    assert_eq!(
        (overridden_by("two-arms").as_deref(), overridden_by("over")),
        (Some("SLALOM_ROUTE_TWO_ARMS"), None)
    );
    let config =
        load_with_variables(&[("SLALOM_ROUTE_NEEDS", "good,route:two-arms"), ("SLALOM_ROUTE_OVER", " ")])
            .unwrap();
    assert_eq!(describe_candidates(&config, "needs"), ["sim-gemini/good 1", "sim-openai/good 1 for x"]);
    assert_eq!(config.override_notes.len(), 1);
}

#[test]
fn invalid_env_override_error_names_variable() {
    for (name, value, expected) in [
        ("SLALOM_ROUTE_OVER", "antropic/x", "SLALOM_ROUTE_OVER: unknown provider `antropic`"),
        ("SLALOM_ROUTE_OVER", "gud", "SLALOM_ROUTE_OVER: unknown model or alias `gud`"),
        ("SLALOM_ROUTE_OVER", "route:two", "SLALOM_ROUTE_OVER: unknown route `two`"),
        (
            "SLALOM_ROUTE_OVER",
            "good,sim-gemini/good",
            "SLALOM_ROUTE_OVER: duplicate candidate `sim-gemini/good`",
        ),
        (
            "SLALOM_ROUTE_TWO_ARMS",
            "route:over",
            "SLALOM_ROUTE_TWO_ARMS: circular reference between routes: two-arms → over → two-arms",
        ),
        (
            "SLALOM_ROUTE_NEEDS",
            "sim-openai/mute",
            "SLALOM_ROUTE_NEEDS: no candidate of route `needs` meets its `requires`: `sim-openai/mute` lacks tools",
        ),
    ] {
        assert_eq!(load_with_variables(&[(name, value)]).unwrap_err().message, expected);
    }
    let cli = CliHarness::new().with_file(
        "routes.yaml",
        &yaml_with_routes("  a-b: {candidates: [sim-openai/good]}\n  a.b: {candidates: [sim-openai/good]}\n"),
    );
    cli.run(&["check"]).assert_exit_code(0);
    cli.with_env("SLALOM_ROUTE_A_B", "sim-gemini/good")
        .run(&["check"])
        .assert_exit_code(2)
        .assert_stderr_contains(&[
            "ambiguous variable SLALOM_ROUTE_A_B: it matches routes `a-b` and `a.b`",
            "hint: ",
        ]);
}

#[test]
fn env_override_applies_to_every_command() {
    let cli = CliHarness::new()
        .with_file("routes.yaml", &yaml_with_routes("  mine: {candidates: [openai/gpt-6]}\n"))
        .with_env("SLALOM_ROUTE_MINE", "sim-anthropic/overloaded,sim-gemini/good");
    let output = cli.run(&["route", "mine", "--json", "hi"]).assert_exit_code(0);
    assert_eq!((&output.json()["provider"], &output.json()["model"]), (&"sim-gemini".into(), &"good".into()));
    let listed = cli.run(&["route", "--json"]).assert_exit_code(0);
    assert!(listed.stdout.contains("overloaded") && !listed.stdout.contains("gpt-6"), "{}", listed.stdout);
    cli.run(&["ask", "-m", "route:mine", "hi"]).assert_exit_code(0);
}

/// Target, whether it needs a label, and its input token limit. Targets 0 to 2 are models; larger targets
/// are later routes.
type RouteEntry = (usize, bool, Option<u64>);

fn route_entries() -> impl proptest::strategy::Strategy<Value = Vec<Vec<RouteEntry>>> {
    use proptest::prelude::*;
    prop::collection::vec(
        prop::collection::vec((0usize..7, any::<bool>(), prop::option::of(1u64..4)), 1..5),
        4,
    )
}

/// The models that a request may use, in order of first occurrence, computed directly from the entries.
fn expected_models(
    routes: &[Vec<RouteEntry>],
    route: usize,
    labeled: bool,
    tokens: u64,
    found: &mut Vec<String>,
) {
    for (target, label, limit) in &routes[route] {
        if (*label && !labeled) || limit.is_some_and(|limit| tokens > limit) {
            continue;
        }
        let below = route + target.saturating_sub(2);
        if *target > 2 && below < routes.len() {
            expected_models(routes, below, labeled, tokens, found);
        } else if !found.contains(&format!("m{target}")) {
            found.push(format!("m{target}"));
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Expanding nested routes must not change which models a request may use, or their order.
    #[test]
    fn expansion_preserves_candidate_order(routes in route_entries()) {
        let mut text = "version: 1\nroutes:\n".to_owned();
        for (n, entries) in routes.iter().enumerate() {
            text += &format!("  r{n}:\n    candidates:\n");
            for (target, label, limit) in entries {
                let below = n + target.saturating_sub(2);
                let name = if *target > 2 && below < routes.len() {
                    format!("route:r{below}")
                } else {
                    format!("sim-openai/m{target}")
                };
                let label = if *label { "label: x, " } else { "" };
                let limit = limit.map(|limit| format!("max_input_tokens: {limit}")).unwrap_or_default();
                text += &format!("      - {{model: '{name}', when: {{{label}{limit}}}}}\n");
            }
        }
        let found = ConfigFile { display_name: "routes.yaml".into(), path: None, text, origin: ConfigOrigin::Explicit };
        let config = match Config::load(found, &TrustStore::for_user()) {
            Ok(config) => config,
            Err(error) => {
                proptest::prop_assert!(error.diagnostics.iter().all(|p| p.message.contains("duplicate candidate")), "{}", error);
                return Ok(());
            }
        };
        for (n, route) in config.routes.iter().enumerate() {
            for (labeled, tokens) in [(false, 1), (false, 3), (true, 2), (true, 4)] {
                let mut expected = Vec::new();
                expected_models(&routes, n, labeled, tokens, &mut expected);
                let mut offered: Vec<String> = Vec::new();
                for candidate in &route.candidates {
                    let when = &candidate.when;
                    let meets = when.label.is_none() || labeled;
                    if meets && when.max_input_tokens.is_none_or(|limit| tokens <= limit.get()) && !offered.contains(&candidate.model.model) {
                        offered.push(candidate.model.model.clone());
                    }
                }
                proptest::prop_assert_eq!(&offered, &expected);
            }
        }
    }
}
