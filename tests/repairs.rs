//! Failed answers graded again with their form put right: what reports say of it, and that no gate goes by it.

use serde_json::{Value, json};

use crate::tool::{CountingSimulator, Tool};

/// Four answers: right, fenced, greeted and fenced, wrong.
const SET: &str = r#"version: 1
name: cities
models: [sim-openai/good]
prompt: '{{ q }}'
assert:
  - json-schema: {schema: {required: [city]}}
  - json-path: {path: $.city, equals: Paris}
cases:
  - {id: right, vars: {q: one}, reference: '{"city": "Paris"}'}
  - {id: fenced, vars: {q: two}, reference: "```json\n{\"city\": \"Paris\"}\n```"}
  - {id: greeted, vars: {q: three}, reference: "Sure:\n```json\n{\"city\": \"Paris\"}\n```"}
  - {id: wrong, vars: {q: four}, reference: "```json\n{\"city\": \"Rome\"}\n```"}
"#;

fn report(tool: &Tool, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(tool.path(name)).unwrap()).unwrap()
}

#[test]
fn both_rates_are_told_and_the_gate_goes_by_the_raw_one() {
    let tool = Tool::new().file("set.yaml", SET);
    let ran = tool.run(&["eval", "set.yaml", "-o", "r.json", "--min-pass-rate", "0.5"]).exits(1);
    for words in [
        "2 of 3 failures pass once repaired (1 strip-fences, 1 cut-preamble+strip-fences): harness mismatch",
        "pass rate after repair 0.750, the gate goes by 0.250",
        "passes once repaired: strip-fences",
        "gate: FAILED: sim-openai/good: pass rate 0.250 is under 0.5",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    let run = &report(&tool, "r.json")["runs"][0];
    let subject = &run["subjects"][0];
    assert_eq!((&subject["pass_rate"], &subject["repaired_pass_rate"]), (&json!(0.25), &json!(0.75)));
    assert_eq!(subject["repairs"], json!({"strip-fences": 1, "cut-preamble+strip-fences": 1}));
    let by: Vec<&Value> =
        run["results"].as_array().unwrap().iter().map(|result| &result["repaired_by"]).collect();
    assert_eq!(by, [&Value::Null, &json!("strip-fences"), &json!("cut-preamble+strip-fences"), &Value::Null]);
    let verdicts: Vec<&Value> =
        run["results"].as_array().unwrap().iter().map(|result| &result["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "fail", "fail", "fail"]);

    let clean = tool.run(&["eval", "set.yaml", "--filter", "right", "--json"]).exits(0).json();
    let subject = &clean["runs"][0]["subjects"][0];
    assert_eq!((&subject["repaired_pass_rate"], &subject["repairs"]), (&json!(1.0), &json!({})));
}

/// Of one kind, the sentence says in words what was done.
#[test]
fn one_repair_has_a_sentence_of_its_own() {
    let tool = Tool::new().file("set.yaml", SET);
    let ran = tool.run(&["eval", "set.yaml", "--filter", "right|fenced"]).exits(1);
    let words = "sim-openai/good: 1 of 1 failure passes once fences are stripped: harness mismatch, not a regression; pass rate after repair 1.000, the gate goes by 0.500";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
}

/// A result that comes back from the ledger still knows what it would have taken.
#[test]
fn a_run_that_goes_on_knows_its_repairs() {
    let simulator = CountingSimulator::start();
    let set = "version: 1\nname: own\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: NO MODEL WAS CALLED]\ncases:\n  - {id: a, vars: {q: one}}\n  - {id: out, vars: {q: refuse this}}\n";
    let tool = Tool::new().file("routes.yaml", &simulator.routes()).file("set.yaml", set);
    tool.run(&["eval", "set.yaml", "-o", "first.json"]).exits(3);
    tool.run(&["eval", "set.yaml", "--resume", "-o", "second.json"]).exits(3);
    assert_eq!(simulator.hits(), 3, "only what could not be scored is asked again");
    for name in ["first.json", "second.json"] {
        let run = &report(&tool, name)["runs"][0];
        assert_eq!(run["results"][0]["repaired_by"], "fold", "{name}");
        assert_eq!(run["results"][1]["repaired_by"], Value::Null, "{name}");
        assert_eq!(run["subjects"][0]["repaired_pass_rate"], 1.0, "{name}");
    }
}

/// With `min_pass`, it is cases that are repaired, not answers.
#[test]
fn repeats_are_repaired_together() {
    let tool = Tool::new().file("set.yaml", SET);
    let json = tool.run(&["eval", "set.yaml", "--repeat", "3", "--min-pass", "2", "--json"]).exits(1).json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], &subject["failed"]), (&json!(1), &json!(3)));
    assert_eq!(subject["repairs"], json!({"strip-fences": 1, "cut-preamble+strip-fences": 1}));
    assert_eq!(subject["repaired_pass_rate"], json!(0.75));
}
