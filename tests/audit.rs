//! `slalom audit`, end to end: output, exit codes, and no model calls.

use serde_json::{Value, json};

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

const SET: &str = r#"version: 1
name: mixed
models: [sim-openai/good]
prompt: "{{ q }}"
cases:
  - {id: sound, vars: {q: What lies on the Seine?}, reference: Paris, tags: [city], assert: [equals]}
  - id: anything
    vars: {q: What lies on the Tiber?}
    reference: Rome
    tags: [city]
    assert: [{length: {max: 400}}, {latency: {max_ms: 900}}]
  - {id: wrong, vars: {q: What lies at the fjord?}, reference: Oslo, assert: [{contains: Bergen}, equals]}
  - {id: again, vars: {q: what lies on the  SEINE}, reference: paris, assert: [iequals]}
  - {id: without, vars: {q: Name a fruit.}, assert: [{contains: a}]}
  - {id: call, vars: {q: Will it rain?}, reference: I will look., assert: [{latency: {max_ms: 900}}]}
"#;

fn run_audit(text: &str, more: &[&str]) -> CliOutput {
    let cli = CliHarness::new().with_file("set.yaml", text);
    cli.run(&[&["audit", "set.yaml"], more].concat())
}

#[test]
fn findings_list_affected_cases() {
    let output = run_audit(SET, &[]).assert_exit_code(1);
    for expected in [
        "mixed · audit of 6 cases, no model was called",
        "references that pass their assertions: 3 of 5\n",
        "references that fail:\n  wrong\n      contains: the answer does not contain “Bergen”",
        "cases that accept any answer: 1\n  anything\n",
        "mutants not caught:\n  anything: 0 of ",
        "duplicate cases:\n  sound, again\n",
        "not audited (no reference): 1\n  without\n",
        "not audited (needs a model call): 1\n  call\n",
        "2 assertions were skipped: they need a model call",
        "audit: FAILED: 1 reference fails its own assertions\n",
        "), below the minimum of 0.95\n",
    ] {
        assert!(output.stdout.contains(expected), "no {expected:?} in {}", output.stdout);
    }
    assert_eq!(output.stderr, "");
    let verbose = run_audit(SET, &["-v"]).assert_exit_code(1);
    assert!(verbose.stdout.contains("      empty: (empty)\n"), "{}", verbose.stdout);
}

#[test]
fn table_fits_terminal_width() {
    for width in [80, 200] {
        let cli = CliHarness::new().with_file("set.yaml", SET).with_env("COLUMNS", &width.to_string());
        let output = cli.run(&["audit", "set.yaml"]).assert_exit_code(1);
        let widest = output.stdout.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} of {width}: {}", output.stdout);
    }
}

#[test]
fn json_reports_all_findings() {
    let report = run_audit(SET, &["--json"]).assert_exit_code(1).json();
    assert_eq!((&report["schema"], &report["exit_code"]), (&json!("slalom.audit/1"), &json!(1)));
    let set = &report["sets"][0];
    let references = json!({"passed": 3, "failed": 1, "missing": ["without"], "unscored": ["call"]});
    assert_eq!(set["references"], references);
    assert_eq!(set["codes"], json!(["failing_references", "min_caught"]));
    let fenced = &set["mutations"]["fenced"]["left_out"][0];
    assert_eq!(
        (&fenced["code"], &fenced["reason"]),
        (&json!("not_applicable"), &json!("no assertion that requires bare JSON"))
    );
    assert_eq!(set["duplicates"], json!([{"cases": ["sound", "again"], "same_reference": true}]));
    let case = |id: &str| set["cases"].as_array().unwrap().iter().find(|case| case["case"] == id).unwrap();
    assert_eq!(
        (&case("anything")["passes_anything"], &case("anything")["caught"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(case("sound")["tried"], case("sound")["caught"]);
    assert_eq!(case("wrong")["failed"][0]["name"], "contains");
    assert_eq!(case("anything")["assertions"][1]["reference_passed"], Value::Null);
    let tried: u64 =
        set["cases"].as_array().unwrap().iter().map(|case| case["tried"].as_u64().unwrap()).sum();
    assert_eq!(set["mutants"]["tried"], tried);
    assert_eq!(report, run_audit(SET, &["--json"]).json(), "the same seed gives the same findings");
    assert_ne!(report, run_audit(SET, &["--json", "--seed", "7"]).json());
}

#[test]
fn exit_code_cases() {
    let sound = ["--filter", "^(sound|anything)$"];
    let with = |more: &[&str]| run_audit(SET, &[&sound, more].concat());
    let share = with(&["--json"]).assert_exit_code(1).json()["sets"][0]["mutants"]["share"].as_f64().unwrap();
    with(&["--min-caught", &format!("{share}")]).assert_exit_code(0);
    with(&["--min-caught", &format!("{}", share + 0.001)]).assert_exit_code(1);
    run_audit(SET, &["--filter", "^sound$"]).assert_exit_code(0);
    // A failing reference is an error in the set, even with --min-caught 0.
    run_audit(SET, &["--filter", "wrong", "--min-caught", "0"]).assert_exit_code(1);
    // If no mutant can be graded, the audit fails.
    let output = run_audit(SET, &["--filter", "call", "--min-caught", "0"]).assert_exit_code(1);
    assert!(output.stdout.contains("no mutant could be graded without a model call"), "{}", output.stdout);
    run_audit(SET, &["--filter", "without"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["has a reference", "hint: "]);
    run_audit(SET, &["--filter", "nowhere"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["matches --filter `nowhere`\n"]);
    run_audit(SET, &["--min-caught", "95"]).assert_exit_code(2).assert_stderr_contains(&["between 0 and 1"]);
    run_audit(&SET.replace("equals]", "equal]"), &[])
        .assert_exit_code(2)
        .assert_stderr_contains(&["unknown assertion `equal`"]);
    for flags in [&["-m", "sim-openai/good"][..], &["--repeat", "2"], &["--dry-run"], &["-o", "x.json"]] {
        run_audit(SET, flags).assert_exit_code(2).assert_stderr_contains(&["unexpected argument", flags[0]]);
    }
}

/// The former flags of `eval` fail with the exact command that replaces them.
#[test]
fn former_eval_flags_name_the_audit_command() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", SET);
    for (flags, command) in [
        (&["--audit"][..], "slalom audit set.yaml"),
        (&["--audit", "-m", "sim-openai/good", "--repeat", "2"], "slalom audit set.yaml"),
        (&["--min-caught", "0.5"], "slalom audit set.yaml --min-caught 0.5"),
        (
            &["--audit", "--audit-seed", "7", "--json", "-v", "--tag", "city", "--filter", "^(sound|again)$"],
            "slalom audit set.yaml --filter '^(sound|again)$' --seed 7 --tag city --json --verbose",
        ),
        (
            &["--audit", "--sample", "2", "--sample-seed", "3"],
            "slalom audit set.yaml --sample 2 --sample-seed 3",
        ),
    ] {
        let output = cli.run(&[&["eval", "set.yaml"], flags].concat()).assert_exit_code(2);
        assert_eq!(output.stdout, "");
        assert_eq!(
            output.stderr,
            format!("error: `slalom audit SET` replaces `slalom eval SET --audit`\nhint: run `{command}`\n")
        );
    }
    assert_eq!(simulator.request_count(), 0);
}

#[test]
fn audit_sends_no_request() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml()).with_file("set.yaml", SET);
    cli.run(&["audit", "set.yaml"]).assert_exit_code(1);
    assert_eq!(simulator.request_count(), 0);
}

/// The shipped sets pass their audit, as documented.
#[test]
fn shipped_sets_pass_for_multiple_seeds() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/golden-sets/");
    let sets = ["support-triage.yaml", "handbook-answers.yaml"].map(|name| format!("{root}{name}"));
    for seed in ["1", "2", "3"] {
        let report = CliHarness::new()
            .run(&["audit", &sets[0], &sets[1], "--json", "--seed", seed])
            .assert_exit_code(0)
            .json();
        for set in report["sets"].as_array().unwrap() {
            let cases = set["set"]["cases"].as_u64().unwrap();
            assert_eq!(set["references"]["passed"], cases, "every reference passes its own assertions");
            assert!(set["mutants"]["share"].as_f64().unwrap() >= 0.95, "{:#}", set["mutants"]);
            assert!(set["mutants"]["tried"].as_u64().unwrap() >= 5 * cases, "{:#}", set["mutants"]);
            assert_eq!(set["duplicates"], json!([]));
        }
    }
}

#[test]
fn documented_example_matches_output() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/golden-sets.md")).unwrap();
    let section = text.split("\n## Auditing a set\n").nth(1).unwrap();
    let block = |fence: &str| section.split(fence).nth(1).unwrap().split("```").next().unwrap();
    let cli = CliHarness::new().with_file("tickets.yaml", block("```yaml\n")).with_env("COLUMNS", "100");
    let output = cli.run(&["audit", "tickets.yaml"]).assert_exit_code(1);
    assert_eq!(block("```text\n$ slalom audit tickets.yaml\n"), output.stdout);
}
