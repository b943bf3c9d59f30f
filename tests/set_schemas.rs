//! The shape of answers that a golden set asks for, through the real binary.

use serde_json::Value;

use crate::tool::{CountingSimulator, Ran, Tool};

const SCHEMA: &str = r#"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}"#;

const SET: &str = "version: 1
name: shapes
models: [sim-openai/good, sim-anthropic/good, sim-gemini/good]
prompt: Capital of {{ country }}?
request: {schema: shapes/city.json}
assert: [{json-schema: shapes/city.json}]
cases:
  - {id: france, vars: {country: France}}
  - {id: japan, vars: {country: Japan}, request: {max_tokens: 50}}
";

/// The digests of the cases for one subject.
fn digests(tool: &Tool, code: i32) -> Vec<Value> {
    tool.run(&["eval", "set.yaml", "-m", "sim-openai/good", "-o", "out.json"]).exits(code);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(tool.path("out.json")).unwrap()).unwrap();
    report["runs"][0]["results"].as_array().unwrap().iter().map(|result| result["digest"].clone()).collect()
}

#[test]
fn the_schema_is_asked_for_on_the_wire() {
    // A simulator that knows no reference answers in the shape that it is asked for, and else in words.
    let simulator = CountingSimulator::start();
    let routes = simulator.routes();
    let tool =
        Tool::new().file("routes.yaml", &routes).file("shapes/city.json", SCHEMA).file("set.yaml", SET);
    tool.run(&["eval", "set.yaml"]).exits(0);
    let tool = tool.file("set.yaml", &SET.replace("request: {schema: shapes/city.json}\n", ""));
    tool.run(&["eval", "set.yaml"]).exits(1);
}

#[test]
fn a_schema_is_its_content() {
    let simulator = CountingSimulator::start();
    let tool = Tool::new().file("routes.yaml", &simulator.routes()).file("shapes/city.json", SCHEMA);
    let tool = tool.file("set.yaml", SET);
    let first = digests(&tool, 0);
    let moved = SET.replace("shapes/city.json", "other.json");
    let tool = tool.file("other.json", &SCHEMA.replace(": ", ":")).file("set.yaml", &moved);
    assert_eq!(digests(&tool, 0), first);
    let wider = SET.replacen("shapes/city.json", "wider.json", 1);
    let tool = tool.file("wider.json", &SCHEMA.replace("string", "integer")).file("set.yaml", &wider);
    let second = digests(&tool, 1);
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    // A case may ask for another shape than its set.
    let own = SET.replace("request: {max_tokens: 50}", "request: {max_tokens: 50, schema: wider.json}");
    let third = digests(&tool.file("set.yaml", &own), 1);
    assert!(third[0] == first[0] && third[1] != first[1] && third[1] != second[0]);
}

#[test]
fn a_broken_schema_costs_nothing() {
    let simulator = CountingSimulator::start();
    let run = |text: &str| -> Ran {
        let tool = Tool::new().file("routes.yaml", &simulator.routes()).file("set.yaml", SET);
        tool.file("shapes/city.json", text).run(&["eval", "set.yaml"]).exits(2)
    };
    run("{").says(&["city.json is no JSON Schema: EOF", "set.yaml:5:19", "hint: "]);
    let ran = run("{\"type\": 7}").says(&["shapes/city.json is no JSON Schema", "set.yaml:5:19"]);
    assert_eq!(ran.stderr.matches("set.yaml:5:19").count(), 1, "wrong once, not once a case: {}", ran.stderr);
    let tool = Tool::new().file("routes.yaml", &simulator.routes()).file("set.yaml", SET);
    tool.run(&["eval", "set.yaml"]).exits(2).says(&["city.json cannot be read", "set.yaml:5:19"]);
    assert_eq!(simulator.hits(), 0);
}
