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

fn run_drift(tool: &CliHarness, words: &[&str]) -> CliOutput {
    tool.run(&[&["eval", "set.yaml", "-m", "route:prod", "--drift"][..], words].concat())
}

/// The same route, served by a worse model.
fn degraded_routes_yaml() -> String {
    ROUTES.replace("prod: {candidates: [sim-openai/good]}", "prod: {candidates: [sim-anthropic/terse]}")
}

#[test]
fn worse_than_earlier_runs_exits_1() {
    let tool = harness_with_set(ROUTES);
    let first = run_drift(&tool, &[]).assert_exit_code(0);
    assert!(first.stderr.contains("no earlier run of set.yaml to compare with"), "{}", first.stderr);
    let second = run_drift(&tool, &[]).assert_exit_code(0);
    assert!(second.stdout.contains("compared with 1 earlier run"), "{}", second.stdout);

    let tool = tool.with_file("routes.yaml", &degraded_routes_yaml());
    let ran = run_drift(&tool, &["--json"]).assert_exit_code(1);
    let found = ran.json()["runs"][0]["comparison"][0].clone();
    assert_eq!((&found["verdict"], &found["baseline_runs"]), (&"worse".into(), &2.into()));
    assert_eq!((&found["difference"], &found["regressed"][0]), (&(-0.6).into(), &"c0".into()));
    // One bad run in the history does not hide the next regression.
    let table = run_drift(&tool, &[]).assert_exit_code(1).stdout;
    assert!(
        table.contains("gate: FAILED: route:prod has drifted: pass rate 0.400 vs. 0.800 in earlier runs"),
        "{table}"
    );
}

#[test]
fn failed_case_without_history_exits_1() {
    let ran = run_drift(&harness_with_set(&degraded_routes_yaml()), &[]).assert_exit_code(1);
    assert!(ran.stdout.contains("12 of 20 cases failed"), "{}", ran.stdout);
    // An unusable ledger has no history.
    let tool =
        harness_with_set(ROUTES).with_file("broken.db", "no ledger of ours, and long enough to be looked at");
    run_drift(&tool, &["--ledger", "broken.db"])
        .assert_exit_code(2)
        .assert_stderr_contains(&["cannot use --drift:"]);
}

#[test]
fn changed_cases_are_not_compared() {
    let tool = harness_with_set(ROUTES);
    run_drift(&tool, &[]).assert_exit_code(0);
    let set = std::fs::read_to_string(tool.path("set.yaml")).unwrap();
    let tool = tool.with_file("set.yaml", &set.replace("City {{ n }}?", "Which city is {{ n }}?"));
    let ran = run_drift(&tool, &[]).assert_exit_code(0);
    assert!(ran.stderr.contains("no earlier run"), "{}", ran.stderr);
}

#[test]
#[cfg(unix)]
fn on_drift_command_runs_after_regression() {
    let command = ["--on-drift", "touch 'fell {{ subject }} {{ usual }} {{ now }}'"];
    let tool = harness_with_set(ROUTES);
    run_drift(&tool, &command).assert_exit_code(0);
    run_drift(&tool, &command).assert_exit_code(0);
    let tool = tool.with_file("routes.yaml", &degraded_routes_yaml());
    run_drift(&tool, &command).assert_exit_code(1);
    assert!(tool.path("fell route:prod 1.000 0.400").exists());
    // The command's result does not change the exit code.
    let ran = run_drift(&tool, &["--on-drift", "false"]).assert_exit_code(1);
    assert!(ran.stderr.contains("--on-drift command failed: `false` failed"), "{}", ran.stderr);
    let ran = run_drift(&tool, &["--on-drift", "no-such-program-here"]).assert_exit_code(1);
    assert!(ran.stderr.contains("cannot start `"), "{}", ran.stderr);
}

#[test]
fn reweight_sets_weights_from_scores() {
    let tool = harness_with_set(ROUTES);
    let eval = ["eval", "set.yaml", "-m", "route:shared", "--each-candidate", "--reweight", "shared"];
    let ran = tool.run(&eval).assert_exit_code(1);
    assert!(
        ran.stderr.contains("weight of sim-anthropic/terse is now 16.0 (configured: 40)"),
        "{}",
        ran.stderr
    );
    let weights = |tool: &CliHarness| {
        let json = tool.run(&["route", "shared", "--json"]).assert_exit_code(0).json();
        let candidates = json["routes"][0]["candidates"].clone();
        [0, 1].map(|n| {
            (candidates[n]["weight"].as_f64().unwrap(), candidates[n]["weight_now"].as_f64().unwrap())
        })
    };
    assert_eq!(weights(&tool), [(60.0, 60.0), (40.0, 16.0)]);
    let table = tool.run(&["route", "shared"]).assert_exit_code(0).stdout;
    assert!(table.contains("weight 16.0 of 40 (from eval scores)"), "{table}");
    let ran = tool.run(&["route", "shared", "--reset"]).assert_exit_code(0);
    assert!(ran.stderr.contains("reset 2 weights of `shared` to the configured value"), "{}", ran.stderr);
    assert_eq!(weights(&tool), [(60.0, 60.0), (40.0, 40.0)]);
}

#[test]
fn invalid_usage_exits_2() {
    let tool = harness_with_set(ROUTES);
    let good = ["-m", "sim-openai/good"];
    let mistakes: [(&[&str], &str); 12] = [
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
    for (words, why) in mistakes {
        let ran = tool.run(&[&["eval", "set.yaml"], &good[..], words].concat()).assert_exit_code(2);
        assert!(ran.stderr.contains(why), "no {why:?} in {}", ran.stderr);
    }
}
