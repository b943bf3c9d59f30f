//! `eval`, end to end: verdicts, gates, exit codes, and errors reported before the first call.

use crate::harness::{CliHarness, CountingSimulator};

const SET: &str = "version: 1
name: capitals
models: [sim-openai/good]
system: Answer with the name of the city.
prompt: What is the capital of {{ country }}?
request: {temperature: 0, max_tokens: 50}
cases:
  - id: france
    vars: {country: France}
    reference: Paris. It lies on the Seine.
    tags: [europe]
    assert: [{contains: Paris}, {contains: {value: Seine, weight: 3}}]
  - id: japan
    vars: {country: Japan}
    reference: Tokyo
    tags: [asia]
    assert: [equals]
";

fn with_capitals_set(cli: CliHarness) -> CliHarness {
    cli.with_file("set.yaml", SET)
}

#[test]
fn table_shows_subject_statistics() {
    let output = with_capitals_set(CliHarness::new()).run(&[
        "eval",
        "set.yaml",
        "-m",
        "sim-openai/good,sim-anthropic/terse",
    ]);
    // `terse` drops the second sentence, and without a minimum any failed case fails the run.
    let output = output.assert_exit_code(1);
    for expected in [
        "sim-openai/good (sim)",
        "2/2",
        "1.000 [0.342, 1.000]",
        "1/2",
        "0.500 [0.095, 0.905]",
        "0.625",
        "ms",
        "gate: FAILED",
    ] {
        assert!(output.stdout.contains(expected), "no {expected:?} in {}", output.stdout);
    }
}

#[test]
fn gate_minimum_exit_code_cases() {
    let cli = with_capitals_set(CliHarness::new());
    let terse = ["eval", "set.yaml", "-m", "sim-anthropic/terse"];
    cli.run(&[&terse[..], &["--min-pass-rate", "0.5"]].concat()).assert_exit_code(0);
    cli.run(&[&terse[..], &["--min-pass-rate", "0.51"]].concat()).assert_exit_code(1);
    cli.run(&[&terse[..], &["--min-score", "0.6"]].concat()).assert_exit_code(0);
    cli.run(&[&terse[..], &["--min-score", "0.63"]].concat()).assert_exit_code(1);
}

#[test]
fn all_cases_unscored_exits_3() {
    let cli = with_capitals_set(CliHarness::new());
    let output = cli
        .run(&["eval", "set.yaml", "-m", "sim-openai/overloaded", "--min-pass-rate", "0.1", "--json"])
        .assert_exit_code(3);
    let json = output.json();
    let subject = &json["runs"][0]["subjects"][0];
    assert_eq!(
        (&subject["unscored"], &subject["failed"], &subject["passed"]),
        (&2.into(), &0.into(), &0.into())
    );
    assert_eq!(subject["pass_rate"], serde_json::Value::Null);
    assert_eq!(json["exit_code"], 3);
    // If no case is scored, the gate cannot pass, whatever --max-unscored allows.
    let lenient = ["--max-unscored", "100%", "--min-pass-rate", "0.1"];
    cli.run(&[&["eval", "set.yaml", "-m", "sim-openai/overloaded"][..], &lenient].concat())
        .assert_exit_code(3);
}

#[test]
fn bad_key_stops_subject_after_first_case() {
    let simulator = CountingSimulator::start();
    let rows: String = (0..40).map(|n| format!("c{n},country {n},Paris\n")).collect();
    let set = "version: 1\nname: many\nprompt: Capital of {{ country }}?\nassert: [contains]\ncases_from: [cases.csv]\n";
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", set)
        .with_file("cases.csv", &format!("id,country,reference\n{rows}"));
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/bad-key", "-j", "1"]).assert_exit_code(3);
    assert_eq!(simulator.request_count(), 1, "the first case fails with a bad key");
    cli.run(&["eval", "set.yaml", "-m", "sim-openai/good", "-j", "8"]);
    assert_eq!(simulator.request_count(), 41);
}

#[test]
fn route_subject_reports_failovers() {
    let routes = "version: 1\nroutes:\n  demo: {candidates: [sim-anthropic/overloaded, sim-openai/good]}\n";
    let cli = with_capitals_set(CliHarness::new()).with_file("routes.yaml", routes);
    let json = cli.run(&["eval", "set.yaml", "-m", "route:demo", "--json"]).assert_exit_code(0).json();
    assert_eq!(json["runs"][0]["subjects"][0]["failovers"], 2);
}

#[test]
fn report_files_list_every_case() {
    let cli = with_capitals_set(CliHarness::new());
    let output = cli
        .run(&["eval", "set.yaml", "-m", "sim-anthropic/terse", "-o", "out.json", "-o", "out.csv", "--json"])
        .assert_exit_code(1);
    assert_eq!(output.json()["runs"][0]["results"], serde_json::json!([]), "stdout has only the statistics");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    let results = report["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results[0]["verdict"], "fail");
    assert_eq!(results[0]["score"], 0.25);
    assert_eq!(results[0]["assertions"][1]["passed"], false);
    assert_eq!(results[1]["verdict"], "pass");
    assert_eq!(results[1]["served_by"], "sim-anthropic/terse");
    assert!(results[0]["digest"].as_str().unwrap().starts_with("sha256:"));
    let csv = std::fs::read_to_string(cli.path("out.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains("capitals,france,sim-anthropic/terse,fail,0.25"), "{csv}");
}

#[test]
fn filter_and_tag_select_cases() {
    let cli = with_capitals_set(CliHarness::new());
    let count = |more: &[&str]| {
        let arguments = [&["eval", "set.yaml", "--json"][..], more].concat();
        cli.run(&arguments).assert_exit_code(0).json()["runs"][0]["set"]["cases"].as_u64().unwrap()
    };
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["--filter", "^fr"]), 1);
    assert_eq!(count(&["--tag", "asia"]), 1);
    assert_eq!(count(&["--tag", "asia", "--tag", "europe"]), 2);
}

#[test]
fn cases_from_loads_csv_and_jsonl() {
    let set = "version: 1\nname: mixed\nmodels: [sim-openai/good]\nprompt: '{{ q }}'\ncases_from: [a.csv, b.jsonl]\n";
    let csv = "id,q,reference,tags,assert:contains,assert:icontains-any\none,first question,\"Yes, one\",x y,one,\ntwo,second question,two,,,\"[\"\"TWO\"\"]\"\n";
    let jsonl = "{\"id\": \"three\", \"q\": \"third\", \"reference\": \"3\", \"assert:numeric\": {\"equals\": 3}}\n\n{\"q\": \"fourth\", \"reference\": \"4\", \"assert:equals\": \"4\"}\n";
    let cli =
        CliHarness::new().with_file("set.yaml", set).with_file("a.csv", csv).with_file("b.jsonl", jsonl);
    cli.run(&["eval", "set.yaml", "-o", "out.json"]).assert_exit_code(0);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    let ids: Vec<_> =
        report["runs"][0]["results"].as_array().unwrap().iter().map(|r| r["case"].clone()).collect();
    assert_eq!(ids, ["one", "two", "three", "b-2"]);
}

/// A misspelled assertion column would never be checked, so it is an error.
#[test]
fn invalid_case_file_exits_2() {
    let set = |file: &str| {
        format!(
            "version: 1\nname: s\nprompt: '{{{{ q }}}}'\nassert: [{{contains: o}}]\ncases_from: [{file}]\n"
        )
    };
    let files = [
        (
            "a.jsonl",
            "{\"id\": \"a\", \"q\": \"x\", \"assert\": [{\"equals\": \"zzz\"}]}\n",
            "a.jsonl, line 1: unknown field `assert`",
        ),
        ("a.jsonl", "{\"id\": \"a\", \"q\": \"x\", \"q\": \"y\"}\n", "duplicate field `q`"),
        ("a.csv", "id,q,asert:equals\na,x,zzz\n", "a.csv, line 1: unknown column `asert:equals`"),
        ("a.csv", "ID,q\na,x\n", "hint: did you mean `id`?"),
        ("a.csv", "id,q\n,x\n", "empty `id`"),
        ("a.csv", "id,q,q\na,x,y\n", "duplicate column `q`"),
        ("a.csv", "id,q\na\n", "a.csv, line 2"),
        ("a.csv", "id,q\na,\n", "the prompt is empty"),
    ];
    for (name, text, expected) in files {
        let cli = CliHarness::new().with_file("set.yaml", &set(name)).with_file(name, text);
        cli.run(&["eval", "set.yaml", "-m", "sim-openai/good"])
            .assert_exit_code(2)
            .assert_stderr_contains(&[expected, "hint:"]);
    }
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let good = SET.to_owned();
    let cases: Vec<(&str, String, &[&str], &[&str])> = vec![
        (
            "unknown key",
            good.replace("request:", "reqeust:"),
            &[],
            &["unknown key `reqeust`", "set.yaml:6:1", "did you mean `request`?"],
        ),
        (
            "undefined variable",
            good.replace("vars: {country: Japan}", "vars: {land: Japan}"),
            &[],
            &["undefined template variable `country`", "set.yaml:13:9"],
        ),
        (
            "no cases",
            good.split("cases:").next().unwrap().to_owned(),
            &[],
            &["the golden set has no cases", "set.yaml"],
        ),
        (
            "empty filter",
            good.clone(),
            &["--filter", "nowhere"],
            &["set.yaml matches --filter `nowhere`\n", "hint:"],
        ),
        (
            "empty tag",
            good.clone(),
            &["--tag", "africa"],
            &["set.yaml matches --tag `africa`\n", "asia, europe"],
        ),
        (
            "misspelled assertion",
            good.replace("{contains: Paris}", "{contians: Paris}"),
            &[],
            &["unknown assertion `contians`", "set.yaml:12:", "did you mean `contains`?"],
        ),
        (
            "misspelled negation",
            good.replace("{contains: Paris}", "{not-contians: Paris}"),
            &[],
            &["did you mean `not-contains`?"],
        ),
        (
            "no assertion",
            good.replace("    assert: [equals]\n", ""),
            &[],
            &["case `japan` has no assertions"],
        ),
        ("duplicate id", good.replace("id: japan", "id: france"), &[], &["duplicate case ID `france`"]),
        (
            "invalid regex",
            good.replace("[equals]", "[{regex: '('}]"),
            &[],
            &["unclosed group", r"hint: escape special characters, as in `\(`"],
        ),
        (
            "invalid schema",
            good.replace("[equals]", "[{json-schema: {schema: {type: 7}}}]"),
            &[],
            &["invalid schema: `type` cannot be 7", "hint: correct the schema"],
        ),
        (
            "missing file",
            good.replace("[equals]", "[{json-schema: no.json}]"),
            &[],
            &["cannot read no.json", "relative to the set"],
        ),
        (
            "missing case file",
            good.replace("cases:\n", "cases_from: [no.csv]\ncases:\n"),
            &[],
            &["cannot read no.csv"],
        ),
        ("unknown option", good.replace("weight: 3", "wieght: 3"), &[], &["unknown option `wieght`"]),
        (
            "invalid minimum",
            good.replace("cases:\n", "gate: {min_pass_rate: 60}\ncases:\n"),
            &[],
            &["`min_pass_rate` must be between 0 and 1"],
        ),
        (
            "invalid limit",
            good.replace("cases:\n", "gate: {max_unscored: many}\ncases:\n"),
            &[],
            &["`max_unscored`: invalid limit `many`: expected a count or a percentage"],
        ),
        (
            "unknown price",
            good.replace("[equals]", "[{cost: {max_usd: 1}}]"),
            &["-m", "vllm/mine"],
            &["the price of vllm/mine"],
        ),
        ("unknown provider", good.clone(), &["-m", "sim-opnai/good"], &["did you mean `sim-openai/good`?"]),
        (
            "unknown provider in the set",
            good.replace("sim-openai/good", "sim-opnai/good"),
            &[],
            &["set.yaml, under `models:`", "did you mean"],
        ),
        ("no key", good.clone(), &["-m", "openai/gpt-6-luna"], &["OPENAI_API_KEY is not set"]),
        (
            "report format",
            good.clone(),
            &["-o", "x.txt"],
            &["use a file name that ends in .json, .jsonl, .csv, .xml, .md, or .html"],
        ),
        ("missing second set", good.clone(), &["missing.yaml"], &["missing.yaml", "cannot read the file"]),
        (
            "invalid template",
            good.replace("{{ country }}", "{{ country"),
            &[],
            &["invalid template: unexpected character"],
        ),
    ];
    for (name, text, more, expected) in cases {
        let cli =
            CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", &text);
        let output = cli.run(&[&["eval", "set.yaml"][..], more].concat());
        assert_eq!(output.code, 2, "{name}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.starts_with("error: "), "{name}: {}", output.stderr);
        output.assert_stderr_contains(expected);
    }
    assert_eq!(simulator.request_count(), 0, "a request was sent before the error");
    let cli =
        CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", &good);
    cli.run(&["eval", "set.yaml"]).assert_exit_code(1);
    assert_eq!(simulator.request_count(), 2, "a valid set sends its requests");
}

#[test]
fn dry_run_sends_no_request() {
    let simulator = CountingSimulator::start();
    let cli = with_capitals_set(CliHarness::new()).with_file("routes.yaml", &simulator.routes_yaml());
    let output = cli.run(&["eval", "set.yaml", "--dry-run"]).assert_exit_code(0);
    for expected in
        ["2 cases × sim-openai/good = 2 calls", "What is the capital of France?", "nothing was sent"]
    {
        assert!(output.stdout.contains(expected), "{}", output.stdout);
    }
    assert_eq!(simulator.request_count(), 0);
}

/// In the shipped sets, every reference passes its own assertions, and each weaker model scores lower.
#[test]
fn shipped_sets_distinguish_models() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/golden-sets/");
    for name in ["support-triage.yaml", "handbook-answers.yaml"] {
        let json =
            CliHarness::new().run(&["eval", &format!("{root}{name}"), "--json"]).assert_exit_code(0).json();
        assert!(json["runs"][0]["set"]["cases"].as_u64().unwrap() >= 60);
        let subjects = json["runs"][0]["subjects"].as_array().unwrap();
        let passed: Vec<u64> = subjects.iter().map(|s| s["passed"].as_u64().unwrap()).collect();
        assert_eq!(passed[0], json["runs"][0]["set"]["cases"], "the route returns the references: {json:#}");
        assert_eq!(passed[1], passed[0], "every reference passes its own assertions");
        assert!(
            passed[2] < passed[1] && passed[3] < passed[1] && passed[2] != passed[3],
            "{name}: {passed:?}"
        );
        let failovers = subjects[0]["failovers"].as_u64().unwrap();
        assert!((3..=20).contains(&failovers), "an open breaker skips the failing candidate: {failovers}");
        assert!(subjects.iter().all(|s| s["simulated"] == true));
    }
}

/// Without API keys, the hint names an `eval` command, or a judge, that works.
#[test]
fn missing_key_hint_suggests_eval_with_simulator() {
    let routes =
        "version: 1\nroutes:\n  prod: {candidates: [openai/gpt-6-luna, anthropic/claude-haiku-4-5]}\n";
    let set = "version: 1\nname: s\nmodels: [route:prod]\njudge: route:prod\nprompt: hi\ncases:\n  - {id: a, assert: [{llm-rubric: Is polite}]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", routes).with_file("my set.yaml", set);
    let output = cli.run(&["eval", "my set.yaml"]).assert_exit_code(2);
    output.assert_stderr_contains(&[
        "no usable candidate in route `prod`: no API key is set for openai or anthropic",
        "which needs no key: slalom eval 'my set.yaml' -m sim-openai/good\n",
    ]);
    let output = cli.run(&["eval", "my set.yaml", "-m", "sim-openai/good"]).assert_exit_code(2);
    output.assert_stderr_contains(&["judge `route:prod`: ", "which needs no key: judge: sim-openai/judge\n"]);
}
