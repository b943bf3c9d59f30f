//! Golden sets with several prompts: every model runs every prompt.

use serde_json::{Value, json};

use crate::harness::{CliHarness, CountingSimulator};

const SET: &str = "version: 1
name: capitals
models: [sim-openai/good]
system: Be brief.
prompts:
  short: Capital of {{ country }}?
  long: {system: You are a geographer., prompt: 'Which city is the capital of {{ country }}?'}
  turns:
    messages:
      - {role: user, content: I have a question.}
      - {role: assistant, content: Ask.}
      - {role: user, content: '{{ country }}, its capital?'}
cases:
  - {id: france, vars: {country: France}, reference: Paris. It lies on the Seine., assert: [{contains: Seine}]}
  - {id: japan, vars: {country: Japan}, reference: Tokyo, assert: [equals]}
";

/// The same set with only its first prompt, unnamed.
fn set_with_one_prompt() -> String {
    let (first, rest) = SET.split_once("  long:").unwrap();
    let cases = rest.split_once("cases:").unwrap().1;
    format!("{}cases:{cases}", first.replace("prompts:\n  short: ", "prompt: "))
}

fn report_results(cli: &CliHarness) -> Vec<Value> {
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(cli.path("out.json")).unwrap()).unwrap();
    report["runs"][0]["results"].as_array().unwrap().clone()
}

fn subject_names(json: &Value) -> Vec<&str> {
    let subjects = json["runs"][0]["subjects"].as_array().unwrap();
    subjects.iter().map(|subject| subject["subject"].as_str().unwrap()).collect()
}

#[test]
fn every_model_runs_every_prompt() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let models = "sim-openai/good,sim-anthropic/terse";
    let json =
        cli.run(&["eval", "set.yaml", "-m", models, "-o", "out.json", "--json"]).assert_exit_code(1).json();
    let expected = [
        "sim-openai/good#short",
        "sim-openai/good#long",
        "sim-openai/good#turns",
        "sim-anthropic/terse#short",
        "sim-anthropic/terse#long",
        "sim-anthropic/terse#turns",
    ];
    assert_eq!(subject_names(&json), expected);
    let passed: Vec<&Value> =
        json["runs"][0]["subjects"].as_array().unwrap().iter().map(|subject| &subject["passed"]).collect();
    assert_eq!(passed, [2, 2, 2, 1, 1, 1]);
    // A case has one ID, which is used to compare prompts, and one digest per prompt.
    let results = report_results(&cli);
    let values = |subject: &str, key: &str| {
        let results = results.iter().filter(|result| result["subject"] == subject);
        results.map(|result| result[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(expected[0], "case"), [json!("france"), json!("japan")]);
    assert_eq!(values(expected[0], "case"), values(expected[1], "case"));
    assert_eq!(values(expected[0], "digest"), values(expected[3], "digest"), "models share case digests");
    let mut digests = expected[..3].iter().flat_map(|subject| values(subject, "digest")).collect::<Vec<_>>();
    digests.sort_by_key(Value::to_string);
    digests.dedup();
    assert_eq!(digests.len(), 6);
    // A prompt's name does not change the digest.
    let cli = cli.with_file("one.yaml", &set_with_one_prompt());
    cli.run(&["eval", "one.yaml", "-o", "out.json"]).assert_exit_code(0);
    let alone: Vec<Value> = report_results(&cli).iter().map(|result| result["digest"].clone()).collect();
    assert_eq!(alone, values(expected[0], "digest"));
}

#[test]
fn model_with_prompt_suffix_runs_one_prompt() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let eval =
        |more: &[&str]| cli.run(&[&["eval", "set.yaml", "--json"], more].concat()).assert_exit_code(0).json();
    assert_eq!(subject_names(&eval(&["-m", "sim-openai/good#long"])), ["sim-openai/good#long"]);
    let both = eval(&["-m", "sim-openai/good#turns,sim-openai/good"]);
    let order = ["sim-openai/good#turns", "sim-openai/good#short", "sim-openai/good#long"];
    assert_eq!(subject_names(&both), order);
    let filtered = eval(&["-m", "sim-openai/good#long", "--filter", "japan"]);
    assert_eq!(
        (&filtered["runs"][0]["set"]["cases"], &filtered["runs"][0]["subjects"][0]["passed"]),
        (&json!(1), &json!(1))
    );
    let routes = "version: 1\nroutes:\n  demo: {candidates: [sim-openai/good, sim-gemini/good]}\n";
    let cli = CliHarness::new().with_file("routes.yaml", routes).with_file("set.yaml", SET);
    let output = cli
        .run(&["eval", "set.yaml", "-m", "route:demo#short", "--each-candidate", "--json"])
        .assert_exit_code(0);
    assert_eq!(
        subject_names(&output.json()),
        ["route:demo#short", "sim-openai/good#short", "sim-gemini/good#short"]
    );
    let set_models = SET.replace("models: [sim-openai/good]", "models: ['sim-openai/good#long']");
    let cli = cli.with_file("set.yaml", &set_models);
    cli.run(&["check", "set.yaml"]).assert_exit_code(0);
    assert_eq!(
        subject_names(&cli.run(&["eval", "set.yaml", "--json"]).assert_exit_code(0).json()),
        ["sim-openai/good#long"]
    );
}

#[test]
fn dry_run_shows_each_prompt() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", SET);
    let output = cli.run(&["eval", "set.yaml", "--dry-run"]).assert_exit_code(0);
    for expected in [
        "= 6 calls",
        "  sim-openai/good#long: ~$",
        "first case `france` with prompt `short`:\n[system]\nBe brief.\n[user]\nCapital of France?\n",
        "first case `france` with prompt `long`:\n[system]\nYou are a geographer.\n[user]\nWhich city is the capital of France?\n",
        "with prompt `turns`:\n[system]\nBe brief.\n",
    ] {
        assert!(output.stdout.contains(expected), "no {expected:?} in {}", output.stdout);
    }
    let plan = cli
        .run(&["eval", "set.yaml", "--dry-run", "--json", "-m", "sim-openai/good#long"])
        .assert_exit_code(0)
        .json();
    assert_eq!(plan["runs"][0]["prompts"][0]["name"], "long");
    assert_eq!(plan["runs"][0]["first"]["prompt"], "Which city is the capital of France?");
    assert_eq!(simulator.request_count(), 0);
}

#[test]
fn resume_reruns_only_changed_prompts() {
    let simulator = CountingSimulator::start();
    let set = |other: &str, last: &str| {
        format!(
            "version: 1\nname: s\nmodels: [sim-openai/good]\nprompts: {{plain: '{{{{ q }}}}', other: '{other} {{{{ q }}}}'}}\nassert: [contains]\ncases:\n  - {{id: a, vars: {{q: A}}, reference: no model was called}}\n  - {{id: b, vars: {{q: {last}}}, reference: no model was called}}\n"
        )
    };
    let cli = CliHarness::new()
        .with_file("routes.yaml", &simulator.routes_yaml())
        .with_file("set.yaml", &set("Say:", "refuse this"));
    let eval = ["--ledger", "ledger.db", "eval", "set.yaml", "-j", "1", "-o", "out.json"];
    cli.run(&eval).assert_exit_code(3).assert_stderr_contains(&[
        "1 result missing; to complete the run: slalom --ledger ledger.db eval set.yaml --resume ",
    ]);
    assert_eq!(simulator.request_count(), 4);
    let cli = cli.with_file("set.yaml", &set("Tell:", "B"));
    // Case `a` with prompt `plain` is kept. Case `b` changed for both prompts, and `a` for prompt `other`.
    let output = cli.run(&[&eval[..], &["--resume"]].concat()).assert_exit_code(0);
    output.assert_stderr_contains(&["rerunning these cases: a, b\n"]);
    assert_eq!(simulator.request_count(), 7);
    assert_eq!(report_results(&cli).len(), 4);
}

#[test]
fn resume_with_different_prompts_exits_2() {
    let simulator = CountingSimulator::start();
    let set = |prompts: &str| {
        format!(
            "version: 1\nname: s\nmodels: [sim-openai/good]\n{prompts}assert: [contains]\ncases: [{{id: a, vars: {{q: refuse this}}, reference: x}}]\n"
        )
    };
    let (one, two) = (set("prompt: '{{ q }}'\n"), set("prompts: {a: '{{ q }}', b: '{{ q }}'}\n"));
    let run = |before: &str, after: &str| {
        let cli = CliHarness::new()
            .with_file("routes.yaml", &simulator.routes_yaml())
            .with_file("set.yaml", before);
        let output = cli.run(&["--ledger", "ledger.db", "eval", "set.yaml"]).assert_exit_code(3);
        let id = output.stderr.split("--resume ").nth(1).unwrap().trim().to_owned();
        cli.with_file("set.yaml", after).run(&["--ledger", "ledger.db", "eval", "set.yaml", "--resume", &id])
    };
    run(&one, &two).assert_exit_code(2).assert_stderr_contains(&[
        "cannot resume sim-openai/good: the run started before set.yaml had `prompts`",
        "hint: ",
    ]);
    run(&two, &one).assert_exit_code(2).assert_stderr_contains(&["has no `prompts`"]);
    let other = two.replace("b: ", "c: ");
    run(&two, &other)
        .assert_exit_code(2)
        .assert_stderr_contains(&["has no prompt `b`: expected one of a, c"]);
}

#[test]
fn invalid_prompts_fail_before_any_request() {
    let simulator = CountingSimulator::start();
    let cases: Vec<(&str, String, &[&str], &[&str])> = vec![
        (
            "unknown prompt",
            SET.into(),
            &["-m", "sim-openai/good#lnog"],
            &["has no prompt `lnog`", "short, long, turns"],
        ),
        (
            "set without prompts",
            set_with_one_prompt(),
            &["-m", "sim-openai/good#short"],
            &["has no `prompts`", "hint: "],
        ),
        (
            "unknown prompt under `models`",
            SET.replace("[sim-openai/good]", "['sim-openai/good#lnog']"),
            &[],
            &["set.yaml has no prompt `lnog`"],
        ),
        (
            "`prompts` with `prompt`",
            SET.replace("system: Be brief.", "prompt: x"),
            &[],
            &["cannot combine `prompts` with `prompt` or `messages`", "set.yaml:4:"],
        ),
        (
            "undefined variable",
            SET.replace("Capital of {{ country }}", "Capital of {{ land }}"),
            &[],
            &["case `france`, prompt `short`", "undefined template variable `land`"],
        ),
        (
            "invalid template",
            SET.replace("Capital of {{ country }}", "Capital of {{ country"),
            &[],
            &["invalid template: unexpected character", "set.yaml:6:"],
        ),
        (
            "unknown key",
            SET.replace("{system: You", "{sytem: You"),
            &[],
            &["unknown key `sytem`", "did you mean `system`?"],
        ),
        (
            "missing prompt text",
            SET.replace(", prompt: 'Which city is the capital of {{ country }}?'", ""),
            &[],
            &["prompt `long` is empty"],
        ),
        (
            "invalid name",
            SET.replace("  short:", "  a b:"),
            &[],
            &["invalid prompt name `a b`", "set.yaml:6:3"],
        ),
        ("duplicate name", SET.replace("  long:", "  short:"), &[], &["short"]),
        (
            "empty prompt",
            SET.replace("  short: Capital of {{ country }}?\n", "  short: ''\n"),
            &[],
            &["prompt `short`: the prompt is empty"],
        ),
        (
            "last message",
            SET.replace("{role: user, content: '{{ country }}", "{role: assistant, content: '{{ country }}"),
            &[],
            &["the last message under `messages:` must be a user message"],
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
    let (before, rest) = SET.split_once("prompts:").unwrap();
    let no_prompts = format!("{before}prompts: {{}}\ncases:{}", rest.split_once("cases:").unwrap().1);
    let cli = CliHarness::new().with_file("set.yaml", &no_prompts);
    cli.run(&["eval", "set.yaml"]).assert_exit_code(2).assert_stderr_contains(&["`prompts` is empty"]);
    assert_eq!(simulator.request_count(), 0, "a request was sent before the error");
}

#[test]
fn baseline_compares_prompts_of_one_model() {
    let cli = CliHarness::new().with_file("set.yaml", SET);
    let arguments =
        ["eval", "set.yaml", "-m", "sim-openai/good#long", "--baseline", "sim-openai/good#short", "--json"];
    let json = cli.run(&arguments).assert_exit_code(0).json();
    let comparison = &json["runs"][0]["comparison"][0];
    assert_eq!(
        (&comparison["baseline"], &comparison["challenger"]),
        (&json!("sim-openai/good#short"), &json!(arguments[3]))
    );
    assert_eq!((&comparison["pairs"], &comparison["difference"]), (&json!(2), &json!(0.0)));
    // A saved baseline identifies the prompt by its case digests.
    let save = ["eval", "set.yaml", "-m", "sim-openai/good#long", "--save-baseline", "long.json"];
    cli.run(&save).assert_exit_code(0);
    let against = |subject: &str| cli.run(&["eval", "set.yaml", "-m", subject, "--baseline", "long.json"]);
    against("sim-openai/good#long").assert_exit_code(0);
    against("sim-openai/good#short")
        .assert_exit_code(2)
        .assert_stderr_contains(&["none of the 2 cases is in the baseline"]);
    let output = cli.run(&["eval", "set.yaml", "--baseline", "sim-openai/good"]).assert_exit_code(2);
    assert!(output.stderr.contains("has several prompts for"), "{}", output.stderr);
}
