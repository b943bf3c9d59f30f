//! `slalom route` without a prompt: the state of each candidate and its reason; and `--reset`.

use serde_json::Value;
use slalom::chat::NanoDollars;
use slalom::config::{Config, ConfigFile, ConfigOrigin, TrustStore};
use slalom::route::{Availability, HealthReport, Unavailable};
use slalom::view::{RouteView, RoutesView, routes_json, routes_table};

use crate::harness::{CliHarness, CliOutput};

const NOW_MS: i64 = 1_800_000_000_000;

const STATUS_CONFIG: &str = "version: 1
budget: {daily_usd: 20}
routes:
  summarize:
    description: short summaries; cheap models first, others only if those are unavailable
    requires: [tools]
    max_cost_usd: 0.05
    max_p50_ms: 4000
    deadline: 60s
    candidates:
      - anthropic/claude-haiku-5-5
      - gemini/gemini-3.8-flash
      - {model: sim-openai/good, when: {max_input_tokens: 20000, label: bulk, tools: true}}
      - sim-anthropic/overloaded
      - sim-gemini/no-quota
      - openrouter/anthropic/claude-sonnet-4.5
      - sim-openai/slow
  canary:
    strategy: weighted
    sticky_by: var:customer
    candidates: [{model: sim-openai/good, weight: 95}, {model: sim-gemini/good, weight: 5}]
  balanced:
    strategy: balanced
    weigh: {cost: 1, latency: 1, reliability: 2}
    candidates: [sim-openai/gone, sim-gemini/good]
";

fn candidate_report(
    availability: Availability,
    failed: Option<(i64, &str)>,
    recent_errors: f64,
    recent_calls: f64,
) -> HealthReport {
    HealthReport {
        availability,
        error_rate: recent_errors / (recent_calls + 8.0),
        recent_calls,
        recent_errors,
        trips: 0,
        first_token_ms: None,
        token_ms: None,
        last_failure: failed.map(|(ago, class)| (NOW_MS - ago, class.to_owned())),
    }
}

fn unavailable(wait: i64, why: Unavailable) -> Availability {
    Availability::Unavailable { until: NOW_MS + wait, why }
}

/// One health report per candidate, each in a different state.
fn sample_reports() -> Vec<(&'static str, HealthReport)> {
    let open = candidate_report(
        unavailable(11_400, Unavailable::BreakerOpen),
        Some((3_000, "server_error")),
        3.0,
        3.0,
    );
    let measured = candidate_report(Availability::Ready, None, 0.0, 5.6);
    let blocked = |class: &str| unavailable(230_000, Unavailable::Cooldown(class.to_owned()));
    vec![
        (
            "gemini/gemini-3.8-flash",
            candidate_report(
                unavailable(40_000, Unavailable::RetryAfter),
                Some((20_000, "rate_limited")),
                1.0,
                1.2,
            ),
        ),
        ("sim-openai/good", HealthReport { first_token_ms: Some(310.4), token_ms: Some(11.6), ..measured }),
        ("sim-anthropic/overloaded", HealthReport { trips: 2, ..open }),
        (
            "sim-gemini/no-quota",
            candidate_report(blocked("quota_exhausted"), Some((70_000, "quota_exhausted")), 0.0, 0.0),
        ),
        ("openrouter/anthropic/claude-sonnet-4.5", candidate_report(blocked("auth"), None, 0.0, 0.0)),
        ("sim-openai/slow", candidate_report(Availability::Demoted, Some((200_000, "timeout")), 2.0, 4.0)),
        (
            "sim-openai/gone",
            candidate_report(blocked("model_unavailable"), Some((2_000, "model_unavailable")), 0.0, 0.0),
        ),
        (
            "sim-gemini/good",
            HealthReport { trips: 1, ..candidate_report(Availability::HalfOpen, None, 0.0, 0.0) },
        ),
    ]
}

fn routes_view(config: &Config) -> RoutesView<'static> {
    let key = |name: &str| matches!(name, "GEMINI_API_KEY" | "OPENROUTER_API_KEY").then(|| "k".to_owned());
    let samples = sample_reports();
    let routes = config.routes.iter().map(|spec| {
        let route = config.build_route(&spec.name, &key).unwrap();
        let find =
            |model: &str| samples.iter().find(|(name, _)| *name == model).map(|(_, report)| report.clone());
        RouteView {
            description: spec.description.clone(),
            overridden_by: (spec.name == "canary")
                .then(|| "SLALOM_ROUTE_CANARY".to_owned())
                .into_iter()
                .collect(),
            weights: Vec::new(),
            reports: route.candidates.iter().map(|c| find(&c.model_ref.to_string())).collect(),
            route,
        }
    });
    RoutesView {
        routes: routes.collect(),
        budget: config.budget,
        spent: Some([300_000_000, 0].map(NanoDollars::new)),
        folder: None,
        now: NOW_MS,
    }
}

fn load_config() -> Config {
    let found = ConfigFile {
        display_name: "routes.yaml".into(),
        path: None,
        text: STATUS_CONFIG.into(),
        origin: ConfigOrigin::User,
    };
    let mut config = Config::load(found, &TrustStore::for_user()).unwrap_or_else(|error| panic!("{error}"));
    config.set_simulator_url("http://127.0.0.1");
    config
}

#[test]
fn table_fits_every_width() {
    let config = load_config();
    let view = routes_view(&config);
    for width in [40, 60, 80, 100, 129, 130, 200, 240] {
        let shown = routes_table(&view, width);
        let longest = shown.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} at {width}:\n{shown}");
        if width >= 80 {
            for name in ["openrouter/anthropic/claude-sonnet-4.5", "sim-anthropic/overloaded (sim)"] {
                assert!(shown.contains(name), "{name} is broken at {width}:\n{shown}");
            }
        }
    }
    insta::assert_snapshot!("routes_at_80_columns", routes_table(&view, 80));
    insta::assert_snapshot!("routes_at_110_columns", routes_table(&view, 110));
    insta::assert_snapshot!("routes_at_200_columns", routes_table(&view, 200));
}

#[test]
fn json_reports_every_state() {
    let config = load_config();
    let json = routes_json(&routes_view(&config));
    assert_eq!(json["schema"], "slalom.routes/1");
    assert_eq!(
        json["budget"],
        serde_json::json!({
            "daily_usd": 20.0, "on_exceeded": "stop", "spent_usd": 0.3, "spent_simulated_usd": 0.0,
        })
    );
    let values = |route: usize, field: &str| -> Vec<Value> {
        json["routes"][route]["candidates"].as_array().unwrap().iter().map(|c| c[field].clone()).collect()
    };
    let states = ["no_key", "not_before", "ready", "breaker_open", "blocked", "blocked", "demoted"];
    assert_eq!(values(0, "state"), states);
    assert_eq!(values(0, "ready"), [false, false, true, false, false, false, true]);
    assert_eq!(values(2, "state"), ["blocked", "half_open"]);
    let summarize = &json["routes"][0];
    assert_eq!((&summarize["requires"][0], &summarize["max_p50_ms"]), (&"tools".into(), &4000.into()));
    let (ready, open) = (&summarize["candidates"][2], &summarize["candidates"][3]);
    assert_eq!(open["until_ms"], NOW_MS + 11_400);
    assert_eq!(
        (&open["for_s"], &open["trips"], &open["first_token_ms"]),
        (&11.4.into(), &2.into(), &Value::Null)
    );
    assert_eq!(open["last_failure"]["class"], "server_error");
    assert_eq!(open["last_failure"]["ago_s"], 3.0);
    assert_eq!((&ready["until_ms"], &ready["last_failure"]), (&Value::Null, &Value::Null));
    assert_eq!((&ready["first_token_ms"], &ready["token_ms"]), (&310.4.into(), &11.6.into()));
    assert_eq!(ready["when"], serde_json::json!({"max_input_tokens": 20000, "label": "bulk", "tools": true}));
    let canary = &json["routes"][1];
    assert_eq!(
        (&canary["overridden_by"], &canary["sticky_by"]),
        (&serde_json::json!(["SLALOM_ROUTE_CANARY"]), &"customer".into())
    );
    assert_eq!(canary["candidates"][0]["weight"], 95.0);
    assert_eq!(json["routes"][2]["weigh"]["reliability"], 2.0);
}

const ROUTES: &str = "version: 1
routes:
  sick: {candidates: [sim-anthropic/overloaded], retry: {retries: 2, base: 1ms}}
  poor: {candidates: [sim-gemini/no-quota, sim-openai/gone, sim-openai/good]}
  well: {candidates: [sim-openai/good, openai/gpt-6-luna]}
";

fn harness() -> CliHarness {
    CliHarness::new().with_file("routes.yaml", ROUTES)
}

fn candidate_states(output: CliOutput) -> Vec<String> {
    let json = output.assert_exit_code(0).json();
    let candidates = json["routes"][0]["candidates"].as_array().unwrap();
    candidates.iter().map(|c| c["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn recent_failures_are_shown_with_reason() {
    let cli = harness().with_env("COLUMNS", "200");
    assert_eq!(candidate_states(cli.run(&["route", "sick", "--json"])), ["ready"]);
    cli.run(&["route", "sick", "hi"]).assert_exit_code(3).assert_stderr_contains(&[
        "circuit breaker for sim-anthropic/overloaded opened (server_error); skipping it for ",
    ]);
    cli.run(&["route", "poor", "hi"]).assert_exit_code(0);
    let shown = cli.run(&["route", "sick"]).assert_exit_code(0).collapsed_stdout();
    let open = "│ sim-anthropic/overloaded (sim) ┆ circuit breaker open for another ";
    for expected in
        [open, "server_error", " ago", "failures in 100% of about 3 recent calls; 1 trip", "unmeasured"]
    {
        assert!(
            shown.contains(expected) || expected == " ago" && shown.contains("just now"),
            "{expected}: {shown}"
        );
    }
    assert_eq!(candidate_states(cli.run(&["route", "poor", "--json"])), ["blocked", "blocked", "ready"]);
    let all = cli.run(&["route"]).assert_exit_code(0).collapsed_stdout();
    let ready = "│ sim-openai/good (sim) ┆ ready ┆ about 1 recent call, no failures ┆ ";
    assert!(all.matches(ready).count() == 2 && !all.contains(&format!("{ready}unmeasured")), "{all}");
    assert!(
        all.contains(
            "│ openai/gpt-6-luna ┆ no API key ┆ OPENAI_API_KEY is not set ┆ unmeasured ┆ unmeasured"
        ),
        "{all}"
    );
}

#[test]
fn reset_clears_only_named_route() {
    let cli = harness();
    cli.run(&["route", "sick", "hi"]).assert_exit_code(3);
    cli.run(&["route", "poor", "hi"]).assert_exit_code(0);
    let output = cli.run(&["route", "sick", "--reset"]).assert_exit_code(0);
    assert_eq!(output.stdout, "");
    output.assert_stderr_contains(&[
        "reset 1 candidate of `sick`; previous state:\n",
        "  sim-anthropic/overloaded: circuit breaker open for another ",
    ]);
    assert_eq!(candidate_states(cli.run(&["route", "sick", "--json"])), ["ready"]);
    assert_eq!(candidate_states(cli.run(&["route", "poor", "--json"])), ["blocked", "blocked", "ready"]);
    cli.run(&["route", "--reset"]).assert_exit_code(0).assert_stderr_contains(&[
        "reset 3 candidates of the 3 routes in ",
        "; previous state:\n",
        "  sim-gemini/no-quota: provider in cooldown for another 15 min (quota_exhausted)\n",
        "  sim-openai/gone: model in cooldown for another 10 min (model_unavailable)\n",
        "  sim-openai/good: ready\n",
    ]);
    assert_eq!(candidate_states(cli.run(&["route", "poor", "--json"])), ["ready", "ready", "ready"]);
    cli.run(&["route", "--reset"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["nothing to reset: no recorded health for the candidates of the 3 routes"]);
}

#[test]
fn reset_unblocks_rejected_key() {
    let simulator = crate::harness::CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{env: MINE_KEY}}}}\n\
         routes:\n  refused: {{candidates: [mine/bad-key, mine/good]}}\n  other: {{candidates: [mine/good]}}\n",
        simulator.url()
    );
    let cli = CliHarness::new()
        .with_file("named.yaml", &routes)
        .with_env("SLALOM_CONFIG", "named.yaml")
        .with_env("MINE_KEY", "k");
    cli.run(&["route", "refused", "hi"]).assert_exit_code(0);
    // Both models share the key.
    assert_eq!(candidate_states(cli.run(&["route", "other", "--json"])), ["blocked"]);
    let expected = ["mine/good: key in cooldown for another 5 min (auth)"];
    cli.run(&["route", "other", "--reset"]).assert_exit_code(0).assert_stderr_contains(&expected);
    assert_eq!(candidate_states(cli.run(&["route", "refused", "--json"])), ["ready", "ready"]);
}

#[test]
fn reset_with_conflicting_arguments_exits_2() {
    let cli = harness();
    let reset =
        |more: &[&str]| cli.run(&[&["route", "sick", "--reset"][..], more].concat()).assert_exit_code(2);
    reset(&["a prompt"]).assert_stderr_contains(&["--reset", "[PROMPT]"]);
    reset(&["--dry-run"]).assert_stderr_contains(&["--dry-run"]);
    reset(&["--drill", "each"]).assert_stderr_contains(&["--drill"]);
    reset(&["--json"]).assert_stderr_contains(&["--json"]);
    cli.run(&["route", "sikc", "--reset"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["unknown route `sikc`", "did you mean `sick`?"]);
    cli.run(&["route", "sikc"]).assert_exit_code(2).assert_stderr_contains(&["did you mean `sick`?"]);
}

#[test]
fn reset_with_unusable_ledger_exits_2() {
    let cli = harness().with_file("no-folder", "");
    let ledger = ["--ledger", "no-folder/ledger.db"];
    let output = cli.run(&[&ledger[..], &["route", "--reset"]].concat()).assert_exit_code(2);
    assert_eq!(output.stderr.matches("no-folder/ledger.db").count(), 1, "{}", output.stderr);
    output.assert_stderr_contains(&[
        "error: cannot reset health: cannot use the ledger no-folder/ledger.db: ",
        "hint: check the ledger file",
    ]);
    let output = cli.run(&[&ledger[..], &["route", "sick"]].concat()).assert_exit_code(0);
    assert_eq!(output.stderr.matches("no-folder/ledger.db").count(), 1, "{}", output.stderr);
    output.assert_stderr_contains(&["; showing what could be read"]);
}

#[test]
fn reset_failing_midway_exits_2() {
    let cli = harness().with_env("SLALOM_LEDGER", "ledger.db");
    cli.run(&["route", "sick", "hi"]).assert_exit_code(3);
    let trigger = "CREATE TRIGGER kept BEFORE DELETE ON health BEGIN SELECT RAISE(FAIL, 'disk full'); END";
    rusqlite::Connection::open(cli.path("ledger.db")).unwrap().execute_batch(trigger).unwrap();
    let output = cli
        .run(&["route", "sick", "--reset"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["error: cannot reset health: ", "disk full"]);
    assert!(!output.stderr.contains("reset 1 candidate"), "{}", output.stderr);
    assert_ne!(candidate_states(cli.run(&["route", "sick", "--json"])), ["ready"]);
}

#[test]
fn stdin_prompt_cases() {
    let cli = harness();
    let answered = cli.run_with_input(&["route", "well"], "from the pipe").assert_exit_code(0);
    assert!(answered.stdout.contains("from the pipe"), "{}", answered.stdout);
    cli.run_with_input(&["route", "well"], "")
        .assert_exit_code(2)
        .assert_stderr_contains(&["missing prompt"]);
    cli.run(&["route", "well", ""]).assert_exit_code(2).assert_stderr_contains(&["missing prompt"]);
    cli.run(&["route", "well", "--dry-run"]).assert_exit_code(2).assert_stderr_contains(&["missing prompt"]);
    let shown = cli.run_with_input(&["route", "well", "--no-stdin"], "from the pipe").assert_exit_code(0);
    assert!(shown.stdout.starts_with("well · priority · deadline 120 s\n"), "{}", shown.stdout);
    let listed = cli.run_with_input(&["route"], "from the pipe").assert_exit_code(0);
    assert!(listed.stdout.starts_with("sick · priority"), "{}", listed.stdout);
}

#[test]
fn env_override_is_shown_with_variable() {
    let routes = ROUTES.to_owned() + "  whole: {candidates: [sim-cohere/good, \"route:well\"]}\n";
    let cli =
        CliHarness::new().with_file("routes.yaml", &routes).with_env("SLALOM_ROUTE_WELL", "sim-gemini/good");
    for route in ["well", "whole"] {
        let shown = cli.run(&["route", route]).assert_exit_code(0).stdout;
        assert!(shown.contains("candidates overridden by SLALOM_ROUTE_WELL"), "{shown}");
        assert!(shown.contains("sim-gemini/good") && !shown.contains("sim-openai/good"), "{shown}");
    }
    let json = cli.run(&["route", "--json"]).assert_exit_code(0).json();
    let variables: Vec<&Value> =
        json["routes"].as_array().unwrap().iter().map(|r| &r["overridden_by"]).collect();
    let well = serde_json::json!(["SLALOM_ROUTE_WELL"]);
    assert_eq!(variables, [&serde_json::json!([]), &serde_json::json!([]), &well, &well]);
}
