//! Format repairs of failed answers: reports show them, and gates ignore them.

use serde_json::{Value, json};

use crate::harness::{CliHarness, CountingSimulator};

/// Four answers: correct, fenced, fenced after a preamble, and wrong.
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

fn read_report(cli: &CliHarness, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(cli.path(name)).unwrap()).unwrap()
}

#[test]
fn gate_ignores_repaired_pass_rate() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let output = cli.run(&["eval", "set.yaml", "-o", "r.json", "--min-pass-rate", "0.5"]).assert_exit_code(1);
    for expected in [
        "2 of 3 failures pass once repaired (1 strip-fences, 1 cut-preamble+strip-fences): a format problem",
        "pass rate after repair 0.750 (the gate uses 0.250)",
        "passes after repair: strip-fences",
        "gate: FAILED: sim-openai/good: pass rate 0.250 is below the minimum of 0.5",
    ] {
        assert!(output.stdout.contains(expected), "no {expected:?} in {}", output.stdout);
    }
    let run = &read_report(&cli, "r.json")["runs"][0];
    let subject = &run["subjects"][0];
    assert_eq!((&subject["pass_rate"], &subject["repaired_pass_rate"]), (&json!(0.25), &json!(0.75)));
    assert_eq!(subject["repairs"], json!({"strip-fences": 1, "cut-preamble+strip-fences": 1}));
    let repairs: Vec<&Value> =
        run["results"].as_array().unwrap().iter().map(|result| &result["repaired_by"]).collect();
    assert_eq!(
        repairs,
        [&Value::Null, &json!("strip-fences"), &json!("cut-preamble+strip-fences"), &Value::Null]
    );
    let verdicts: Vec<&Value> =
        run["results"].as_array().unwrap().iter().map(|result| &result["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "fail", "fail", "fail"]);

    let clean = cli.run(&["eval", "set.yaml", "--filter", "right", "--json"]).assert_exit_code(0).json();
    let subject = &clean["runs"][0]["subjects"][0];
    assert_eq!((&subject["repaired_pass_rate"], &subject["repairs"]), (&json!(1.0), &json!({})));
}

/// With a single kind of repair, the message describes it in words.
#[test]
fn single_repair_kind_has_specific_message() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let output = cli.run(&["eval", "set.yaml", "--filter", "right|fenced"]).assert_exit_code(1);
    let expected = "sim-openai/good: 1 of 1 failure passes once code fences are stripped: a format problem, not a regression; pass rate after repair 1.000 (the gate uses 0.500)";
    assert!(output.stdout.contains(expected), "{}", output.stdout);
}

/// Results read back from the ledger keep their repairs.
#[test]
fn resumed_results_keep_repairs() {
    let simulator = CountingSimulator::start();
    let set = "version: 1\nname: own\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\nassert: [contains: NO MODEL WAS CALLED]\ncases:\n  - {id: a, vars: {q: one}}\n  - {id: out, vars: {q: refuse this}}\n";
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", set);
    cli.run(&["eval", "set.yaml", "-o", "first.json"]).assert_exit_code(3);
    cli.run(&["eval", "set.yaml", "--resume", "-o", "second.json"]).assert_exit_code(3);
    assert_eq!(simulator.request_count(), 3, "only the unscored case is run again");
    for name in ["first.json", "second.json"] {
        let run = &read_report(&cli, name)["runs"][0];
        assert_eq!(run["results"][0]["repaired_by"], "fold", "{name}");
        assert_eq!(run["results"][1]["repaired_by"], Value::Null, "{name}");
        assert_eq!(run["subjects"][0]["repaired_pass_rate"], 1.0, "{name}");
    }
}

/// With `min_pass`, repairs are counted per case, not per answer.
#[test]
fn min_pass_counts_repairs_per_case() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let json = cli
        .run(&["eval", "set.yaml", "--repeat", "3", "--min-pass", "2", "--json"])
        .assert_exit_code(1)
        .json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!((&subject["passed"], &subject["failed"]), (&json!(1), &json!(3)));
    assert_eq!(subject["repairs"], json!({"strip-fences": 1, "cut-preamble+strip-fences": 1}));
    assert_eq!(subject["repaired_pass_rate"], json!(0.75));
}
