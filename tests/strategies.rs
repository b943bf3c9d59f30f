//! The order of a route's candidates, floors, conditions and conversations, through the real binary.

use serde_json::Value;

use crate::tool::{Ran, Tool};

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

fn world() -> Tool {
    Tool::new().file("routes.yaml", ROUTES).file("set.yaml", SET)
}

fn json(tool: &Tool, arguments: &[&str]) -> Value {
    tool.run(arguments).exits(0).json()
}

fn served_by(ran: &Value) -> String {
    format!("{}/{}", ran["provider"].as_str().unwrap(), ran["model"].as_str().unwrap())
}

/// Who is tried and who is left out, in the plan's order.
fn plan(tool: &Tool, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["route"];
    all.extend(arguments);
    all.extend(["--dry-run", "--json"]);
    let plan = json(tool, &all);
    let word = |step: &Value| match step["reason"].as_str() {
        Some(reason) => format!("{} {reason}", served_by(step)),
        None => served_by(step),
    };
    plan["candidates"].as_array().unwrap().iter().map(word).collect()
}

#[test]
fn the_cheapest_comes_first_and_labels_open_doors() {
    let tool = world();
    let without = ["sim-openai/good", "sim-anthropic/good", "sim-gemini/good condition"];
    assert_eq!(plan(&tool, &["cheap", "hi"]), without);
    let with = ["sim-gemini/good", "sim-openai/good", "sim-anthropic/good"];
    assert_eq!(plan(&tool, &["cheap", "--label", "simple", "hi"]), with);
    let answer = json(&tool, &["route", "cheap", "--label", "simple", "--json", "hi"]);
    assert_eq!(served_by(&answer), "sim-gemini/good");
    tool.run(&["route", "cheap", "--label", "simpel", "hi"])
        .exits(0)
        .says(&["no candidate of `cheap` asks for the label `simpel`; did you mean `simple`?"]);
    tool.run(&["route", "cheap", "--label", " ", "hi"]).exits(2).says(&["--label is empty"]);
    // Who is left out as the route means it is no warning.
    let quiet = tool.run(&["route", "cheap", "hi"]).exits(0);
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
}

#[test]
fn a_customer_always_sees_the_same_arm() {
    let tool = world();
    let first =
        |customer: &str| plan(&tool, &["canary", "hi", "-p", &format!("customer={customer}")])[0].clone();
    let arms: Vec<String> = (0..12).map(|n| first(&n.to_string())).collect();
    assert_eq!(arms, (0..12).map(|n| first(&n.to_string())).collect::<Vec<_>>());
    assert!(arms.iter().any(|arm| *arm != arms[0]), "{arms:?}");
    let missing = &["route:canary goes by the variable `customer`", "-p customer="];
    tool.run(&["route", "canary", "hi"]).exits(2).says(missing);
    tool.run(&["ask", "-m", "route:canary", "hi"]).exits(2).says(missing);
    tool.run(&["compare", "-m", "route:canary,sim-openai/good", "hi"]).exits(2).says(missing);
    // Braces in a prompt stay what they are where the variable only says who is asking.
    tool.run(&["route", "canary", "fn main() { {{", "-p", "customer=7"]).exits(0);
    let filled = tool.run(&["route", "canary", "for {{ customer }}", "-p", "customer=seven"]).exits(0);
    assert!(filled.stdout.contains("“for seven”"), "{}", filled.stdout);
    tool.run(&["route", "canary", "hi", "-p", "customer=7", "-p", "other=1"])
        .exits(2)
        .says(&["nothing uses the variable `other`"]);
}

#[test]
fn evals_decide_who_is_good_enough() {
    let tool = world();
    let unknown = ["sim-openai/terse quality_unknown", "sim-openai/good quality_unknown"];
    assert_eq!(plan(&tool, &["strict", "hi"]), unknown);
    tool.run(&["route", "strict", "hi"]).exits(3).says(&["no candidate could be tried", "never measured on"]);
    let warned = tool.run(&["route", "good", "hi"]).exits(0);
    assert!(warned.stderr.contains("sim-openai/terse is used, though it was never measured"));
    tool.run(&["eval", "set.yaml"]).exits(1);
    assert_eq!(plan(&tool, &["strict", "hi"]), ["sim-openai/terse quality", "sim-openai/good"]);
    assert_eq!(
        plan(&tool, &["good", "hi"]),
        ["sim-openai/overloaded", "sim-openai/terse quality", "sim-openai/good"]
    );
    tool.run(&["route", "strict", "hi"]).exits(0).says(&[
        "sim-openai/terse is left out: it passed 0.0 % of the golden set, and the route wants 50.0 %",
    ]);
}

#[test]
fn a_part_of_a_set_says_nothing_of_a_model() {
    let more =
        SET.to_owned() + "  - {id: short, vars: {word: Hi}, reference: yes, assert: [{contains: yes}]}\n";
    let tool = world().file("set.yaml", &more);
    tool.run(&["eval", "set.yaml", "--filter", "long"]).exits(1);
    assert_eq!(plan(&tool, &["strict", "hi"])[0], "sim-openai/terse quality_unknown");
}

#[test]
fn what_is_too_dear_is_not_asked() {
    let tool = world();
    assert_eq!(plan(&tool, &["capped", "hi"]), ["sim-openai/good max_cost", "sim-gemini/good max_cost"]);
    let ran = tool.run(&["route", "capped", "--json", "hi"]).exits(3);
    let envelope = ran.json();
    assert_eq!(envelope["attempts"].as_array().unwrap().len(), 0);
    assert_eq!(envelope["skipped"][0]["reason"], "max_cost");
}

#[test]
fn a_conversation_stays_with_its_model() {
    let turns = r#"[{"role":"user","content":"hi"},
        {"role":"assistant","content":"yes","from":"sim-openai/good"}]"#;
    let tool = world().file("talk.json", turns);
    let arguments = |route: &'static str| ["route", route, "--messages", "talk.json", "--json", "go on"];
    let stayed = json(&tool, &arguments("talk"));
    assert_eq!(served_by(&stayed), "sim-openai/good");
    assert_eq!(stayed["skipped"][0]["reason"], "conversation");
    let loose = json(&tool, &arguments("loose"));
    assert_eq!((served_by(&loose).as_str(), loose["failovers"].as_u64()), ("sim-openai/good", Some(0)));
}

#[test]
fn routes_stand_in_routes_and_other_candidates_in_the_environment() {
    let tool = world();
    let flat = ["sim-anthropic/good", "sim-openai/good", "sim-gemini/good"];
    assert_eq!(plan(&tool, &["two", "hi"]), flat);
    let misspelt = world().env("SLALOM_ROUTE_TALKS", "sim-gemini/terse");
    misspelt.run(&["route", "talk", "hi"]).exits(0).says(&[
        "SLALOM_ROUTE_TALKS is passed over: there is no route of that name; did you mean SLALOM_ROUTE_TALK?",
    ]);
    let tool = world().env("SLALOM_ROUTE_TALK", "sim-gemini/terse");
    assert_eq!(plan(&tool, &["two", "hi"]), ["sim-gemini/terse", "sim-gemini/good"]);
}

/// Figures that differ between machines do not: nothing was measured in a new home.
#[test]
fn the_plan_can_be_read() {
    let tool = world().env("COLUMNS", "80");
    let show = |ran: Ran| ran.exits(0).stdout;
    insta::assert_snapshot!(
        "plan_at_80",
        show(tool.run(&["route", "cheap", "--dry-run", "Why is the sky blue?"]))
    );
    let tool = world().env("COLUMNS", "200");
    insta::assert_snapshot!(
        "plan_at_200",
        show(tool.run(&["route", "good", "--dry-run", "Why is the sky blue?"]))
    );
    let plan = json(&tool, &["route", "good", "--dry-run", "--json", "Why is the sky blue?"]);
    let classes =
        plan["on_failure"].as_array().unwrap().iter().flat_map(|group| group["classes"].as_array().unwrap());
    assert_eq!(classes.count(), 14, "every class but `cancelled`, once");
    assert_eq!((plan["strategy"].as_str(), plan["most_attempts"].as_u64()), (Some("priority"), Some(6)));
    assert_eq!(plan["output_assumed"], true);
}

#[test]
fn the_plan_shows_who_is_left_alone() {
    let tool = world().env("COLUMNS", "200");
    for _ in 0..2 {
        tool.run(&["ask", "-m", "sim-openai/overloaded", "hi"]).exits(3);
    }
    tool.run(&["route", "good", "hi"]).exits(0);
    let plan = json(&tool, &["route", "good", "--dry-run", "--json", "hi"]);
    assert_eq!(plan["candidates"][0]["state"], "breaker_open");
    assert!(plan["candidates"][0]["ready_in_ms"].as_u64().unwrap() <= 18_000);
    assert_eq!(plan["candidates"][1]["measured"], true);
    let table = tool.run(&["route", "good", "--dry-run", "hi"]).exits(0).stdout;
    assert!(table.contains("pass over while another one is ready: its breaker is open"), "{table}");
}
