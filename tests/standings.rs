//! `slalom route` without a prompt: how candidates stand, and why; and `--reset`.

use serde_json::Value;
use slalom::config::{Config, Found, Origin, TrustStore};
use slalom::route::{Away, Report, Standing};
use slalom::view::{RouteView, RoutesView, routes_json, routes_table};

use crate::tool::{Ran, Tool};

const NOW: i64 = 1_800_000_000_000;

const SHOWN: &str = "version: 1
budget: {daily_usd: 20}
routes:
  summarize:
    description: short summaries; cheap first, and whoever is up when the first ones are not
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

fn report(standing: Standing, failed: Option<(i64, &str)>, troubled: f64, events: f64) -> Report {
    Report {
        standing,
        trouble: troubled / (events + 8.0),
        events,
        troubled,
        trips: 0,
        first_token_ms: None,
        token_ms: None,
        last_failure: failed.map(|(ago, class)| (NOW - ago, class.to_owned())),
    }
}

fn away(wait: i64, why: Away) -> Standing {
    Standing::Away { until: NOW + wait, why }
}

/// What is known of each candidate, each in another state.
fn reports() -> Vec<(&'static str, Report)> {
    let open = report(away(11_400, Away::Open), Some((3_000, "server_error")), 3.0, 3.0);
    let measured = report(Standing::Ready, None, 0.0, 5.6);
    let blocked = |class: &str| away(230_000, Away::Blocked(class.to_owned()));
    vec![
        (
            "gemini/gemini-3.8-flash",
            report(away(40_000, Away::Asked), Some((20_000, "rate_limited")), 1.0, 1.2),
        ),
        ("sim-openai/good", Report { first_token_ms: Some(310.4), token_ms: Some(11.6), ..measured }),
        ("sim-anthropic/overloaded", Report { trips: 2, ..open }),
        (
            "sim-gemini/no-quota",
            report(blocked("quota_exhausted"), Some((70_000, "quota_exhausted")), 0.0, 0.0),
        ),
        ("openrouter/anthropic/claude-sonnet-4.5", report(blocked("auth"), None, 0.0, 0.0)),
        ("sim-openai/slow", report(Standing::Demoted, Some((200_000, "timeout")), 2.0, 4.0)),
        (
            "sim-openai/gone",
            report(blocked("model_unavailable"), Some((2_000, "model_unavailable")), 0.0, 0.0),
        ),
        ("sim-gemini/good", Report { trips: 1, ..report(Standing::HalfOpen, None, 0.0, 0.0) }),
    ]
}

fn view(config: &Config) -> RoutesView<'static> {
    let key = |name: &str| matches!(name, "GEMINI_API_KEY" | "OPENROUTER_API_KEY").then(|| "k".to_owned());
    let known = reports();
    let routes = config.routes.iter().map(|spec| {
        let route = config.route(&spec.name, &key).unwrap();
        let of =
            |model: &str| known.iter().find(|(name, _)| *name == model).map(|(_, report)| report.clone());
        RouteView {
            description: spec.description.clone(),
            overridden_by: (spec.name == "canary")
                .then(|| "SLALOM_ROUTE_CANARY".to_owned())
                .into_iter()
                .collect(),
            weights: Vec::new(),
            reports: route.candidates.iter().map(|c| of(&c.model_ref.to_string())).collect(),
            route,
        }
    });
    RoutesView {
        routes: routes.collect(),
        budget: config.budget,
        spent: [300_000_000, 0],
        folder: None,
        now: NOW,
    }
}

fn config() -> Config {
    let found = Found { name: "routes.yaml".into(), path: None, text: SHOWN.into(), origin: Origin::User };
    let mut config = Config::load(found, &TrustStore::of_user()).unwrap_or_else(|error| panic!("{error}"));
    config.put_simulator_at("http://127.0.0.1");
    config
}

#[test]
fn every_state_reads_well_at_every_width() {
    let config = config();
    let view = view(&config);
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
fn json_has_every_state_in_a_word_and_null_for_the_unknown() {
    let config = config();
    let json = routes_json(&view(&config));
    assert_eq!(json["schema"], "slalom.routes/1");
    assert_eq!(
        json["budget"],
        serde_json::json!({
            "daily_usd": 20.0, "on_exceeded": "stop", "spent_usd": 0.3, "spent_simulated_usd": 0.0,
        })
    );
    let words = |route: usize, field: &str| -> Vec<Value> {
        json["routes"][route]["candidates"].as_array().unwrap().iter().map(|c| c[field].clone()).collect()
    };
    let states = ["no_key", "not_before", "ready", "breaker_open", "blocked", "blocked", "demoted"];
    assert_eq!(words(0, "state"), states);
    assert_eq!(words(0, "ready"), [false, false, true, false, false, false, true]);
    assert_eq!(words(2, "state"), ["blocked", "half_open"]);
    let summarize = &json["routes"][0];
    assert_eq!((&summarize["requires"][0], &summarize["max_p50_ms"]), (&"tools".into(), &4000.into()));
    let (ready, open) = (&summarize["candidates"][2], &summarize["candidates"][3]);
    assert_eq!(open["until_ms"], NOW + 11_400);
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

fn tool() -> Tool {
    Tool::new().file("routes.yaml", ROUTES)
}

fn states(ran: Ran) -> Vec<String> {
    let json = ran.exits(0).json();
    let candidates = json["routes"][0]["candidates"].as_array().unwrap();
    candidates.iter().map(|c| c["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_calls_taught_is_shown_with_why() {
    let tool = tool().env("COLUMNS", "200");
    assert_eq!(states(tool.run(&["route", "sick", "--json"])), ["ready"]);
    tool.run(&["route", "sick", "hi"]).exits(3).says(&["its breaker opened (server_error)"]);
    tool.run(&["route", "poor", "hi"]).exits(0);
    let shown = tool.run(&["route", "sick"]).exits(0).squeezed();
    let open = "│ sim-anthropic/overloaded (sim) ┆ breaker open for another ";
    for words in
        [open, "server_error", " ago", "trouble in 100 % of about 3 recent calls; 1 trip", "unmeasured"]
    {
        assert!(shown.contains(words) || words == " ago" && shown.contains("just now"), "{words}: {shown}");
    }
    assert_eq!(states(tool.run(&["route", "poor", "--json"])), ["blocked", "blocked", "ready"]);
    let all = tool.run(&["route"]).exits(0).squeezed();
    let ready = "│ sim-openai/good (sim) ┆ ready ┆ about 1 recent call without trouble ┆ ";
    assert!(all.matches(ready).count() == 2 && !all.contains(&format!("{ready}unmeasured")), "{all}");
    assert!(
        all.contains("│ openai/gpt-6-luna ┆ no key ┆ OPENAI_API_KEY is not set ┆ unmeasured ┆ unmeasured"),
        "{all}"
    );
}

#[test]
fn a_reset_lets_the_candidates_of_its_route_start_anew_and_no_others() {
    let tool = tool();
    tool.run(&["route", "sick", "hi"]).exits(3);
    tool.run(&["route", "poor", "hi"]).exits(0);
    let ran = tool.run(&["route", "sick", "--reset"]).exits(0);
    assert_eq!(ran.stdout, "");
    ran.says(&[
        "1 candidate of `sick` starts anew:\n",
        "  sim-anthropic/overloaded: was breaker open for another ",
    ]);
    assert_eq!(states(tool.run(&["route", "sick", "--json"])), ["ready"]);
    assert_eq!(states(tool.run(&["route", "poor", "--json"])), ["blocked", "blocked", "ready"]);
    tool.run(&["route", "--reset"]).exits(0).says(&[
        "3 candidates of the 3 routes of ",
        "  sim-gemini/no-quota: was provider blocked for another 15 min (quota_exhausted)\n",
        "  sim-openai/gone: was model blocked for another 10 min (model_unavailable)\n",
        "  sim-openai/good: was ready\n",
    ]);
    assert_eq!(states(tool.run(&["route", "poor", "--json"])), ["ready", "ready", "ready"]);
    tool.run(&["route", "--reset"]).exits(0).says(&["nothing is known of the candidates of the 3 routes"]);
}

#[test]
fn a_key_that_was_refused_is_taken_again_after_a_reset() {
    let served = crate::tool::CountingSimulator::start();
    let routes = format!(
        "version: 1\nproviders:\n  mine: {{dialect: openai-chat, base_url: '{}/v1', api_key: {{env: MINE_KEY}}}}\n\
         routes:\n  refused: {{candidates: [mine/bad-key, mine/good]}}\n  other: {{candidates: [mine/good]}}\n",
        served.url()
    );
    let tool =
        Tool::new().file("named.yaml", &routes).env("SLALOM_CONFIG", "named.yaml").env("MINE_KEY", "k");
    tool.run(&["route", "refused", "hi"]).exits(0);
    // The key is one for both models.
    assert_eq!(states(tool.run(&["route", "other", "--json"])), ["blocked"]);
    let words = ["mine/good: was key blocked for another 5 min (auth)"];
    tool.run(&["route", "other", "--reset"]).exits(0).says(&words);
    assert_eq!(states(tool.run(&["route", "refused", "--json"])), ["ready", "ready"]);
}

#[test]
fn slips_beside_reset_are_named() {
    let tool = tool();
    let reset = |more: &[&str]| tool.run(&[&["route", "sick", "--reset"][..], more].concat()).exits(2);
    reset(&["a prompt"]).says(&["--reset", "[PROMPT]"]);
    reset(&["--dry-run"]).says(&["--dry-run"]);
    reset(&["--drill", "each"]).says(&["--drill"]);
    reset(&["--json"]).says(&["--json"]);
    tool.run(&["route", "sikc", "--reset"])
        .exits(2)
        .says(&["there is no route `sikc`", "did you mean `sick`?"]);
    tool.run(&["route", "sikc"]).exits(2).says(&["did you mean `sick`?"]);
}

#[test]
fn a_ledger_that_cannot_be_used_clears_nothing_and_says_so_once() {
    let tool = tool().file("no-folder", "");
    let ledger = ["--ledger", "no-folder/ledger.db"];
    let ran = tool.run(&[&ledger[..], &["route", "--reset"]].concat()).exits(2);
    assert_eq!(ran.stderr.matches("no-folder/ledger.db").count(), 1, "{}", ran.stderr);
    ran.says(&[
        "error: nothing was cleared: the ledger no-folder/ledger.db cannot be used",
        "hint: the ledger is",
    ]);
    let ran = tool.run(&[&ledger[..], &["route", "sick"]].concat()).exits(0);
    assert_eq!(ran.stderr.matches("no-folder/ledger.db").count(), 1, "{}", ran.stderr);
    ran.says(&["what could be read of it is shown"]);
}

#[test]
fn a_ledger_that_fails_in_the_middle_clears_nothing() {
    let tool = tool().env("SLALOM_LEDGER", "ledger.db");
    tool.run(&["route", "sick", "hi"]).exits(3);
    let fails = "CREATE TRIGGER kept BEFORE DELETE ON health BEGIN SELECT RAISE(FAIL, 'no room'); END";
    rusqlite::Connection::open(tool.path("ledger.db")).unwrap().execute_batch(fails).unwrap();
    let ran =
        tool.run(&["route", "sick", "--reset"]).exits(2).says(&["error: nothing was cleared", "no room"]);
    assert!(!ran.stderr.contains("starts anew"), "{}", ran.stderr);
    assert_ne!(states(tool.run(&["route", "sick", "--json"])), ["ready"]);
}

#[test]
fn a_name_alone_is_a_question_only_where_nothing_is_piped() {
    let tool = tool();
    let answered = tool.run_with_input(&["route", "well"], "from the pipe").exits(0);
    assert!(answered.stdout.contains("from the pipe"), "{}", answered.stdout);
    tool.run_with_input(&["route", "well"], "").exits(2).says(&["there is no prompt"]);
    tool.run(&["route", "well", ""]).exits(2).says(&["there is no prompt"]);
    tool.run(&["route", "well", "--dry-run"]).exits(2).says(&["there is no prompt"]);
    let shown = tool.run_with_input(&["route", "well", "--no-stdin"], "from the pipe").exits(0);
    assert!(shown.stdout.starts_with("well · priority · deadline 120 s\n"), "{}", shown.stdout);
    let listed = tool.run_with_input(&["route"], "from the pipe").exits(0);
    assert!(listed.stdout.starts_with("sick · priority"), "{}", listed.stdout);
}

#[test]
fn a_deploys_own_candidates_are_shown_with_the_variable() {
    let routes = ROUTES.to_owned() + "  whole: {candidates: [sim-cohere/good, \"route:well\"]}\n";
    let tool = Tool::new().file("routes.yaml", &routes).env("SLALOM_ROUTE_WELL", "sim-gemini/good");
    for route in ["well", "whole"] {
        let shown = tool.run(&["route", route]).exits(0).stdout;
        assert!(shown.contains("SLALOM_ROUTE_WELL replaces candidates of the file"), "{shown}");
        assert!(shown.contains("sim-gemini/good") && !shown.contains("sim-openai/good"), "{shown}");
    }
    let json = tool.run(&["route", "--json"]).exits(0).json();
    let variables: Vec<&Value> =
        json["routes"].as_array().unwrap().iter().map(|r| &r["overridden_by"]).collect();
    let well = serde_json::json!(["SLALOM_ROUTE_WELL"]);
    assert_eq!(variables, [&serde_json::json!([]), &serde_json::json!([]), &well, &well]);
}
