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

fn run_eval(tool: &CliHarness, words: &[&str]) -> CliOutput {
    tool.run(&[&["eval", "set.yaml"][..], words].concat())
}

const TERSE_VS_GOOD_ARGS: [&str; 4] = ["-m", "sim-anthropic/terse", "--baseline", "sim-openai/good"];

fn first_comparison(ran: &CliOutput) -> Value {
    ran.json()["runs"][0]["comparison"][0].clone()
}

#[test]
fn worse_model_exits_1_better_exits_0() {
    let tool = harness_with_set(12, "");
    let ran = run_eval(&tool, &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(1);
    let found = first_comparison(&ran);
    assert_eq!((&found["verdict"], &found["pairs"]), (&"worse".into(), &30.into()));
    assert_eq!(found["difference"], -0.4);
    assert_eq!(found["regressed"].as_array().unwrap().len(), 12);
    assert_eq!(found["confidence"], 0.95);
    assert!(found["p_value"].as_f64().unwrap() < 0.001);
    let table = run_eval(&tool, &TERSE_VS_GOOD_ARGS).assert_exit_code(1).stdout;
    for words in ["WORSE", "-0.400", "worse on c0, c1, c2, c3, c4 and 7 more", "gate: FAILED", "30"] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
    // Swapped, the gate passes: --min-pass-rate applies to the challenger, not to the baseline.
    let swapped = ["-m", "sim-openai/good", "--baseline", "sim-anthropic/terse", "--min-pass-rate", "0.9"];
    let table = run_eval(&tool, &swapped).assert_exit_code(0).stdout;
    assert!(table.contains("better") && table.contains("gate: passed"), "{table}");
}

#[test]
fn unclear_comparison_exit_code_cases() {
    let tool = harness_with_set(2, "");
    let ran = run_eval(&tool, &TERSE_VS_GOOD_ARGS).assert_exit_code(0);
    for words in [
        "unclear",
        "a drop of up to 0.2",
        "no significant difference, and a drop of up to",
        "(no significant difference: add cases or --repeat)\n",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    // Without --strict, the observed drop must not exceed --max-drop; with it, the whole interval must not.
    let ran =
        run_eval(&tool, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.05"]].concat()).assert_exit_code(1);
    assert!(ran.stdout.contains("0.067 below sim-openai/good's 1.000"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("on a set like this one, an equally good model exceeds `max_drop` in"),
        "{}",
        ran.stdout
    );
    run_eval(&tool, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.07"]].concat()).assert_exit_code(0);
    let strict = run_eval(&tool, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.07", "--strict"]].concat())
        .assert_exit_code(1);
    assert!(strict.stdout.contains("cannot be ruled out"), "{}", strict.stdout);
    run_eval(&tool, &[&TERSE_VS_GOOD_ARGS[..], &["--max-drop", "0.4", "--strict"]].concat())
        .assert_exit_code(0);
}

#[test]
fn same_subject_never_regresses() {
    for hard in [0, 12, 30] {
        let tool = harness_with_set(hard, "");
        let same = ["-m", "sim-anthropic/terse", "--baseline", "sim-anthropic/terse"];
        let ran = run_eval(&tool, &same).assert_exit_code(0);
        assert!(ran.stdout.contains("both sides contain the same answers"), "{}", ran.stdout);
        run_eval(&tool, &[&same[..], &["--strict", "--max-drop", "0.01"]].concat()).assert_exit_code(0);
        // Minimums still apply to it, as to any challenger.
        let code = if hard == 0 { 0 } else { 1 };
        run_eval(&tool, &[&same[..], &["--min-pass-rate", "0.9"]].concat()).assert_exit_code(code);
    }
}

#[test]
fn saved_file_substitutes_for_subject() {
    let tool = harness_with_set(12, "");
    let saved = ["-m", "sim-openai/good", "--save-baseline", "good.json"];
    assert!(run_eval(&tool, &saved).assert_exit_code(0).stderr.contains("wrote good.json"));
    let text = std::fs::read_to_string(tool.path("good.json")).unwrap();
    assert!(!text.contains("river"), "the baseline file contains answers: {text}");
    let file: Value = serde_json::from_str(&text).unwrap();
    let subject = &file["subjects"][0];
    assert_eq!((&subject["subject"], &subject["passed"]), (&"sim-openai/good".into(), &30.into()));
    assert_eq!(subject["simulated"], true);
    assert_eq!(subject["served_by"]["sim-openai/good"], 30);

    let against = ["-m", "sim-anthropic/terse", "--baseline", "good.json", "--json"];
    let found = first_comparison(&run_eval(&tool, &against).assert_exit_code(1));
    assert_eq!((&found["verdict"], &found["baseline_file"]), (&"worse".into(), &"good.json".into()));
    assert_eq!(found["baseline"], "sim-openai/good");
    // A run that fails the gate does not replace the baseline.
    let both = [&against[..4], &["--save-baseline", "good.json"]].concat();
    let ran = run_eval(&tool, &both).assert_exit_code(1);
    assert!(ran.stderr.contains("not writing good.json: the gate"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(tool.path("good.json")).unwrap(), text);

    // Cases are paired by content: a changed case is unpaired, and a renamed one is the same case.
    let changed = build_set(12, "").replace("City 3. It", "Town 3. It").replace("id: c4,", "id: c4-renamed,");
    let tool = tool.with_file("set.yaml", &changed);
    let ran = run_eval(&tool, &against).assert_exit_code(1);
    let found = first_comparison(&ran);
    assert_eq!(
        (&found["pairs"], &found["unpaired"], &found["gone"]),
        (&29.into(), &serde_json::json!(["c3"]), &serde_json::json!(["c3"]))
    );
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let tool = harness_with_set(12, "").with_file("routes.yaml", &simulator.routes_yaml());
    run_eval(&tool, &["-m", "sim-openai/good", "--save-baseline", "good.json"]).assert_exit_code(1);
    let before = simulator.request_count();
    let tool = tool
        .with_file("set.yaml", &build_set(12, "").replace("prompt: City", "prompt: Which city"))
        .with_file("none.json", "{\"schema\": \"slalom.eval/1\", \"runs\": []}")
        .with_file("broken.json", "{");
    let mistakes: [(&[&str], &str); 11] = [
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
    for (words, why) in mistakes {
        let ran = run_eval(&tool, &[&["-m", "sim-openai/good"], words].concat()).assert_exit_code(2);
        assert!(ran.stderr.contains(why), "no {why:?} in {}", ran.stderr);
    }
    assert_eq!(simulator.request_count(), before);
}

#[test]
fn run_id_selects_earlier_run() {
    let tool = harness_with_set(12, "");
    let id = |ran: &CliOutput| ran.json()["runs"][0]["run"].as_str().unwrap().to_owned();
    let good = id(&run_eval(&tool, &["-m", "sim-openai/good", "--json"]).assert_exit_code(0));
    let found = first_comparison(
        &run_eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &good, "--json"]).assert_exit_code(1),
    );
    assert_eq!((&found["verdict"], &found["baseline_run"]), (&"worse".into(), &Value::from(good)));

    let two = id(&run_eval(&tool, &["-m", "sim-openai/good,sim-gemini/good", "--json"]).assert_exit_code(0));
    let ran = run_eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &two]).assert_exit_code(2);
    assert!(ran.stderr.contains("sim-openai/good, sim-gemini/good"), "{}", ran.stderr);
    let named = format!("{two}:sim-gemini/good");
    run_eval(&tool, &["-m", "sim-anthropic/terse", "--baseline", &named]).assert_exit_code(1);
}

#[test]
fn outage_exits_3() {
    let tool = harness_with_set(0, "");
    let down = ["-m", "sim-openai/overloaded", "--baseline", "sim-openai/good"];
    let ran = run_eval(&tool, &down).assert_exit_code(3);
    assert!(!ran.stdout.contains("worse than"), "{}", ran.stdout);
    assert!(ran.stdout.contains("none of 30 cases"), "{}", ran.stdout);
    // The printed command resumes the run and then compares it.
    let again = ["--resume ", " -m sim-openai/overloaded --baseline sim-openai/good"];
    assert!(again.iter().all(|words| ran.stderr.contains(words)), "{}", ran.stderr);
    // The gate does not pass if the baseline has no results.
    run_eval(&tool, &["-m", "sim-openai/good", "--baseline", "sim-openai/overloaded"]).assert_exit_code(3);
}

#[test]
fn multiple_challengers_raise_confidence_level() {
    let tool = harness_with_set(5, "gate: {metric: score}\n");
    let words = ["-m", "sim-anthropic/terse,sim-gemini/good", "--baseline", "sim-openai/good", "--json"];
    let json = run_eval(&tool, &words).json();
    let all = json["runs"][0]["comparison"].as_array().unwrap();
    let confidence = |n: usize| all[n]["confidence"].as_f64().unwrap();
    assert!((confidence(0) - 0.975).abs() < 1e-12 && all.len() == 2, "{all:?}");
    assert_eq!((&all[0]["metric"], &all[0]["method"]), (&"score".into(), &"bootstrap".into()));
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
    let found = first_comparison(
        &run_eval(&clustered(15), &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(1),
    );
    assert_eq!((&found["verdict"], &found["clusters"]), (&"worse".into(), &15.into()));
    let ran = run_eval(&clustered(5), &[&TERSE_VS_GOOD_ARGS[..], &["--json"]].concat()).assert_exit_code(0);
    assert_eq!(first_comparison(&ran)["doubt"], "few_clusters");
    // Clusters also widen the interval of a single subject.
    let width = |tool: &CliHarness| {
        let json = run_eval(tool, &["-m", "sim-anthropic/terse", "--json"]).json();
        let ends = json["runs"][0]["subjects"][0]["interval"].clone();
        ends[1].as_f64().unwrap() - ends[0].as_f64().unwrap()
    };
    assert!(width(&clustered(3)) > width(&harness_with_set(12, "")));
}

#[test]
fn cost_and_latency_limit_cases() {
    let tool = harness_with_set(0, "");
    let ran = run_eval(&tool, &["-m", "sim-openai/good", "--max-cost-usd", "0.000001"]).assert_exit_code(1);
    assert!(ran.stdout.contains("cost $"), "{}", ran.stdout);
    run_eval(&tool, &["-m", "sim-openai/good", "--max-cost-usd", "1", "--max-p50-ms", "60000"])
        .assert_exit_code(0);
    let ran = run_eval(&tool, &["-m", "sim-openai/good", "--max-p50-ms", "0"]).assert_exit_code(1);
    assert!(ran.stdout.contains("p50"), "{}", ran.stdout);
    // Seven repeats of thirty cases are enough answers for a p95.
    run_eval(&tool, &["-m", "sim-openai/good", "--repeat", "7", "--max-p95-ms", "60000"]).assert_exit_code(0);
    let tool = harness_with_set(0, "gate: {max_p95_ms: 500}\n");
    assert!(run_eval(&tool, &["-m", "sim-openai/good"]).assert_exit_code(2).stderr.contains("set.yaml:4"));
    // With --strict, the lower end of the interval must reach the minimum.
    let tool = harness_with_set(0, "gate: {min_pass_rate: 0.9}\n");
    run_eval(&tool, &["-m", "sim-openai/good"]).assert_exit_code(0);
    let ran = run_eval(&tool, &["-m", "sim-openai/good", "--strict"]).assert_exit_code(1);
    assert!(ran.stdout.contains("may be as low as 0.886"), "{}", ran.stdout);
}

#[test]
fn too_few_repeats_exits_2() {
    let tool = harness_with_set(12, "");
    run_eval(&tool, &["-m", "sim-openai/good", "--save-baseline", "once.json"]).assert_exit_code(0);
    let thrice = ["-m", "sim-anthropic/terse", "--repeat", "3", "--min-pass", "2"];
    let ran = run_eval(&tool, &[&thrice[..], &["--baseline", "once.json"]].concat()).assert_exit_code(2);
    assert!(ran.stderr.contains("the baseline has 1 for case `c0`, but this run has 3"), "{}", ran.stderr);
    let good = [&["-m", "sim-openai/good"], &thrice[2..], &["--save-baseline", "thrice.json"]].concat();
    run_eval(&tool, &good).assert_exit_code(0);
    run_eval(&tool, &[&thrice[..], &["--baseline", "thrice.json"]].concat()).assert_exit_code(1);
}

#[test]
fn conflicting_output_path_exits_2() {
    let rows = "{\"id\": \"a\", \"n\": 1, \"assert:contains\": \"City\"}\n";
    let set = "version: 1\nname: own\nprompt: City {{ n }}?\ncases_from: [own.jsonl]\n";
    let tool = CliHarness::new().with_file("set.yaml", set).with_file("own.jsonl", rows);
    let good = ["-m", "sim-openai/good"];
    run_eval(&tool, &[&good[..], &["--save-baseline", "b.json", "--min-pass-rate", "0"]].concat())
        .assert_exit_code(0);
    let mistakes: [(&[&str], &str); 4] = [
        (&["-o", "own.jsonl"], "own.jsonl is an input of this command"),
        (&["--baseline", "b.json", "-o", "b.json"], "b.json is an input of this command"),
        (&["-o", "x.json", "--save-baseline", "x.json"], "x.json is used for two outputs"),
        (&["--ledger", "l.json", "-o", "l.json"], "l.json is an input of this command"),
    ];
    let tool = tool.with_file("l.json", "");
    for (words, why) in mistakes {
        run_eval(&tool, &[&good[..], words].concat()).assert_exit_code(2).assert_stderr_contains(&[why]);
    }
    assert_eq!(std::fs::read_to_string(tool.path("own.jsonl")).unwrap(), rows);
    run_eval(&tool, &[&good[..], &["--baseline", "b.json", "--save-baseline", "b.json"]].concat())
        .assert_exit_code(0);
}
