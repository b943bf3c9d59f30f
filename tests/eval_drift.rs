//! `eval --drift` and `--reweight`: comparison with earlier runs, and weights from scores.

use crate::harness::{CliHarness, CliOutput};

const ROUTES: &str = "version: 1
routes:
  prod: {candidates: [sim-openai/good]}
  shared:
    strategy: weighted
    candidates:
      - {model: sim-openai/good, weight: 60}
      - {model: sim-anthropic/terse, weight: 40}
";

/// Twenty cases; `terse` fails twelve of them.
fn harness_with_set(routes: &str) -> CliHarness {
    let cases: String = (0..20)
        .map(|n| {
            let wanted = if n < 12 { "river" } else { "City" };
            format!("  - {{id: c{n}, vars: {{n: {n}}}, reference: City {n}. It has a river., assert: [contains: {wanted}]}}\n")
        })
        .collect();
    let set = format!("version: 1\nname: cities\nprompt: City {{{{ n }}}}?\ncases:\n{cases}");
    CliHarness::new().with_file("routes.yaml", routes).with_file("set.yaml", &set)
}

fn run_drift(cli: &CliHarness, arguments: &[&str]) -> CliOutput {
    cli.run(&[&["eval", "set.yaml", "-m", "route:prod", "--drift"][..], arguments].concat())
}

/// The same route, served by a worse model.
fn degraded_routes_yaml() -> String {
    ROUTES.replace("prod: {candidates: [sim-openai/good]}", "prod: {candidates: [sim-anthropic/terse]}")
}

#[test]
fn worse_than_earlier_runs_exits_1() {
    let cli = harness_with_set(ROUTES);
    let first = run_drift(&cli, &[]).assert_exit_code(0);
    assert!(first.stderr.contains("no earlier run of set.yaml to compare with"), "{}", first.stderr);
    let second = run_drift(&cli, &[]).assert_exit_code(0);
    assert!(second.stdout.contains("compared with 1 earlier run"), "{}", second.stdout);

    let cli = cli.with_file("routes.yaml", &degraded_routes_yaml());
    let output = run_drift(&cli, &["--json"]).assert_exit_code(1);
    let comparison = output.json()["runs"][0]["comparison"][0].clone();
    assert_eq!((&comparison["verdict"], &comparison["baseline_runs"]), (&"worse".into(), &2.into()));
    assert_eq!((&comparison["difference"], &comparison["regressed"][0]), (&(-0.6).into(), &"c0".into()));
    // One bad run in the history does not hide the next regression.
    let table = run_drift(&cli, &[]).assert_exit_code(1).stdout;
    assert!(
        table.contains("gate: FAILED: route:prod has drifted: pass rate 0.400 vs. 0.800 in earlier runs"),
        "{table}"
    );
}

#[test]
fn failed_case_without_history_exits_1() {
    let output = run_drift(&harness_with_set(&degraded_routes_yaml()), &[]).assert_exit_code(1);
    assert!(output.stdout.contains("12 of 20 cases failed"), "{}", output.stdout);
    // An unusable ledger has no history.
    let cli = harness_with_set(ROUTES)
        .with_file("broken.db", "not a ledger, but long enough for its header to be read");
    run_drift(&cli, &["--ledger", "broken.db"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["cannot use --drift:"]);
}

#[test]
fn changed_cases_are_not_compared() {
    let cli = harness_with_set(ROUTES);
    run_drift(&cli, &[]).assert_exit_code(0);
    let set = std::fs::read_to_string(cli.path("set.yaml")).unwrap();
    let cli = cli.with_file("set.yaml", &set.replace("City {{ n }}?", "Which city is {{ n }}?"));
    let output = run_drift(&cli, &[]).assert_exit_code(0);
    assert!(output.stderr.contains("no earlier run"), "{}", output.stderr);
}

#[test]
#[cfg(unix)]
fn on_drift_command_runs_after_regression() {
    let command = ["--on-drift", "touch 'drifted {{ subject }} {{ usual }} {{ now }}'"];
    let cli = harness_with_set(ROUTES);
    run_drift(&cli, &command).assert_exit_code(0);
    run_drift(&cli, &command).assert_exit_code(0);
    let cli = cli.with_file("routes.yaml", &degraded_routes_yaml());
    run_drift(&cli, &command).assert_exit_code(1);
    assert!(cli.path("drifted route:prod 1.000 0.400").exists());
    // The command's result does not change the exit code.
    let output = run_drift(&cli, &["--on-drift", "false"]).assert_exit_code(1);
    assert!(output.stderr.contains("--on-drift command failed: `false` failed"), "{}", output.stderr);
    let output = run_drift(&cli, &["--on-drift", "no-such-program-here"]).assert_exit_code(1);
    assert!(output.stderr.contains("cannot start `"), "{}", output.stderr);
}

#[test]
fn reweight_sets_weights_from_scores() {
    let cli = harness_with_set(ROUTES);
    let eval = ["eval", "set.yaml", "-m", "route:shared", "--each-candidate", "--reweight", "shared"];
    let output = cli.run(&eval).assert_exit_code(1);
    assert!(
        output.stderr.contains("weight of sim-anthropic/terse is now 16.0 (configured: 40)"),
        "{}",
        output.stderr
    );
    let weights = |cli: &CliHarness| {
        let json = cli.run(&["route", "shared", "--json"]).assert_exit_code(0).json();
        let candidates = json["routes"][0]["candidates"].clone();
        [0, 1].map(|n| {
            (candidates[n]["weight"].as_f64().unwrap(), candidates[n]["weight_now"].as_f64().unwrap())
        })
    };
    assert_eq!(weights(&cli), [(60.0, 60.0), (40.0, 16.0)]);
    let table = cli.run(&["route", "shared"]).assert_exit_code(0).stdout;
    assert!(table.contains("weight 16.0 of 40 (from eval scores)"), "{table}");
    let output = cli.run(&["route", "shared", "--reset"]).assert_exit_code(0);
    assert!(
        output.stderr.contains("reset 2 weights of `shared` to the configured value"),
        "{}",
        output.stderr
    );
    assert_eq!(weights(&cli), [(60.0, 60.0), (40.0, 40.0)]);
}

#[test]
fn invalid_usage_exits_2() {
    let cli = harness_with_set(ROUTES);
    let good = ["-m", "sim-openai/good"];
    let cases: [(&[&str], &str); 12] = [
        (&["--on-drift", "true"], "--drift"),
        (&["--drift", "--on-drift", "notify '"], "invalid --on-drift: cannot split the command line"),
        (&["--drift", "--on-drift", ""], "invalid --on-drift: missing program"),
        (
            &["--drift", "--on-drift", "notify '{{ model }}'"],
            "invalid --on-drift: undefined template variable `model`",
        ),
        (&["--drift", "--baseline", "sim-openai/good"], "--baseline"),
        (&["--drift", "--cache"], "--cache"),
        (
            &["--drift", "--max-drop", "0"],
            "cannot combine --max-drop with --drift: --max-drop applies only to --baseline",
        ),
        (&["--drift", "--on-drift", "echo {{ subject }}"], "`: put quotes around `{{ … }}`"),
        (
            &["--reweight", "shared", "-m", "sim-anthropic/terse", "--sample", "3"],
            "--reweight needs a complete set with a single prompt",
        ),
        (&["--metric", "score"], "--metric has no effect without a comparison"),
        (&["--reweight", "prod"], "` is not weighted"),
        (&["--reweight", "shared"], "but this run has 1"),
    ];
    for (arguments, expected) in cases {
        let output = cli.run(&[&["eval", "set.yaml"], &good[..], arguments].concat()).assert_exit_code(2);
        assert!(output.stderr.contains(expected), "no {expected:?} in {}", output.stderr);
    }
}
