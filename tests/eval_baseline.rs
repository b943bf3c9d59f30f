//! `eval --baseline`: comparison verdicts, gate results, and saved baselines.

use serde_json::Value;

use crate::harness::{CliHarness, CliOutput, CountingSimulator};

/// Thirty cases. `terse` leaves out the second sentence, so it fails the first `hard` cases.
fn build_set(hard: usize, gate: &str) -> String {
    let cases: String = (0..30)
        .map(|n| {
            let wanted = if n < hard { "river" } else { "City" };
            format!(
                "  - {{id: c{n}, vars: {{n: {n}}}, reference: City {n}. It has a river., assert: [contains: {wanted}]}}\n"
            )
        })
        .collect();
    format!("version: 1\nname: cities\nprompt: City {{{{ n }}}}?\n{gate}cases:\n{cases}")
}

fn harness_with_set(hard: usize, gate: &str) -> CliHarness {
    CliHarness::new().with_file("set.yaml", &build_set(hard, gate))
}

fn run_eval(cli: &CliHarness, arguments: &[&str]) -> CliOutput {
    cli.run(&[&["eval", "set.yaml"][..], arguments].concat())
}

const TERSE_VS_GOOD_ARGS: [&str; 4] = ["-m", "sim-anthropic/terse", "--baseline", "sim-openai/good"];

fn first_comparison(output: &CliOutput) -> Value {
    output.json()["runs"][0]["comparison"][0].clone()
}

#[test]
fn worse_model_exits_1_better_exits_0() {
    let cli = harness_with_set(12, "");
    let output = run_eval(&cli, &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(1);
    let comparison = first_comparison(&output);
    assert_eq!((&comparison["verdict"], &comparison["pairs"]), (&"worse".into(), &30.into()));
    assert_eq!(comparison["difference"], -0.4);
    assert_eq!(comparison["regressed"].as_array().unwrap().len(), 12);
    assert_eq!(comparison["confidence"], 0.95);
    assert!(comparison["p_value"].as_f64().unwrap() < 0.001);
    let table = run_eval(&cli, &TERSE_VS_GOOD_ARGS).assert_exit_code(1).stdout;
    for expected in ["WORSE", "-0.400", "worse on c0, c1, c2, c3, c4 and 7 more", "gate: FAILED", "30"] {
        assert!(table.contains(expected), "no {expected:?} in {table}");
    }
    // Swapped, the gate passes: --min-pass-rate applies to the challenger, not to the baseline.
    let swapped = ["-m", "sim-openai/good", "--baseline", "sim-anthropic/terse", "--min-pass-rate", "0.9"];
    let table = run_eval(&cli, &swapped).assert_exit_code(0).stdout;
    assert!(table.contains("better") && table.contains("gate: passed"), "{table}");
}

#[test]
fn unclear_comparison_exit_code_cases() {
    let cli = harness_with_set(2, "");
    let output = run_eval(&cli, &TERSE_VS_GOOD_ARGS).assert_exit_code(0);
    for expected in [
        "unclear",
        "a drop of up to 0.2",
        "no significant difference, and a drop of up to",
        "no significant difference (add cases, or raise --repeat)\n",
    ] {
        assert!(output.stdout.contains(expected), "no {expected:?} in {}", output.stdout);
    }
    // Without --strict, the observed drop must not exceed --max-drop; with it, the whole interval must not.
    let output =
        run_eval(&cli, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.05"]].concat()).assert_exit_code(1);
    assert!(output.stdout.contains("0.067 below sim-openai/good's 1.000"), "{}", output.stdout);
    assert!(
        output.stdout.contains("on a set like this one, an equally good model would exceed `max_drop` in"),
        "{}",
        output.stdout
    );
    run_eval(&cli, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.07"]].concat()).assert_exit_code(0);
    let strict = run_eval(&cli, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.07", "--strict"]].concat())
        .assert_exit_code(1);
    assert!(strict.stdout.contains("cannot be ruled out"), "{}", strict.stdout);
    run_eval(&cli, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.4", "--strict"]].concat())
        .assert_exit_code(0);
}

#[test]
fn same_subject_never_regresses() {
    for hard in [0, 12, 30] {
        let cli = harness_with_set(hard, "");
        let same = ["-m", "sim-anthropic/terse", "--baseline", "sim-anthropic/terse"];
        let output = run_eval(&cli, &same).assert_exit_code(0);
        assert!(output.stdout.contains("both sides contain the same answers"), "{}", output.stdout);
        run_eval(&cli, &[&same[..], &["--strict", "--max-drop", "0.01"]].concat()).assert_exit_code(0);
        // Minimums still apply to it, as to any challenger.
        let code = if hard == 0 { 0 } else { 1 };
        run_eval(&cli, &[&same[..], &["--min-pass-rate", "0.9"]].concat()).assert_exit_code(code);
    }
}

#[test]
fn saved_file_is_used_as_baseline() {
    let cli = harness_with_set(12, "");
    let saved = ["-m", "sim-openai/good", "--save-baseline", "good.json"];
    assert!(run_eval(&cli, &saved).assert_exit_code(0).stderr.contains("wrote good.json"));
    let text = std::fs::read_to_string(cli.path("good.json")).unwrap();
    assert!(!text.contains("river"), "the baseline file contains answers: {text}");
    let file: Value = serde_json::from_str(&text).unwrap();
    let subject = &file["subjects"][0];
    assert_eq!((&subject["subject"], &subject["passed"]), (&"sim-openai/good".into(), &30.into()));
    assert_eq!(subject["simulated"], true);
    assert_eq!(subject["served_by"]["sim-openai/good"], 30);

    let against = ["-m", "sim-anthropic/terse", "--baseline", "good.json", "--json"];
    let comparison = first_comparison(&run_eval(&cli, &against).assert_exit_code(1));
    assert_eq!(
        (&comparison["verdict"], &comparison["baseline_file"]),
        (&"worse".into(), &"good.json".into())
    );
    assert_eq!(comparison["baseline"], "sim-openai/good");
    // A run that fails the gate does not replace the baseline.
    let both = [&against[..4], &["--save-baseline", "good.json"]].concat();
    let output = run_eval(&cli, &both).assert_exit_code(1);
    assert!(output.stderr.contains("good.json was not written: the gate"), "{}", output.stderr);
    assert_eq!(std::fs::read_to_string(cli.path("good.json")).unwrap(), text);

    // Cases are paired by content: a changed case is unpaired, and a renamed one is the same case.
    let changed = build_set(12, "").replace("City 3. It", "Town 3. It").replace("id: c4,", "id: c4-renamed,");
    let cli = cli.with_file("set.yaml", &changed);
    let output = run_eval(&cli, &against).assert_exit_code(1);
    let comparison = first_comparison(&output);
    assert_eq!(
        (&comparison["pairs"], &comparison["unpaired"], &comparison["gone"]),
        (&29.into(), &serde_json::json!(["c3"]), &serde_json::json!(["c3"]))
    );
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let cli = harness_with_set(12, "").with_file("routes.yaml", &simulator.routes_yaml());
    run_eval(&cli, &["-m", "sim-openai/good", "--save-baseline", "good.json"]).assert_exit_code(1);
    let before = simulator.request_count();
    let cli = cli
        .with_file("set.yaml", &build_set(12, "").replace("prompt: City", "prompt: Which city"))
        .with_file("none.json", "{\"schema\": \"slalom.eval/1\", \"runs\": []}")
        .with_file("broken.json", "{");
    let cases: [(&[&str], &str); 11] = [
        (&["--baseline", "good.json"], "none of the 30 cases is in the baseline"),
        (&["--baseline", "none.json"], "not a baseline file: unknown schema slalom.eval/1"),
        (&["--baseline", "broken.json"], "not a baseline file: EOF"),
        (&["--baseline", "absent.json"], "cannot read the file: "),
        (&["--baseline", "good.json:sim-openai/terse"], "unknown subject `sim-openai/terse`"),
        (&["--baseline", "01KAK3QH8M0000000000000000"], "unknown run `01KAK3QH8M0000000000000000`"),
        (&["--baseline", "sim-openai"], "sim-openai"),
        (&["--baseline", "sim-openai/terse", "--strict"], "`strict` with a baseline requires `max_drop`"),
        (&["--strict"], "--strict has no effect without a minimum or a baseline"),
        (&["--max-p95-ms", "500"], "needs at least 200 answers, but this run has 30"),
        (&["--save-baseline", "baseline.yaml"], "invalid baseline file name `"),
    ];
    for (arguments, expected) in cases {
        let output = run_eval(&cli, &[&["-m", "sim-openai/good"], arguments].concat()).assert_exit_code(2);
        assert!(output.stderr.contains(expected), "no {expected:?} in {}", output.stderr);
    }
    assert_eq!(simulator.request_count(), before);
}

#[test]
fn run_id_selects_earlier_run() {
    let cli = harness_with_set(12, "");
    let id = |output: &CliOutput| output.json()["runs"][0]["run"].as_str().unwrap().to_owned();
    let good = id(&run_eval(&cli, &["-m", "sim-openai/good", "--json"]).assert_exit_code(0));
    let comparison = first_comparison(
        &run_eval(&cli, &["-m", "sim-anthropic/terse", "--baseline", &good, "--json"]).assert_exit_code(1),
    );
    assert_eq!((&comparison["verdict"], &comparison["baseline_run"]), (&"worse".into(), &Value::from(good)));

    let two = id(&run_eval(&cli, &["-m", "sim-openai/good,sim-gemini/good", "--json"]).assert_exit_code(0));
    let output = run_eval(&cli, &["-m", "sim-anthropic/terse", "--baseline", &two]).assert_exit_code(2);
    assert!(output.stderr.contains("sim-openai/good, sim-gemini/good"), "{}", output.stderr);
    let named = format!("{two}:sim-gemini/good");
    run_eval(&cli, &["-m", "sim-anthropic/terse", "--baseline", &named]).assert_exit_code(1);
}

#[test]
fn outage_exits_3() {
    let cli = harness_with_set(0, "");
    let down = ["-m", "sim-openai/overloaded", "--baseline", "sim-openai/good"];
    let output = run_eval(&cli, &down).assert_exit_code(3);
    assert!(!output.stdout.contains("worse than"), "{}", output.stdout);
    assert!(output.stdout.contains("none of 30 cases"), "{}", output.stdout);
    // The printed command resumes the run and then compares it.
    let resume_arguments = ["--resume ", " -m sim-openai/overloaded --baseline sim-openai/good"];
    assert!(resume_arguments.iter().all(|text| output.stderr.contains(text)), "{}", output.stderr);
    // The gate does not pass if the baseline has no results.
    run_eval(&cli, &["-m", "sim-openai/good", "--baseline", "sim-openai/overloaded"]).assert_exit_code(3);
}

#[test]
fn multiple_challengers_raise_confidence_level() {
    let cli = harness_with_set(5, "gate: {metric: score}\n");
    let arguments = ["-m", "sim-anthropic/terse,sim-gemini/good", "--baseline", "sim-openai/good", "--json"];
    let json = run_eval(&cli, &arguments).json();
    let comparisons = json["runs"][0]["comparison"].as_array().unwrap();
    let confidence = |n: usize| comparisons[n]["confidence"].as_f64().unwrap();
    assert!((confidence(0) - 0.975).abs() < 1e-12 && comparisons.len() == 2, "{comparisons:?}");
    assert_eq!(
        (&comparisons[0]["metric"], &comparisons[0]["method"]),
        (&"score".into(), &"bootstrap".into())
    );
}

#[test]
fn clustered_cases_reduce_confidence() {
    let clustered = |clusters: usize| {
        let mut text = build_set(12, "");
        for n in 0..30 {
            let cluster = format!("{{id: c{n}, cluster: k{}, ", n % clusters);
            text = text.replace(&format!("{{id: c{n}, "), &cluster);
        }
        CliHarness::new().with_file("set.yaml", &text)
    };
    let comparison = first_comparison(
        &run_eval(&clustered(15), &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(1),
    );
    assert_eq!((&comparison["verdict"], &comparison["clusters"]), (&"worse".into(), &15.into()));
    let output =
        run_eval(&clustered(5), &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(0);
    assert_eq!(first_comparison(&output)["doubt"], "few_clusters");
    // Clusters also widen the interval of a single subject.
    let width = |cli: &CliHarness| {
        let json = run_eval(cli, &["-m", "sim-anthropic/terse", "--json"]).json();
        let ends = json["runs"][0]["subjects"][0]["interval"].clone();
        ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
    };
    assert!(width(&clustered(3)) > width(&harness_with_set(12, "")));
}

#[test]
fn cost_and_latency_limit_cases() {
    let cli = harness_with_set(0, "");
    let output = run_eval(&cli, &["-m", "sim-openai/good", "--max-cost-usd", "0.000001"]).assert_exit_code(1);
    assert!(output.stdout.contains("cost $"), "{}", output.stdout);
    run_eval(&cli, &["-m", "sim-openai/good", "--max-cost-usd", "1", "--max-p50-ms", "60000"])
        .assert_exit_code(0);
    let output = run_eval(&cli, &["-m", "sim-openai/good", "--max-p50-ms", "0"]).assert_exit_code(1);
    assert!(output.stdout.contains("p50"), "{}", output.stdout);
    // Seven repeats of thirty cases are enough answers for a p95.
    run_eval(&cli, &["-m", "sim-openai/good", "--repeat", "7", "--max-p95-ms", "60000"]).assert_exit_code(0);
    let cli = harness_with_set(0, "gate: {max_p95_ms: 500}\n");
    assert!(run_eval(&cli, &["-m", "sim-openai/good"]).assert_exit_code(2).stderr.contains("set.yaml:4"));
    // With --strict, the lower end of the interval must reach the minimum.
    let cli = harness_with_set(0, "gate: {min_pass_rate: 0.9}\n");
    run_eval(&cli, &["-m", "sim-openai/good"]).assert_exit_code(0);
    let output = run_eval(&cli, &["-m", "sim-openai/good", "--strict"]).assert_exit_code(1);
    assert!(output.stdout.contains("may be as low as 0.886"), "{}", output.stdout);
}

#[test]
fn too_few_repeats_exits_2() {
    let cli = harness_with_set(12, "");
    run_eval(&cli, &["-m", "sim-openai/good", "--save-baseline", "once.json"]).assert_exit_code(0);
    let thrice = ["-m", "sim-anthropic/terse", "--repeat", "3", "--min-pass", "2"];
    let output = run_eval(&cli, &[&thrice[..], &["--baseline", "once.json"]].concat()).assert_exit_code(2);
    assert!(
        output.stderr.contains("the baseline has 1 for case `c0`, but this run has 3"),
        "{}",
        output.stderr
    );
    let good = [&["-m", "sim-openai/good"], &thrice[2..], &["--save-baseline", "thrice.json"]].concat();
    run_eval(&cli, &good).assert_exit_code(0);
    run_eval(&cli, &[&thrice[..], &["--baseline", "thrice.json"]].concat()).assert_exit_code(1);
}

#[test]
fn conflicting_output_path_exits_2() {
    let rows = "{\"id\": \"a\", \"n\": 1, \"assert:contains\": \"City\"}\n";
    let set = "version: 1\nname: own\nprompt: City {{ n }}?\ncases_from: [own.jsonl]\n";
    let cli = CliHarness::new().with_file("set.yaml", set).with_file("own.jsonl", rows);
    let good = ["-m", "sim-openai/good"];
    run_eval(&cli, &[&good[..], &["--save-baseline", "b.json", "--min-pass-rate", "0"]].concat())
        .assert_exit_code(0);
    let cases: [(&[&str], &str); 4] = [
        (&["-o", "own.jsonl"], "own.jsonl is an input of this command"),
        (&["--baseline", "b.json", "-o", "b.json"], "b.json is an input of this command"),
        (&["-o", "x.json", "--save-baseline", "x.json"], "x.json is used for two outputs"),
        (&["--ledger", "l.json", "-o", "l.json"], "l.json is an input of this command"),
    ];
    let cli = cli.with_file("l.json", "");
    for (arguments, expected) in cases {
        run_eval(&cli, &[&good[..], arguments].concat())
            .assert_exit_code(2)
            .assert_stderr_contains(&[expected]);
    }
    assert_eq!(std::fs::read_to_string(cli.path("own.jsonl")).unwrap(), rows);
    run_eval(&cli, &[&good[..], &["--baseline", "b.json", "--save-baseline", "b.json"]].concat())
        .assert_exit_code(0);
}
