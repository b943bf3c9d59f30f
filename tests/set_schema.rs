//! Structured output in golden sets: `request: {schema: …}`.

use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

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

fn case_digests(cli: &CliHarness, code: i32) -> Vec<Value> {
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/good", "-o", "out.json"]).assert_exit_code(code);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    report["runs"][0]["results"].as_array().unwrap().iter().map(|result| result["digest"].clone()).collect()
}

#[test]
fn request_schema_is_sent_to_provider() {
    // Without a reference, the simulator follows the requested schema; without a schema, it answers in prose.
    let simulator = CountingSimulator::start();
    let routes = simulator.routes_yaml();
    let cli = CliHarness::new()
        .with_file("routes.yaml", &routes)
        .with_file("shapes/city.json", SCHEMA)
        .with_file("set.yaml", SET);
    cli.run(&["eval", "set.yaml"]).assert_exit_code(0);
    let cli = cli.with_file("set.yaml", &SET.replace("request: {schema: shapes/city.json}\n", ""));
    cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
}

#[test]
fn digest_depends_on_schema_content() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("shapes/city.json", SCHEMA);
    let cli = cli.with_file("set.yaml", SET);
    let first = case_digests(&cli, 0);
    let moved = SET.replace("shapes/city.json", "other.json");
    let cli = cli.with_file("other.json", &SCHEMA.replace(": ", ":")).with_file("set.yaml", &moved);
    assert_eq!(case_digests(&cli, 0), first);
    let wider = SET.replacen("shapes/city.json", "wider.json", 1);
    let cli = cli.with_file("wider.json", &SCHEMA.replace("string", "integer")).with_file("set.yaml", &wider);
    let second = case_digests(&cli, 1);
    assert!(first.iter().zip(&second).all(|(first, second)| first != second));
    // A case may override the schema of its set.
    let own = SET.replace("request: {max_tokens: 50}", "request: {max_tokens: 50, schema: wider.json}");
    let third = case_digests(&cli.with_file("set.yaml", &own), 1);
    assert!(third[0] == first[0] && third[1] != first[1] && third[1] != second[0]);
}

#[test]
fn invalid_file_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let run = |text: &str| -> CliOutput {
        let cli =
            CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", SET);
        cli.with_file("shapes/city.json", text).run(&["eval", "set.yaml"]).assert_exit_code(2)
    };
    run("{").assert_stderr_contains(&[
        "city.json is not a valid JSON Schema: EOF",
        "set.yaml:5:19",
        "hint: ",
    ]);
    let output = run("{\"type\": 7}")
        .assert_stderr_contains(&["shapes/city.json is not a valid JSON Schema", "set.yaml:5:19"]);
    assert_eq!(
        output.stderr.matches("set.yaml:5:19").count(),
        1,
        "the error is repeated for each case: {}",
        output.stderr
    );
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", SET);
    cli.run(&["eval", "set.yaml"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["cannot read shapes/city.json", "set.yaml:5:19"]);
    assert_eq!(simulator.request_count(), 0);
}
