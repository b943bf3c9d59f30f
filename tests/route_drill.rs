//! `slalom route --drill`: simulated outages and their verdicts.

use serde_json::{Value, json};

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const ROUTES: &str = "version: 1
aliases: {spare: sim-gemini/good}
routes:
  two: {candidates: [sim-openai/good, spare]}
  one: {candidates: [sim-openai/good]}
  fragile: {candidates: [sim-openai/good, sim-anthropic/overloaded]}
  shapeless: {candidates: [sim-openai/good, sim-gemini/sloppy]}
  keyless: {candidates: [sim-openai/good, anthropic/claude-haiku-5-5, spare]}
  patient: {candidates: [sim-openai/good, spare], timeouts: {first_token: 800ms, idle: 800ms}}
  late: {candidates: [sim-openai/good, sim-gemini/stall], deadline: 800ms, timeouts: {idle: 900ms}}
  stubborn: {candidates: [sim-openai/good, sim-gemini/good], retry: {retries: 1, when: first}}
";

fn harness_with_routes() -> CliHarness {
    CliHarness::new().with_file("routes.yaml", ROUTES)
}

fn run_drill(route: &str, drills: &[&str]) -> CliOutput {
    let drills: Vec<&str> = drills.iter().flat_map(|drill| ["--drill", drill]).collect();
    harness_with_routes().run(&[&["route", route, "--json"][..], &drills, &["hello"]].concat())
}

fn failure_classes(envelope: &Value) -> Vec<&str> {
    let attempts = envelope["attempts"].as_array().unwrap();
    attempts.iter().filter_map(|attempt| attempt["failure"]["class"].as_str()).collect()
}

#[test]
fn every_fault_fails_over_to_next_candidate() {
    for (fault, class) in [
        ("down", "unreachable"),
        ("429", "rate_limited"),
        ("529", "server_error"),
        ("401", "auth"),
        ("404", "model_unavailable"),
        ("402", "quota_exhausted"),
        ("cut", "truncated"),
        ("stall", "timeout"),
        ("slow:5s", "timeout"),
        ("malformed", "malformed"),
        ("empty", "empty"),
    ] {
        let drill = format!("sim-openai={fault}");
        let envelope = run_drill("patient", &[&drill]).assert_exit_code(0).json();
        assert_eq!(failure_classes(&envelope), [class], "{fault}");
        assert_eq!((&envelope["provider"], &envelope["failovers"]), (&"sim-gemini".into(), &1.into()));
        assert_eq!(envelope["drill"], json!([drill]));
    }
}

#[test]
fn target_accepts_provider_model_or_alias() {
    for (drill, provider) in [
        ("sim-openai=down", "sim-gemini"),
        ("sim-openai/good=down", "sim-gemini"),
        ("spare=down", "sim-openai"),
        ("sim-openai=slow:10ms:50%", "sim-openai"),
    ] {
        assert_eq!(run_drill("two", &[drill]).assert_exit_code(0).json()["provider"], provider, "{drill}");
    }
    // Without --drill, the envelope has no `drill` key.
    let ordinary = harness_with_routes().run(&["route", "two", "--json", "hello"]).assert_exit_code(0).json();
    assert_eq!(ordinary.get("drill"), None);
}

#[test]
fn stderr_marks_simulated_outage() {
    let output = harness_with_routes()
        .run(&["route", "two", "--drill", "sim-openai=503:100%", "hello"])
        .assert_exit_code(0);
    assert!(output.stdout.starts_with("This is slalom's simulator"), "{}", output.stdout);
    output.assert_stderr_contains(&[
        "drill: sim-openai=503:100% (simulated)\n",
        "warning: sim-openai/good: server_error (503): Service Unavailable (simulated by --drill)",
        "1 failover · drill: sim-openai=503:100% (simulated)",
    ]);
}

#[test]
fn unanswered_call_exits_1() {
    let output = run_drill("two", &["sim-openai=down", "spare=empty"]).assert_exit_code(1);
    assert_eq!(output.json()["drill"], json!(["sim-openai=down", "spare=empty"]));
    output.assert_stderr_contains(&[
        "no answer from route:two during the drill (sim-openai=down, spare=empty): all attempts failed\n",
        "hint: add a candidate",
    ]);
    // A bad request stops the route, as it does without a drill.
    let output = run_drill("two", &["sim-openai=400"]).assert_exit_code(1);
    assert_eq!(failure_classes(&output.json()), ["bad_request"]);
    let schema = r#"{"type":"object","required":["x"],"properties":{"x":{"type":"string"}}}"#;
    let cli = harness_with_routes().with_file("s.json", schema);
    cli.run(&["route", "two", "--drill", "sim-openai=down", "--schema", "s.json", "hi"]).assert_exit_code(0);
    let limit = ["route", "two", "--drill", "sim-openai=slow:9s", "--timeout", "50ms", "hi"];
    cli.run(&limit).assert_exit_code(1).assert_stderr_contains(&["time limit exceeded"]);
}

#[test]
fn each_takes_down_every_candidate_then_all() {
    let output =
        CliHarness::new().run(&["route", "demo", "--drill", "each", "--json", "Hello"]).assert_exit_code(0);
    let report = output.json();
    assert_eq!((&report["schema"], &report["route"]), (&"slalom.drill/1".into(), &"demo".into()));
    assert_eq!((&report["simulated_outage"], &report["exit_code"]), (&true.into(), &0.into()));
    let drills = report["drills"].as_array().unwrap();
    let outcomes: Vec<(&Value, &Value, &Value)> =
        drills.iter().map(|d| (&d["down"], &d["answered_by"], &d["outcome"])).collect();
    let (overloaded, openai, gemini) = ("sim-anthropic/overloaded", "sim-openai/good", "sim-gemini/good");
    assert_eq!(
        outcomes,
        [
            (&json!([overloaded]), &json!(openai), &json!("kept")),
            (&json!([openai]), &json!(gemini), &json!("kept")),
            (&json!([gemini]), &json!(openai), &json!("kept")),
            (&json!([overloaded, openai, gemini]), &Value::Null, &json!("no_answer")),
        ]
    );
    for drill in &drills[..3] {
        assert_eq!((&drill["schema_met"], &drill["deadline_met"]), (&Value::Null, &true.into()));
        assert!(drill["cost_usd"].as_f64().unwrap() > 0.0 && drill["simulated"] == true);
        let answered = drill["attempts"].as_array().unwrap().last().unwrap();
        assert_eq!(drill["switch_ms"], answered["started_ms"]);
    }
    // With every candidate down, no request is sent and nothing is charged.
    assert_eq!((&drills[3]["cost_usd"], &drills[3]["switch_ms"]), (&json!(0.0), &Value::Null));
    assert!(failure_classes(&drills[3]).iter().all(|class| *class == "unreachable"));
}

#[test]
fn each_table_is_complete_at_every_width() {
    for columns in ["80", "110", "200"] {
        let cli = CliHarness::new().with_env("COLUMNS", columns);
        let output = cli.run(&["route", "demo", "--drill", "each", "Hello"]).assert_exit_code(0);
        let stdout = output.collapsed_stdout();
        for expected in [
            "drill of route `demo` · 4 calls with simulated outages · $",
            "│ all 3 ",
            "no answer (expected)",
            "not part of the drill: sim-anthropic/overloaded failed on its own (2 times): server_error (529)",
            "(sim): answers, prices, and latencies come from slalom's simulator",
            "drill: passed",
        ] {
            assert!(stdout.contains(expected), "{columns}, {expected}: {stdout}");
        }
        let arrow = if columns == "200" {
            "sim-openai/good ┆ sim-gemini/good (sim)"
        } else {
            "→ sim-gemini/good (sim)"
        };
        assert!(stdout.contains(arrow), "{stdout}");
        let columns: usize = columns.parse().unwrap();
        assert!(output.stdout.lines().filter(|l| l.starts_with('│')).all(|l| l.chars().count() <= columns));
    }
}

#[test]
fn each_without_working_fallback_exits_1() {
    let output =
        harness_with_routes().run(&["route", "fragile", "--drill", "each", "hello"]).assert_exit_code(1);
    assert!(
        output.stdout.contains(
            "drill: FAILED: with sim-openai/good down: no answer: all attempts failed; sim-anthropic/overloaded: server_error (529)"
        ),
        "{}",
        output.stdout
    );
    let report = run_drill("fragile", &["each"]).assert_exit_code(1).json();
    assert_eq!((&report["drills"][0]["outcome"], &report["exit_code"]), (&"broken".into(), &1.into()));
    let report = run_drill("late", &["each"]).assert_exit_code(1).json();
    assert_eq!(
        (&report["drills"][0]["outcome"], &report["drills"][0]["deadline_met"]),
        (&"broken".into(), &false.into())
    );
    assert_eq!(report["drills"][1]["outcome"], "kept");
}

#[test]
fn each_schema_violation_exits_1() {
    let cli = harness_with_routes()
        .with_file("s.json", r#"{"type":"object","required":["x"],"properties":{"x":{"type":"string"}}}"#);
    let arguments = ["route", "shapeless", "--drill", "each", "--schema", "s.json", "--json", "hello"];
    let reports: Vec<Value> =
        (0..8).map(|n| cli.run(&[&arguments[..], &[&n.to_string()]].concat()).json()).collect();
    for report in &reports {
        for drill in report["drills"].as_array().unwrap() {
            let expected = match &drill["schema_met"] {
                Value::Bool(true) => "kept",
                Value::Bool(false) => "broken",
                _ => "no_answer",
            };
            assert_eq!(drill["outcome"], expected);
        }
    }
    let broken = reports.iter().find(|report| report["exit_code"] == 1).unwrap();
    assert!(
        broken["drills"][0]["why_code"] == "schema_mismatch"
            && broken["drills"][0]["why"].as_str().unwrap().contains("the answer does not match the schema:"),
        "{broken}"
    );
}

#[test]
fn each_with_single_candidate_exits_1() {
    let output = harness_with_routes().run(&["route", "one", "--drill", "each", "hello"]).assert_exit_code(1);
    output
        .assert_stderr_contains(&["cannot drill route:one: sim-openai/good is the only usable candidate\n"]);
}

#[test]
fn each_skips_candidates_below_min_pass_rate() {
    let routes = "version: 1\nroutes:\n  q:\n    quality: {set: set.yaml, min_pass_rate: 0.5, missing: skip}\n    \
                  candidates: [sim-gemini/terse, sim-openai/good, sim-anthropic/good]\n";
    let set = "version: 1\nname: s\nmodels: [sim-gemini/terse, sim-openai/good, sim-anthropic/good]\nprompt: \"{{ w }}\"\n\
               cases:\n  - {id: a, vars: {w: Hello}, reference: First comes this. Then comes that., assert: [contains: that]}\n";
    let cli = harness_with_routes().with_file("routes.yaml", routes).with_file("set.yaml", set);
    cli.run(&["route", "q", "--drill", "each", "hi"]).assert_exit_code(3);
    cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
    let drill = cli.run(&["route", "q", "--drill", "each", "--json", "hi"]).assert_exit_code(0).json();
    assert_eq!(drill["left_out"], json!([{"model": "sim-gemini/terse", "reason": "quality"}]));
}

#[test]
fn insufficient_max_cost_exits_4() {
    for drill in ["each", "sim-openai=down"] {
        let arguments = ["route", "two", "--drill", drill, "--max-cost", "0.00001", "hi"];
        harness_with_routes()
            .run(&arguments)
            .assert_exit_code(4)
            .assert_stderr_contains(&["raise --max-cost"]);
    }
}

#[test]
fn drill_of_skipped_candidate_exits_2() {
    let report = run_drill("keyless", &["each"]).assert_exit_code(0).json();
    assert_eq!(report["drills"].as_array().unwrap().len(), 3);
    assert_eq!(report["left_out"], json!([{"model": "anthropic/claude-haiku-5-5", "reason": "no_key"}]));
    // A drill that affects no candidate must not pass.
    run_drill("keyless", &["anthropic=down"]).assert_exit_code(2).assert_stderr_contains(&[
        "`--drill anthropic=down` has no effect: its target is skipped in this plan",
    ]);
    let output =
        CliHarness::new().run(&["route", "everyday", "--drill", "each", "hello"]).assert_exit_code(2);
    output.assert_stderr_contains(&["no usable candidate in route `"]);
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let routes =
        simulator.routes_yaml() + "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &routes);
    for (drill, expected) in [
        ("sim-openai", "missing fault in `--drill sim-openai`"),
        ("sim-openai", "use `each` or TARGET=FAULT"),
        ("sim-openai=dwon", "did you mean `down`?"),
        ("sim-openai=slow", "did you mean `slow:2s`?"),
        ("sim-openai=slow:fast", "`--drill sim-openai=slow:fast`: invalid duration `fast`"),
        ("sim-openai=slow:0s", "invalid delay in `--drill"),
        ("sim-openai=down:2s", "unknown fault `"),
        ("sim-openai=down:50", "invalid share `50` in `--drill sim-openai=down:50`"),
        ("sim-openai=429:50", "write the share with `%`: 429:50%"),
        ("sim-openai=200", "invalid status `200` in `--drill sim-openai=200`: not an error status"),
        ("sim-openai=600", "use a status from 400 to 599"),
        ("sim-openai=down:0%", "invalid share `"),
        ("sim-openai=down:101%", "invalid share `"),
        ("sim-openai=down:NaN%", "invalid share `"),
        ("anthropic=down", "unknown candidate `anthropic` in route `two`"),
        ("sim-openai/terse=down", "use one of sim-openai/good, sim-gemini/good"),
        ("each=down", "unknown candidate `each` in route `two`"),
    ] {
        cli.run(&["route", "two", "--drill", drill, "hello"])
            .assert_exit_code(2)
            .assert_stderr_contains(&[expected]);
    }
    let route = |more: &[&str]| cli.run(&[&["route", "two", "hello"][..], more].concat()).assert_exit_code(2);
    route(&["--drill", "each", "--drill", "sim-openai=down"])
        .assert_stderr_contains(&["cannot combine --drill each with other drills"]);
    route(&["--drill", "each", "--stream"])
        .assert_stderr_contains(&["cannot combine --stream with --drill each, which prints a table"]);
    route(&["--drill", "each", "--dry-run"]).assert_stderr_contains(&["cannot be used with"]);
    cli.run(&["route", "--drill", "each"]).assert_exit_code(2).assert_stderr_contains(&["<NAME>"]);
    cli.run(&["route", "two", "--drill", "each"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["missing prompt"]);
    assert_eq!(simulator.request_count(), 0);
}

#[test]
fn fault_request_count_cases() {
    for (drill, hits) in [("down", 0), ("429", 0), ("malformed", 0), ("empty", 0), ("cut", 1)] {
        let simulator = CountingSimulator::start();
        let routes =
            simulator.routes_yaml() + "routes:\n  two: {candidates: [sim-openai/good, sim-gemini/good]}\n";
        let cli = CliHarness::new().with_file("routes.yaml", &routes);
        cli.run(&["route", "two", "--drill", &format!("sim-openai={drill}"), "hello"]).assert_exit_code(0);
        assert_eq!(simulator.request_count(), hits + 1, "{drill}");
    }
}

#[test]
fn configured_retry_runs_before_failover() {
    let envelope = run_drill("stubborn", &["sim-openai=503"]).assert_exit_code(0).json();
    assert_eq!(failure_classes(&envelope), ["server_error", "server_error"]);
    assert_eq!(envelope["provider"], "sim-gemini");
}
