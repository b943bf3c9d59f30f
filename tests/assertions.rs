//! Assertions in golden sets: verdicts, and which changes give a case a new digest.

use serde_json::Value;

use crate::harness::{CliHarness, CountingSimulator};

fn run_and_load_results(cli: &CliHarness, more: &[&str]) -> Vec<Value> {
    cli.run(&[&["eval", "set.yaml", "--max-unscored", "100%", "-o", "out.json"][..], more].concat());
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    report["runs"][0]["results"].as_array().unwrap().clone()
}

/// A golden set with one case and these assertions.
pub(crate) fn set_with_assertions(assertions: &str) -> String {
    format!(
        "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: x\ncases:\n  - id: a\n    assert:\n      - {assertions}\n"
    )
}

/// Every assertion, with answers that pass and fail it. The simulator answers with the case's reference.
#[test]
fn verdict_and_negation_cases() {
    let cases = [
        ("equals: Paris", "Paris", "Paris!"),
        ("iequals: PARIS", "paris", "Pari"),
        ("contains: ari", "Paris", "par is"),
        ("icontains: ARI", "Paris", "Rome"),
        ("contains-all: [a, b]", "ab", "ac"),
        ("contains-any: [a, b]", "xb", "xc"),
        ("icontains-all: [A, B]", "ab", "a"),
        ("icontains-any: [A, B]", "b", "c"),
        ("starts-with: 'No'", "No, never", "Well, No"),
        ("ends-with: end", "the end", "the end."),
        ("regex: '\\b\\d{3}\\b'", "it is 123", "it is 1234"),
        ("match-count: {regex: '(?m)^- ', min: 2, max: 2}", "- a\n- b", "- a\n- b\n- c"),
        ("match-count: {regex: ',', max: 0}", "no comma", "a, b"),
        ("word-count: {min: 2, max: 3}", "two words", "one"),
        ("is-json", "{\"a\": 1}", "```json\n{}\n```"),
        ("json-schema: {schema: {type: object, required: [a]}}", "{\"a\": 1}", "{\"b\": 1}"),
        ("json-path: {path: $.a, equals: 1}", "{\"a\": 1.0}", "{\"a\": 2}"),
        ("json-path: {path: $.a, equals: null}", "{\"a\": null}", "{\"b\": 1}"),
        (
            "json-path: {path: '$.a[*].b', matches: '^x'}",
            "{\"a\": [{\"b\": \"y\"}, {\"b\": \"xy\"}]}",
            "{\"a\": []}",
        ),
        ("json-path: {path: $.a, exists: false}", "{}", "{\"a\": 0}"),
        ("choice: {options: [low, high], equals: high}", "**High**.", "low or high"),
        ("choice: {options: [B, AB], equals: AB}", "the answer is AB", "B"),
        ("choice: {options: [low, very low], equals: very low}", "very low", "low, or rather very low"),
        (
            "json-path: {path: $.a, equals: 9007199254740993}",
            "{\"a\": 9007199254740993}",
            "{\"a\": 9007199254740992}",
        ),
        ("numeric: {equals: 6.02e23}", "about 6.02e23", "6.02"),
        ("numeric: {equals: 1250.5}", "about 3 days, so EUR 1,250.50", "1,250.60"),
        ("numeric: {equals: 100, tolerance: 1%}", "99", "98"),
        ("length: {max: 5}", " Malmö ", "Malmös"),
        ("length: {min: 2, max: 2}", "日本", "日"),
        ("contains-json", "Here you are:\n```json\n{\"a\": 1}\n```", "as in [1], {nothing}"),
        ("contains-json: {schema: {type: object, required: [b]}}", "{\"a\": 1} {\"b\": 1}", "{\"a\": 1}"),
        ("finish-reason: stop", "x", ""),
        ("finish-reason: [length, stop]", "x", ""),
        ("levenshtein: {value: kitten, threshold: 0.57}", "sitting", "Monday"),
        ("levenshtein: Paris", "Pariz", "Rome"),
        ("rouge-l: {value: police killed the gunman}", "police kill the gunman", "the gunman kill police"),
        (
            "token-f1: {value: The Eiffel Tower}",
            "It is the Eiffel tower, in Paris.",
            "It is the Louvre, in Paris.",
        ),
        (
            "json-diff: {value: {a: 1, b: [x, y]}}",
            "{\"b\": [\"x\", \"y\"], \"a\": 1.0}",
            "{\"a\": 1, \"b\": [\"y\"]}",
        ),
        ("json-diff: {value: '[1, 2, 3]', threshold: 0.6}", "[1, 5, 3]", "[1, 5, 6]"),
        ("numeric: {equals: 100, tolerance: 2}", "98", "97.9"),
        ("is-refusal", "I’m sorry, but I can’t help with that.", "I cannot find the order in the ticket."),
        ("latency: {max_ms: 60000}", "x", ""),
        ("first-token: {max_ms: 60000}", "x", ""),
        ("cost: {max_usd: 1}", "x", ""),
        (
            "output-tokens: {max: 5}",
            "a few words",
            "a great many words, one after the other, until nobody listens",
        ),
        ("any-of: [contains: Paris, contains: Lutetia]", "Lutetia", "Lyon"),
        (
            "any-of: {value: [levenshtein: {value: abcd}, levenshtein: {value: wxyz}], threshold: 0.5}",
            "abxx",
            "axxx",
        ),
        ("all-of: [contains: a, any-of: [contains: b, contains: c]]", "ac", "ad"),
        ("all-of: {value: [contains: a, contains: b, contains: c], threshold: 0.6}", "ab", "a"),
    ];
    let mut set = "version: 1\nname: all\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\ncases:\n".to_owned();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    for (n, (assertion, right, wrong)) in cases.iter().enumerate() {
        let mut case = |kind: &str, answer: &str, negated: &str| {
            let id = format!("{n}-{kind}");
            set += &format!(
                "  - id: {id}\n    vars: {{q: {id}}}\n    reference: {}\n    assert:\n      - {negated}{assertion}\n",
                quoted(answer)
            );
        };
        case("right", right, "");
        case("not-right", right, "not-");
        if !wrong.is_empty() {
            case("wrong", wrong, "");
            case("not-wrong", wrong, "not-");
        }
    }
    let cli = CliHarness::new().with_file("set.yaml", &set);
    cli.run(&["eval", "set.yaml", "-o", "out.json"]).assert_exit_code(1);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    for result in report["runs"][0]["results"].as_array().unwrap() {
        let id = result["case"].as_str().unwrap();
        let n: usize = id.split('-').next().unwrap().parse().unwrap();
        let passes = id.ends_with("-right") != id.contains("not-");
        assert_eq!(
            result["verdict"],
            if passes { "pass" } else { "fail" },
            "{id} {}: {result:#}",
            cases[n].0
        );
    }
}

#[test]
fn similarity_defaults_to_reference() {
    let set = "version: 1
name: s
prompt: Where does the river rise?
assert: [levenshtein, rouge-l, {token-f1: {threshold: 0.9, kind: format}}]
cases: [{id: a, reference: It rises in the hills near Bern. It is a very long river.}]
";
    let cli = CliHarness::new().with_file("set.yaml", set);
    let good = &run_and_load_results(&cli, &["-m", "sim-openai/good"])[0];
    assert_eq!((&good["verdict"], &good["score"]), (&"pass".into(), &1.0.into()));
    let terse = &run_and_load_results(&cli, &["-m", "sim-openai/terse"])[0];
    assert_eq!(terse["verdict"], "fail");
    for assertion in terse["assertions"].as_array().unwrap() {
        let score = assertion["score"].as_f64().unwrap();
        assert!(0.0 < score && score < 1.0, "{assertion}");
        assert!(assertion["reason"].as_str().unwrap().contains("expected at least 0."), "{assertion}");
    }
    assert_eq!(terse["assertions"][2]["kind"], "format");
    assert_eq!(terse["assertions"][1]["kind"], "content");
}

#[test]
fn tool_call_verdicts_match_across_dialects() {
    let tools = r#"[{"name": "weather", "parameters": {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}}]"#;
    let set = "version: 1
name: s
prompt: Is it warm in {{ city }}?
request: {tools: tools.json}
cases:
  - {id: called, vars: {city: Rome}, assert: [tool-call, {tool-call: weather}, {finish-reason: tool_calls}]}
  - {id: not-called, vars: {city: Oslo}, assert: [not-tool-call]}
  - {id: otherwise, vars: {city: Bern}, assert: [{tool-call: {name: weather, arguments: {days: 1234}}}]}
";
    let cli = CliHarness::new().with_file("set.yaml", set).with_file("tools.json", tools);
    let verdicts = |model: &str| {
        let results = run_and_load_results(&cli, &["-m", model]);
        results.iter().map(|r| r["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for dialect in ["sim-openai", "sim-anthropic", "sim-gemini", "sim-responses"] {
        assert_eq!(verdicts(&format!("{dialect}/tool-caller")), ["pass", "fail", "fail"], "{dialect}");
        assert_eq!(verdicts(&format!("{dialect}/good")), ["fail", "pass", "fail"], "{dialect}");
    }
}

#[test]
fn finish_reason_cases() {
    let set = "version: 1
name: s
prompt: Tell me about {{ what }}
request: {max_tokens: 2}
cases:
  - {id: cut, vars: {what: rivers}, reference: a great many words, assert: [{finish-reason: length}, not-is-refusal]}
";
    let cli = CliHarness::new().with_file("set.yaml", set);
    assert_eq!(run_and_load_results(&cli, &["-m", "sim-openai/good"])[0]["verdict"], "pass");
    let filtered = run_and_load_results(&cli, &["-m", "sim-openai/safety-stop"]);
    let reasons: Vec<&str> =
        filtered[0]["assertions"].as_array().unwrap().iter().map(|a| a["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["finish reason content_filter"; 2]);
}

/// A filtered prompt gives an empty answer without token counts. Unknown counts are not zero, and a
/// combination is scored only if the count cannot change its result.
#[test]
fn unknown_measurement_is_unscored() {
    let simulator = CountingSimulator::start();
    let set = "version: 1
name: s
models: [sim-openai/good]
prompt: filter this {{ n }}
cases:
  - {id: refused, vars: {n: 1}, assert: [is-refusal, {finish-reason: content_filter}, not-tool-call, {equals: ''}]}
  - {id: tokens, vars: {n: 2}, assert: [is-refusal, {output-tokens: {max: 9}}]}
  - {id: not-tokens, vars: {n: 3}, assert: [{not-output-tokens: {max: 9}}]}
  - {id: first, vars: {n: 4}, assert: [{first-token: {max_ms: 9000}}]}
  - {id: any, vars: {n: 5}, assert: [{any-of: [is-refusal, output-tokens: {max: 9}]}]}
  - {id: any-silent, vars: {n: 6}, assert: [{any-of: [is-json, output-tokens: {max: 9}]}]}
  - {id: all, vars: {n: 7}, assert: [{all-of: [is-json, output-tokens: {max: 9}]}]}
  - {id: all-silent, vars: {n: 8}, assert: [{not-all-of: [is-refusal, output-tokens: {max: 9}]}]}
";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("tools.json", "[{\"name\": \"f\"}]")
        .with_file("set.yaml", &set.replace("cases:", "request: {tools: tools.json}\ncases:"));
    let results = run_and_load_results(&cli, &[]);
    let verdicts: Vec<_> =
        results.iter().map(|r| (r["case"].as_str().unwrap(), r["verdict"].as_str().unwrap())).collect();
    let expected = [
        ("refused", "pass"),
        ("tokens", "unscored"),
        ("not-tokens", "unscored"),
        ("first", "unscored"),
        ("any", "pass"),
        ("any-silent", "unscored"),
        ("all", "fail"),
        ("all-silent", "unscored"),
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(results[1]["score"], Value::Null);
}

#[test]
fn yaml_anchors_and_merges_are_resolved() {
    let set = "version: 1
name: s
models: [sim-openai/good]
prompt: '{{ q }}'
cases:
  - {id: a, vars: {q: x}, reference: Paris, assert: &common [contains: Paris, {levenshtein: &heavy {weight: 3, threshold: 0.5}}]}
  - {id: b, vars: {q: y}, reference: Paris is it, assert: *common}
  - id: c
    vars: {q: z}
    reference: Rome
    assert:
      - contains: Rome
      - levenshtein:
          <<: *heavy
          value: Lyon
";
    let cli = CliHarness::new().with_file("set.yaml", set);
    let results = run_and_load_results(&cli, &[]);
    let scores: Vec<_> =
        results.iter().map(|r| (r["verdict"].as_str().unwrap(), r["score"].as_f64().unwrap())).collect();
    assert_eq!(scores, [("pass", 1.0), ("pass", 1.0), ("fail", 0.25)]);
    let broken = CliHarness::new()
        .with_file("set.yaml", &set.replace("contains: Rome", "json-path: {path: $, equals: .inf}"));
    broken
        .run(&["eval", "set.yaml"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["set.yaml:12:", "expected a finite number"]);
}

/// The digest covers the request, the reference, and the assertions by content, not by path or YAML syntax.
#[test]
fn case_digest_depends_only_on_content() {
    let digests = |set: &str, schema: &str| {
        let cli = CliHarness::new()
            .with_file("set.yaml", set)
            .with_file("a.json", schema)
            .with_file("b.json", schema)
            .with_file("cases.csv", "id,q,reference,assert:contains\nc,two,2,x\n");
        let results = run_and_load_results(&cli, &["-m", "sim-openai/good"]);
        results.iter().map(|r| r["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let schema = r#"{"type": "object", "required": ["a"]}"#;
    let set = "version: 1
name: s
system: Be brief.
messages: [{role: user, content: one}, {role: assistant, content: two}, {role: user, content: '{{ q }}'}]
request: {temperature: 0}
assert: [{json-schema: a.json}]
cases:
  - {id: a, vars: {q: three}, reference: '3', assert: [{json-path: {path: $.a, equals: {x: 1, y: 2}}}, {rouge-l: {weight: 2}}]}
cases_from: [cases.csv]
";
    let first = digests(set, schema);
    let same = [
        ("equals: {x: 1, y: 2}", "equals: {y: 2.0, x: 1}"),
        ("{rouge-l: {weight: 2}}", "{rouge-l: {kind: content, value: '3', threshold: 0.75, weight: 2.0}}"),
        ("json-schema: a.json", "json-schema: b.json"),
        ("temperature: 0", "temperature: 0.0"),
        ("id: a, vars", "id: other, tags: [x], vars"),
        ("name: s", "name: other\ndescription: x"),
        ("system: Be brief.", "system: >-\n  Be\n  brief."),
    ];
    for (from, to) in same {
        assert_eq!(digests(&set.replace(from, to), schema), first, "{to}");
    }
    assert_eq!(digests(set, "{ \"required\": [\"a\"],\n\"type\": \"object\"}"), first);
    let other = [
        ("Be brief.", "Be long."),
        ("content: one", "content: won"),
        ("content: two", "content: too"),
        ("temperature: 0", "temperature: 1"),
        ("temperature: 0", "temperature: 0, max_tokens: 999"),
        ("assert: [{json-schema: a.json}]", "assert: [{json-schema: a.json}, is-json]"),
        ("assert: [{json-schema: a.json}]", "assert: [{not-json-schema: a.json}]"),
        ("assert: [{json-schema: a.json}]", "assert: [{json-schema: {value: a.json, kind: content}}]"),
    ];
    let mut seen = vec![first.clone()];
    for (from, to) in other {
        let changed = digests(&set.replace(from, to), schema);
        assert!(seen.iter().all(|known| known[0] != changed[0] && known[1] != changed[1]), "{to}");
        seen.push(changed);
    }
    let single_case = [
        ("q: three", "q: four"),
        ("reference: '3'", "reference: '4'"),
        ("{x: 1, y: 2}", "{x: 1, y: '2'}"),
        ("{weight: 2}", "{weight: 3}"),
        ("{weight: 2}", "{weight: 2, threshold: 0.7}"),
        ("{rouge-l: {weight: 2}}", "{token-f1: {weight: 2}}"),
        ("{rouge-l: {weight: 2}}", "{any-of: [{rouge-l: {weight: 2}}]}"),
    ];
    for (from, to) in single_case {
        let changed = digests(&set.replace(from, to), schema);
        assert_eq!(changed[1], first[1], "{to}");
        assert!(seen.iter().all(|known| known[0] != changed[0]), "{to}");
        seen.push(changed);
    }
    assert_ne!(digests(set, "{\"type\": \"object\"}"), first, "the digest covers file contents");
}

/// The documentation lists every assertion with a valid example, and its golden set runs.
#[test]
fn documentation_matches_implementation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/golden-sets.md");
    let text = std::fs::read_to_string(path).unwrap();
    let example = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let cli = CliHarness::new().with_file("set.yaml", example);
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/good"]).assert_exit_code(0);
    let csv = text.split("```csv\n").nth(1).unwrap().split("```").next().unwrap();
    let set = example.split("cases:").next().unwrap().to_owned() + "cases_from: [more.csv]\n";
    let cli = CliHarness::new().with_file("set.yaml", &set).with_file("more.csv", csv);
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/good"]).assert_exit_code(0);

    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 7)
        .map(|line| line.split('|').skip(1).map(str::trim).collect())
        .collect();
    let unknown = CliHarness::new()
        .with_file("set.yaml", &set_with_assertions("zzz: x"))
        .run(&["eval", "set.yaml"])
        .assert_exit_code(2)
        .stderr;
    let known = unknown
        .split("use one of ")
        .nth(1)
        .unwrap()
        .split(", optionally with the prefix `not-`")
        .next()
        .unwrap();
    let documented: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, known.split(", ").collect::<Vec<_>>());

    let judged = "judge: sim-openai/judge\nembedding: sim-gemini/good\n";
    let mut set = format!(
        "version: 1\nname: s\nmodels: [sim-openai/good]\n{judged}prompt: x\nrequest: {{tools: tools.json}}\ncases:\n  - id: a\n    reference: '{{}}'\n    assert:\n"
    );
    for row in &rows {
        let example = row[5].trim_matches('`');
        let name = row[0].trim_matches('`');
        assert!(
            example.trim_start_matches("not-").starts_with(name),
            "`{example}` is not an example of {name}"
        );
        set += &format!("      - {example}\n");
    }
    // Documented kinds and thresholds match the report.
    let set = set.replace("reference: '{}'", "reference: '{\"city\": 1}'");
    let program = "#!/bin/sh\necho '{\"score\": 0.5}'\n";
    let cli = CliHarness::new()
        .with_file("set.yaml", &set)
        .with_file("tools.json", "[{\"name\": \"weather\"}]")
        .with_executable("check.py", program);
    let results = run_and_load_results(&cli, &["--allow-exec"]);
    for (row, found) in rows.iter().zip(results[0]["assertions"].as_array().unwrap()) {
        assert!(
            row[3].starts_with("the same") || row[3].starts_with(found["kind"].as_str().unwrap()),
            "{row:?} {found}"
        );
    }
    for row in rows.iter().filter(|row| row[4].parse::<f64>().is_ok()) {
        let name = row[0].trim_matches('`');
        let value = if name == "exec" { "[./check.py]" } else { "'{\"a\": [7]}'" };
        let set = set_with_assertions(&format!("{name}: {{value: {value}}}"))
            .replace("prompt:", &format!("{judged}prompt:"));
        let cli = CliHarness::new().with_file("set.yaml", &set).with_executable("check.py", program);
        let results = run_and_load_results(&cli, &["--allow-exec"]);
        let reason = results[0]["assertions"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(&format!("expected at least {}", row[4])), "{name}: {reason}");
    }
}
