//! Candidate order, quality floors, cost limits, conditions, and conversations in routes.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const ROUTES: &str = r#"version: 1
defaults: {route: cheap}
routes:
  cheap:
    strategy: cheapest
    candidates: [sim-anthropic/good, sim-openai/good, {model: sim-gemini/good, when: {label: simple}}]
  canary:
    strategy: weighted
    sticky_by: var:customer
    candidates: [{model: sim-openai/good, weight: 50}, {model: sim-gemini/good, weight: 50}]
  good:
    quality: {set: set.yaml, min_pass_rate: 0.5, missing: warn}
    candidates: [sim-openai/overloaded, sim-openai/terse, sim-openai/good]
  strict:
    quality: {set: set.yaml, min_pass_rate: 0.5, missing: skip}
    candidates: [sim-openai/terse, sim-openai/good]
  capped:
    max_cost_usd: 0.000001
    candidates: [sim-openai/good, sim-gemini/good]
  talk:
    candidates: [sim-anthropic/good, sim-openai/good]
  loose:
    on_conversation: failover
    candidates: [sim-anthropic/overloaded, sim-openai/good]
  two:
    candidates: [route:talk, sim-gemini/good]
"#;

const SET: &str = r#"version: 1
name: greetings
models: [sim-openai/terse, sim-openai/good]
prompt: "{{ word }}"
cases:
  - id: long
    vars: {word: Hello}
    reference: This is the first sentence. A terse answer says less than this.
    assert: [{contains: "less than this"}]
"#;

fn harness() -> CliHarness {
    CliHarness::new().with_file("routes.yaml", ROUTES).with_file("set.yaml", SET)
}

fn run_json(cli: &CliHarness, arguments: &[&str]) -> Value {
    cli.run(arguments).assert_exit_code(0).json()
}

fn model_name(output: &Value) -> String {
    format!("{}/{}", output["provider"].as_str().unwrap(), output["model"].as_str().unwrap())
}

/// The candidates in the order of the plan; skipped ones include the reason.
fn planned_candidates(cli: &CliHarness, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["route"];
    all.extend(arguments);
    all.extend(["--dry-run", "--json"]);
    let plan = run_json(cli, &all);
    let describe = |step: &Value| match step["reason"].as_str() {
        Some(reason) => format!("{} {reason}", model_name(step)),
        None => model_name(step),
    };
    plan["candidates"].as_array().unwrap().iter().map(describe).collect()
}

#[test]
fn cheapest_orders_eligible_candidates_by_price() {
    let cli = harness();
    let without = ["sim-openai/good", "sim-anthropic/good", "sim-gemini/good condition"];
    assert_eq!(planned_candidates(&cli, &["cheap", "hi"]), without);
    let with = ["sim-gemini/good", "sim-openai/good", "sim-anthropic/good"];
    assert_eq!(planned_candidates(&cli, &["cheap", "--label", "simple", "hi"]), with);
    let answer = run_json(&cli, &["route", "cheap", "--label", "simple", "--json", "hi"]);
    assert_eq!(model_name(&answer), "sim-gemini/good");
    cli.run(&["route", "cheap", "--label", "simpel", "hi"])
        .assert_exit_code(0)
        .assert_stderr_contains(&["no candidate of `cheap` matches label `simpel`; did you mean `simple`?"]);
    cli.run(&["route", "cheap", "--label", " ", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["empty --label"]);
    // A candidate skipped by its own condition causes no warning.
    let quiet = cli.run(&["route", "cheap", "hi"]).assert_exit_code(0);
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
}

#[test]
fn weighted_sticky_by_keeps_candidate() {
    let cli = harness();
    let first = |customer: &str| {
        planned_candidates(&cli, &["canary", "hi", "-p", &format!("customer={customer}")])[0].clone()
    };
    let candidates: Vec<String> = (0..12).map(|n| first(&n.to_string())).collect();
    assert_eq!(candidates, (0..12).map(|n| first(&n.to_string())).collect::<Vec<_>>());
    assert!(candidates.iter().any(|candidate| *candidate != candidates[0]), "{candidates:?}");
    let missing = &["missing variable `customer`: route:canary uses it", "-p customer="];
    cli.run(&["route", "canary", "hi"]).assert_exit_code(2).assert_stderr_contains(missing);
    cli.run(&["ask", "-m", "route:canary", "hi"]).assert_exit_code(2).assert_stderr_contains(missing);
    cli.run(&["compare", "-m", "route:canary,sim-openai/good", "hi"])
        .assert_exit_code(2)
        .assert_stderr_contains(missing);
    // With only the `sticky_by` variable set, a prompt that is not a template is sent as it is.
    cli.run(&["route", "canary", "fn main() { {{", "-p", "customer=7"]).assert_exit_code(0);
    let filled =
        cli.run(&["route", "canary", "for {{ customer }}", "-p", "customer=seven"]).assert_exit_code(0);
    assert!(filled.stdout.contains("“for seven”"), "{}", filled.stdout);
    cli.run(&["route", "canary", "hi", "-p", "customer=7", "-p", "other=1"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["unused variable `other`"]);
}

#[test]
fn least_busy_avoids_provider_with_calls_of_another_process() {
    let simulator = CountingSimulator::with_latency(Duration::from_secs(30));
    let limited = simulator.routes_yaml().replace("/v1}", "/v1, limits: {concurrency: 4}}");
    let route = "  spread: {strategy: least-busy, candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &format!("{limited}routes:\n{route}"));
    let arguments = ["--ledger", "ledger.db", "route", "spread", "hi"];
    let dry_run = [&arguments[..], &["--dry-run"]].concat();
    let plan = run_json(&cli, &[&dry_run[..], &["--json"]].concat());
    assert_eq!(model_name(&plan["candidates"][0]), "sim-openai/good");
    assert_eq!(plan["candidates"][0]["in_flight"], 0);
    let mut child = cli.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    simulator.wait_for_requests(1);
    let plan = run_json(&cli, &[&dry_run[..], &["--json"]].concat());
    let table = cli.run(&dry_run).assert_exit_code(0).stdout;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(model_name(&plan["candidates"][0]), "sim-gemini/good");
    let busy = &plan["candidates"][1];
    assert_eq!((busy["in_flight"].as_u64(), busy["concurrency"].as_u64()), (Some(1), Some(4)));
    let order = "order: least-busy, by calls in flight relative to the concurrency of the provider";
    assert!(table.starts_with(order) && table.contains("1 of 4 calls in flight"), "{table}");
}

#[test]
fn quality_floor_skips_failing_candidate() {
    let cli = harness();
    let unknown = ["sim-openai/terse quality_unknown", "sim-openai/good quality_unknown"];
    assert_eq!(planned_candidates(&cli, &["strict", "hi"]), unknown);
    cli.run(&["route", "strict", "hi"])
        .assert_exit_code(3)
        .assert_stderr_contains(&["no usable candidate", "never measured on"]);
    let warned = cli.run(&["route", "good", "hi"]).assert_exit_code(0);
    assert!(warned.stderr.contains("using sim-openai/terse without a current score (never measured on "));
    cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
    assert_eq!(planned_candidates(&cli, &["strict", "hi"]), ["sim-openai/terse quality", "sim-openai/good"]);
    assert_eq!(
        planned_candidates(&cli, &["good", "hi"]),
        ["sim-openai/overloaded", "sim-openai/terse quality", "sim-openai/good"]
    );
    cli.run(&["route", "strict", "hi"]).assert_exit_code(0).assert_stderr_contains(&[
        "skipping sim-openai/terse: passed 0.0% of the golden set, below the route's minimum of 50.0%",
    ]);
}

#[test]
fn filtered_eval_leaves_quality_unknown() {
    let more =
        SET.to_owned() + "  - {id: short, vars: {word: Hi}, reference: yes, assert: [{contains: yes}]}\n";
    let cli = harness().with_file("set.yaml", &more);
    cli.run(&["eval", "set.yaml", "--filter", "long"]).assert_exit_code(1);
    assert_eq!(planned_candidates(&cli, &["strict", "hi"])[0], "sim-openai/terse quality_unknown");
}

#[test]
fn candidates_over_max_cost_usd_exit_3() {
    let cli = harness();
    assert_eq!(
        planned_candidates(&cli, &["capped", "hi"]),
        ["sim-openai/good max_cost", "sim-gemini/good max_cost"]
    );
    let output = cli.run(&["route", "capped", "--json", "hi"]).assert_exit_code(3);
    let envelope = output.json();
    assert_eq!(envelope["attempts"].as_array().unwrap().len(), 0);
    assert_eq!(envelope["skipped"][0]["reason"], "max_cost");
}

#[test]
fn conversation_keeps_its_model() {
    let turns = r#"[{"role":"user","content":"hi"},
        {"role":"assistant","content":"yes","from":"sim-openai/good"}]"#;
    let cli = harness().with_file("talk.json", turns);
    let arguments = |route: &'static str| ["route", route, "--messages", "talk.json", "--json", "go on"];
    let stayed = run_json(&cli, &arguments("talk"));
    assert_eq!(model_name(&stayed), "sim-openai/good");
    assert_eq!(stayed["skipped"][0]["reason"], "conversation");
    let loose = run_json(&cli, &arguments("loose"));
    assert_eq!((model_name(&loose).as_str(), loose["failovers"].as_u64()), ("sim-openai/good", Some(0)));
}

#[test]
fn nested_route_uses_env_override() {
    let cli = harness();
    let flat = ["sim-anthropic/good", "sim-openai/good", "sim-gemini/good"];
    assert_eq!(planned_candidates(&cli, &["two", "hi"]), flat);
    let misspelled = harness().with_env("SLALOM_ROUTE_TALKS", "sim-gemini/terse");
    misspelled.run(&["route", "talk", "hi"]).assert_exit_code(0).assert_stderr_contains(&[
        "ignoring SLALOM_ROUTE_TALKS: unknown route; did you mean `SLALOM_ROUTE_TALK`?",
    ]);
    let cli = harness().with_env("SLALOM_ROUTE_TALK", "sim-gemini/terse");
    assert_eq!(planned_candidates(&cli, &["two", "hi"]), ["sim-gemini/terse", "sim-gemini/good"]);
}

/// In a new home directory nothing has been measured, so the snapshots are deterministic.
#[test]
fn dry_run_shows_plan() {
    let cli = harness().with_env("COLUMNS", "80");
    let show = |output: CliOutput| output.assert_exit_code(0).stdout;
    insta::assert_snapshot!(
        "plan_at_80",
        show(cli.run(&["route", "cheap", "--dry-run", "Why is the sky blue?"]))
    );
    let cli = harness().with_env("COLUMNS", "200");
    insta::assert_snapshot!(
        "plan_at_200",
        show(cli.run(&["route", "good", "--dry-run", "Why is the sky blue?"]))
    );
    let plan = run_json(&cli, &["route", "good", "--dry-run", "--json", "Why is the sky blue?"]);
    let classes =
        plan["on_failure"].as_array().unwrap().iter().flat_map(|group| group["classes"].as_array().unwrap());
    assert_eq!(classes.count(), 14, "expected every class except `cancelled` once");
    assert_eq!((plan["strategy"].as_str(), plan["most_attempts"].as_u64()), (Some("priority"), Some(6)));
    assert_eq!(plan["output_assumed"], true);
}

#[test]
fn dry_run_shows_open_breaker() {
    let cli = harness().with_env("COLUMNS", "200");
    for _ in 0..2 {
        cli.run(&["ask", "-m", "sim-openai/overloaded", "hi"]).assert_exit_code(3);
    }
    cli.run(&["route", "good", "hi"]).assert_exit_code(0);
    let plan = run_json(&cli, &["route", "good", "--dry-run", "--json", "hi"]);
    assert_eq!(plan["candidates"][0]["state"], "breaker_open");
    assert!(plan["candidates"][0]["ready_in_ms"].as_u64().unwrap() <= 18_000);
    assert_eq!(plan["candidates"][1]["measured"], true);
    let table = cli.run(&["route", "good", "--dry-run", "hi"]).assert_exit_code(0).stdout;
    assert!(
        table.contains("skip while another candidate is ready: circuit breaker open for another "),
        "{table}"
    );
}
