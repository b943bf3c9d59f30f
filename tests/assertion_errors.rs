//! Invalid assertions: errors with source positions, reported before the first call.

use crate::assertions::set_with_assertions;
use crate::harness::{CliHarness, CountingSimulator};

/// A limit that the run cannot measure is an error.
#[test]
fn unmeasurable_limit_exits_2() {
    let set = "version: 1
name: s
models: [sim-openai/good]
prompt: '{{ q }}'
assert: [{contains: yes}]
cases:
  - {id: alone, vars: {q: a}, reference: yes, assert: [{first-token: {max_ms: 60000}}]}
";
    let cli = CliHarness::new().with_file("set.yaml", &set.replace("yes", "'yes'"));
    cli.run(&["eval", "set.yaml"]).assert_exit_code(0);
    let output = cli.run(&["eval", "set.yaml", "--no-stream"]).assert_exit_code(2);
    output
        .assert_stderr_contains(&["case `alone` limits the time to first token", "hint: remove --no-stream"]);
    let priced = set_with_assertions("any-of: [contains: x, cost: {max_usd: 1}]");
    let output = CliHarness::new()
        .with_file("set.yaml", &priced)
        .run(&["eval", "set.yaml", "-m", "vllm/mine"])
        .assert_exit_code(2);
    output.assert_stderr_contains(&["the price of vllm/mine"]);
}

/// Assertions that every answer passes are errors.
#[test]
fn vacuous_or_invalid_assertion_exits_2() {
    let cases = [
        ("regex: ''", "the regular expression `"),
        ("regex: 'a*'", "the regular expression `"),
        ("match-count: {regex: 'a*', min: 1}", "the regular expression `a*` matches empty text"),
        ("match-count: {regex: a, min: 0}", "every answer has at least 0 matches"),
        ("word-count: {min: 0}", "every answer has at least 0 words"),
        ("length: {min: 0}", "every answer has at least 0 characters"),
        ("contains: ''", "every answer contains an empty string"),
        (
            "contains-any: [a, ' ']",
            "every list item must be a non-empty string (quote values that look like another type)",
        ),
        ("numeric: {equals: 5, value: 6}", "`value` duplicates another option"),
        ("json-path: {value: $.a, path: $.b}", "`value` duplicates another option"),
        ("cost: {max_usd: 1, value: 2}", "`value` duplicates another option"),
        ("word-count: 5", "expected a map of options"),
        ("is-json: false", "use `not-is-json` for the opposite"),
        ("is-refusal: no", "use `not-is-refusal` for the opposite"),
        (
            "levenshtein: {value: abc, threshold: 0}",
            "`threshold` must be above 0 and at most 1: every answer reaches 0",
        ),
        (
            "any-of: [contains: a, not-contains: {value: a, weight: 2}]",
            "contains an assertion and its negation: every answer passes",
        ),
        ("all-of: [is-json, not-is-json: ]", "contains an assertion and its negation: no answer passes both"),
        (
            "finish-reason: [stop, length, tool_calls, content_filter, refusal, pause, other]",
            "every answer passes: all finish reasons are listed",
        ),
        ("not-tool-call", "the request has no tools, so the model cannot call one"),
        ("contains: {value: a, weight: 1e308}", "`weight` must be between 0 and 1,000,000"),
    ];
    for (assertion, expected) in cases {
        let output = CliHarness::new()
            .with_file("set.yaml", &set_with_assertions(assertion))
            .run(&["eval", "set.yaml"]);
        output.assert_exit_code(2).assert_stderr_contains(&[expected, "set.yaml:8:", "hint:"]);
    }
}

#[test]
fn invalid_tools_file_is_reported_once() {
    let set = "version: 1\nname: s\nprompt: '{{ q }}'\nrequest: {tools: tools.json}\nassert: [is-json]\ncases: [{id: a, vars: {q: x}}, {id: b, vars: {q: y}}]\n";
    let function = r#"{"name": "f"}"#;
    for (text, expected) in [
        (None, "cannot read tools.json"),
        (Some("{}".to_owned()), "tools.json is not a valid list of tools"),
        (Some("[]".to_owned()), "no tools in tools.json"),
        (Some(format!("[{function}, {function}]")), "tools.json: tool 2: duplicate tool name `f`"),
        (
            Some("[{\"nam\": \"f\", \"parameters\": {}}]".to_owned()),
            "tools.json: tool 1: unknown field `nam`",
        ),
    ] {
        let cli = CliHarness::new().with_file("set.yaml", set);
        let cli = match &text {
            Some(text) => cli.with_file("tools.json", text),
            None => cli,
        };
        let output = cli
            .run(&["eval", "set.yaml", "-m", "sim-openai/good"])
            .assert_exit_code(2)
            .assert_stderr_contains(&[expected, "set.yaml:4:18"]);
        assert_eq!(output.stderr.matches("error:").count(), 1, "{}", output.stderr);
    }
}

#[test]
fn all_errors_are_reported_before_any_request() {
    let set = "version: 1
name: mistakes
models: [sim-openai/good]
prompt: '{{ q }}'
request: {tools: tools.json}
assert: [rouge-l]
cases:
  - {id: no-reference, vars: {q: a}}
  - id: own
    vars: {q: b}
    reference: '…'
    assert:
      - levenstein: {threshold: 0.5}
      - token-f1: {treshold: 0.5}
      - json-diff: {value: {a: 1}, threshold: 80}
      - contains: {value: x, threshold: 0.5}
      - any-of: []
      - all-of:
          - contains: fine
          - not-any-of:
              - contians: x
      - tool-call: wether
      - finish-reason: stopped
      - contains: x
        weight: 2
      - equals: 1.50
      - numeric: {equals: 1, tolerance: -1%}
      - choice: {options: [low, LOW], equals: low}
      - contains-json: {schema: {type: 7}}
      - output-tokens: {max: 0}
      - length: {min: 3, max: 2}
      - regex: '(['
      - all-of: {value: [contains: {value: a, weight: 0}], threshold: 0.5}
      - [contains, x]
";
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", set)
        .with_file("tools.json", "[{\"name\": \"weather\"}]");
    insta::assert_snapshot!(
        "all_assertion_errors",
        cli.run(&["eval", "set.yaml"]).assert_exit_code(2).stderr
    );
    assert_eq!(simulator.request_count(), 0);
}

/// Case files have line numbers but no source spans.
#[test]
fn case_file_errors_show_line_number() {
    let set = "version: 1\nname: s\nprompt: '{{ q }}'\ncases_from: [a.jsonl]\n";
    let jsonl = [
        (r#"{"id": "a", "q": "x", "assert:any-of": [{"contians": "x"}]}"#, "unknown assertion `contians`"),
        (r#"{"id": "a", "q": "x", "assert:rouge-l": true}"#, "`value` must be a string"),
        (
            r#"{"id": "a", "q": "x", "assert:levenshtein": {}}"#,
            "missing value, and the case has no reference",
        ),
        (
            r#"{"id": "a", "q": "x", "reference": "no", "assert:json-diff": {}}"#,
            "the reference is not valid JSON:",
        ),
    ];
    for (line, expected) in jsonl {
        let cli = CliHarness::new().with_file("set.yaml", set).with_file("a.jsonl", &format!("\n{line}\n"));
        let output = cli.run(&["eval", "set.yaml", "-m", "sim-openai/good"]).assert_exit_code(2);
        output.assert_stderr_contains(&[expected, "case `a` (a.jsonl, line 2)", "hint:"]);
    }
}
