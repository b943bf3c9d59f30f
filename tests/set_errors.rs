//! Error messages and hints for mistakes in golden sets and in `slalom eval` arguments.

use crate::harness::{CliHarness, CliOutput};

fn set_yaml(prompt: &str) -> String {
    format!(
        "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: '{prompt}'\nassert: [contains: Paris]\ncases_from: [cases.csv]\n"
    )
}

fn dry_run_with_cases(cases: &str) -> CliOutput {
    let cli =
        CliHarness::new().with_file("set.yaml", &set_yaml("Where is {{ q }}?")).with_file("cases.csv", cases);
    cli.run(&["eval", "set.yaml", "--dry-run"])
}

/// The same error in many cases is shown three times, then counted.
#[test]
fn repeated_errors_are_summarized() {
    let cases: String = (0..40).map(|n| format!("c{},a\n", n % 20)).collect();
    let output = dry_run_with_cases(&format!("id,place\n{cases}")).assert_exit_code(2);
    let count = |text: &str| output.stderr.matches(text).count();
    assert_eq!(
        (count("undefined template variable `q`"), count("duplicate case ID `")),
        (3, 3),
        "{}",
        output.stderr
    );
    assert_eq!((count("and 37 more like it"), count("and 17 more like it")), (1, 1), "{}", output.stderr);
    // Three errors of one kind are all shown; a different variable is a different error.
    let output = dry_run_with_cases("id,place\na,a\nb,b\nc,c\n").assert_exit_code(2);
    assert!(!output.stderr.contains("more like it"), "{}", output.stderr);
}

#[test]
fn invalid_template_error_omits_vars_hint() {
    let cli = CliHarness::new()
        .with_file("set.yaml", &set_yaml("{{ q | shout }}"))
        .with_file("cases.csv", "q\na\n");
    let output = cli.run(&["eval", "set.yaml", "--dry-run"]).assert_exit_code(2).assert_stderr_contains(&[
        "invalid template:",
        "hint: use only Jinja's built-in filters, tests, and functions",
    ]);
    assert!(!output.stderr.contains("vars:"), "{}", output.stderr);
}

#[test]
fn csv_separator_error_suggests_commas() {
    let hint = ": a .csv file must use commas";
    dry_run_with_cases("id;q;reference\na;b;c\n").assert_exit_code(2).assert_stderr_contains(&[
        "cases.csv, line 1",
        "separated by semicolons",
        hint,
    ]);
    dry_run_with_cases("id\tq\na\tb\n").assert_exit_code(2).assert_stderr_contains(&["separated by tabs"]);
    // A single column is valid, and a semicolon in a row is not an error.
    dry_run_with_cases("q\na;b\n").assert_exit_code(0);
}

/// Without this check, a misspelled column would silently become a variable.
#[test]
fn misspelled_column_error_suggests_name() {
    for (wrong, meant) in [
        ("refrence", "reference"),
        ("Referance", "reference"),
        ("references", "reference"),
        ("tag", "tags"),
        ("tgas", "tags"),
        ("clusters", "cluster"),
        ("assrt:contains", "assert:NAME"),
    ] {
        let expected = format!("did you mean `{meant}`?");
        dry_run_with_cases(&format!("q,{wrong}\na,b\n"))
            .assert_exit_code(2)
            .assert_stderr_contains(&["cases.csv, line 1", &expected]);
    }
    for valid in ["preference", "tabs", "closer", "ids", "customer", "inference", "referee", "stage"] {
        dry_run_with_cases(&format!("q,{valid}\na,b\n")).assert_exit_code(0);
    }
}

#[test]
fn audit_counts_use_singular() {
    let cases = "q,reference\na,It is Paris.\n";
    let cli =
        CliHarness::new().with_file("set.yaml", &set_yaml("Where is {{ q }}?")).with_file("cases.csv", cases);
    let text = cli.run(&["audit", "set.yaml"]).stdout;
    let [one, two] =
        ["references that pass their assertions: 1 of 1\n", "cases that catch every mutant: 1 of 1\n"];
    assert!(text.contains(one) && text.contains(two), "{text}");
}

#[cfg(unix)]
#[test]
fn counts_of_one_use_singular() {
    let text = "version: 1\nname: s\nmodels: [sim-openai/good]\nprompt: Which?\nmin_pass: 2\nassert:\n  - word-count: {min: 2}\n  - length: {max: 0}\n  - exec: [./check.sh]\ncases: [{id: a, reference: a}]\n";
    let cli = CliHarness::new()
        .with_file("set.yaml", text)
        .with_executable("check.sh", "#!/bin/sh\necho '{\"score\": 1}'\n");
    let eval = |more: &[&str]| cli.run(&[&["eval", "set.yaml", "--allow-exec"], more].concat());
    eval(&[])
        .assert_exit_code(2)
        .assert_stderr_contains(&["set.yaml: invalid `min_pass: 2`: each case runs once"]);
    let plan = eval(&["--min-pass", "1", "--dry-run"]).assert_exit_code(0).stdout;
    for expected in ["s: 1 case × sim-openai/good = 1 call\n", "programs run once\n"] {
        assert!(plan.contains(expected), "no {expected:?} in {plan}");
    }
    let table = eval(&["--min-pass", "1", "-v"]).assert_exit_code(1).stdout;
    for expected in ["word-count: 1 word\n", "length: 1 character\n", "the only case failed"] {
        assert!(table.contains(expected), "no {expected:?} in {table}");
    }
    let down = eval(&["--min-pass", "1", "-m", "sim-openai/down"]).assert_exit_code(3);
    down.assert_stderr_contains(&["1 result missing; to complete the run: slalom"]);
    eval(&["--filter", "z"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["no case of set.yaml matches --filter `z`", "` (no case has tags)"]);
}

#[test]
fn invalid_gate_value_error_suggests_format() {
    let text = set_yaml("Where is {{ q }}?");
    let cli = CliHarness::new().with_file("set.yaml", &text).with_file("cases.csv", "q\na\n");
    for (flag, value, expected) in [
        ("--max-unscored", "0.5", "write `50%` for a share of the cases"),
        ("--max-unscored", "0.005", "write `0.5%` for a share of the cases"),
        ("--max-unscored", "-1", "`: expected a count or a percentage from 0% to 100%"),
        ("--min-pass-rate", "90%", "write 0.9 for 90%"),
        ("--min-pass-rate", "90", "use 0.9 for 90%"),
        ("--min-pass-rate", "90", "invalid --min-pass-rate `90`: must be between 0 and 1"),
        ("--min-score", "99.9 %", "write 0.999 for 99.9%"),
        ("--margin", "much", "a number from 0 to 1"),
        ("--max-cost-usd", "$5", "write 5 for $5"),
        ("--max-p50-ms", "2s", "write 2000 for 2 s"),
        ("--max-p95-ms", "250 ms", "write 250 for 250 ms"),
        ("--max-p50-ms", "long", "such as 2000 for 2 s"),
    ] {
        cli.run(&["eval", "set.yaml", "--dry-run", flag, value])
            .assert_exit_code(2)
            .assert_stderr_contains(&[flag, expected]);
    }
    cli.run(&["eval", "set.yaml", "--dry-run", "--baseline", "sim-openai/good", "--max-drop", "2"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["--max-drop", "use 0.05 for 5 percentage points"]);
    cli.run(&["audit", "set.yaml", "--min-caught", "95%"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["write 0.95 for 95%"]);
    for (gate, expected) in [
        ("max_unscored: 0.5", "write `50%` for a share of the cases"),
        ("max_unscored: most", "`: expected a count or a percentage from 0% to 100%"),
        ("min_pass_rate: 90%", "hint: write 0.9 for 90%"),
    ] {
        let text = text.replace("name: s", &format!("name: s\ngate: {{{gate}}}"));
        let cli = CliHarness::new().with_file("set.yaml", &text).with_file("cases.csv", "q\na\n");
        cli.run(&["eval", "set.yaml", "--dry-run"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["set.yaml:3:", expected]);
    }
}

#[test]
fn invalid_file_argument_error_suggests_format() {
    let cli = CliHarness::new()
        .with_file("set.yaml", &set_yaml("Where is {{ q }}?"))
        .with_file("cases.csv", "q\na\n");
    let eval =
        |more: &[&str]| cli.run(&[&["eval", "set.yaml", "--dry-run"], more].concat()).assert_exit_code(2);
    for file in ["cases.csv", "./cases.csv", "../report", "/tmp/report.xml"] {
        eval(&["--baseline", file]).assert_stderr_contains(&[
            &format!("invalid --baseline `{file}`"),
            ".json",
            "--save-baseline",
        ]);
    }
    eval(&["--baseline", "nowhere"]).assert_stderr_contains(&[
        "invalid --baseline `nowhere`: expected a .json file, a run ID, a model, or a route",
        "hint: use provider/model, route:NAME, a run ID, or a file from --save-baseline",
    ]);
    // A model name may contain a dot, so it is not taken for a file.
    eval(&["--baseline", "nobody/x-4.1"]).assert_stderr_contains(&["--baseline: unknown provider `nobody`"]);
    eval(&["-o", "-"])
        .assert_stderr_contains(&["`-o -`", "use --json for JSON on stdout, or a file name that ends in"]);
}

/// A judge call over the cost limit is reported as `cancelled`, not as a judge failure.
#[test]
fn judge_over_max_cost_exits_4() {
    let text = "version: 1\nname: s\nmodels: [sim-openai/good]\njudge: sim-anthropic/judge\nrequest: {max_tokens: 40}\nprompt: Which?\ncases: [{id: a, reference: a, assert: [ASSERT]}]\n";
    for (assertion, cost, expected) in [
        ("llm-rubric: Is kind", "0.0005", "llm-rubric: sim-anthropic/judge was not called: cost limit: $0."),
        (
            "llm-rubric: {value: Is kind, votes: 3}",
            "0.0005",
            "llm-rubric: 3 of 3 votes are missing: sim-anthropic/judge was not called: cost limit: $0.",
        ),
    ] {
        let cli =
            CliHarness::new().with_file("set.yaml", &text.replace("ASSERT", &format!("{{{assertion}}}")));
        let output =
            cli.run(&["eval", "set.yaml", "--max-cost", cost, "-o", "report.json"]).assert_exit_code(4);
        assert!(output.stdout.contains(&format!("    cancelled: {expected}")), "{}", output.stdout);
        let report = std::fs::read_to_string(cli.path("report.json")).unwrap();
        assert!(report.contains(expected) && report.contains("\"cancelled\""), "{report}");
        output.assert_stderr_contains(&["1 of 1 case was not completed: cost limit: $0."]);
    }
}

#[test]
fn timeout_exits_4() {
    let text = "version: 1\nname: s\nmodels: [sim-openai/stall]\nprompt: Which?\nassert: [{latency: {max_ms: 100}}]\ncases: [{id: a}]\n";
    let cli = CliHarness::new().with_file("set.yaml", text);
    let output = cli.run(&["eval", "set.yaml", "--timeout", "73ms"]).assert_exit_code(4);
    let expected = "    timeout: --timeout expired before the answer was complete\n";
    assert!(output.stdout.contains(expected), "{}", output.stdout);
}

/// Misspelled simulated models and judges are found before the first call, also by --dry-run.
#[test]
fn unknown_simulated_model_exits_2() {
    let text = "version: 1\nname: s\nmodels: [sim-openai/good]\njudge: sim-anthropic/juge\nprompt: Which?\ncases: [{id: a, reference: a, assert: [llm-rubric: Is kind]}]\n";
    let cli = CliHarness::new().with_file("set.yaml", text);
    for more in [&[][..], &["--dry-run"]] {
        let eval = |own: &[&str]| cli.run(&[&["eval", "set.yaml"], own, more].concat());
        eval(&[]).assert_exit_code(2).assert_stderr_contains(&[
            "unknown simulator model `juge`",
            "did you mean `sim-anthropic/judge`?",
        ]);
        eval(&["-m", "sim-openai/goood"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["unknown simulator model `goood`", "did you mean `sim-openai/good`?"]);
        eval(&["-m", "sim-openai/xyz"])
            .assert_exit_code(2)
            .assert_stderr_contains(&["hint: use one of good, sloppy"]);
    }
    // For embeddings, any simulated model name is valid.
    let embeddings = text
        .replace("judge: sim-anthropic/juge", "embedding: sim-openai/any")
        .replace("llm-rubric: Is kind", "similar");
    CliHarness::new()
        .with_file("set.yaml", &embeddings)
        .run(&["eval", "set.yaml", "--dry-run", "-m", "sim-openai/flaky-7"])
        .assert_exit_code(0);
}
