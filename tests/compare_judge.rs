//! `compare --judge`: verdicts from both orders, position bias, and usage errors.

use crate::harness::{CliHarness, CountingSimulator};

const TWO_SUBJECT_ARGS: [&str; 3] = ["compare", "-m", "sim-openai/good,sim-anthropic/terse"];

#[test]
fn agreeing_orders_decide_winner() {
    let cli = CliHarness::new();
    let judged = [&TWO_SUBJECT_ARGS[..], &["--judge", "sim-gemini/judge", "hello"]].concat();
    let output = cli.run(&judged).assert_exit_code(0);
    assert!(output.stdout.contains("sim-openai/good beats sim-anthropic/terse in both orders: simulated"));
    assert!(output.stdout.contains("judged by sim-gemini/judge (sim): 2 calls, $"), "{}", output.stdout);
    let json =
        cli.run(&[&judged[..], &["--json", "--rubric", "Is long"]].concat()).assert_exit_code(0).json();
    let judgement = &json["judgement"];
    assert_eq!((&judgement["rubric"], &judgement["judge_calls"]), (&"Is long".into(), &2.into()));
    assert_eq!(judgement["judge_cost_source"], "simulated");
    let pair = &judgement["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["winner"]), (&"first".into(), &"sim-openai/good".into()));
    assert_eq!((&pair["agreed"], &pair["position_bias"]), (&true.into(), &false.into()));
    assert_eq!(pair["orders"][1]["first"], "sim-anthropic/terse");
    assert_eq!(pair["orders"][1]["winner"], "sim-openai/good");
    let plain = cli.run(&[&TWO_SUBJECT_ARGS[..], &["--json", "hello"]].concat()).assert_exit_code(0).json();
    assert!(plain.as_object().unwrap().contains_key("judgement") && plain["judgement"].is_null());
}

/// A judge that always prefers the first answer gives a tie.
#[test]
fn position_bias_is_reported() {
    let cli = CliHarness::new();
    let judged = [&TWO_SUBJECT_ARGS[..], &["--judge", "sim-gemini/good", "hello"]].concat();
    let output = cli.run(&judged).assert_exit_code(0);
    let expected = "tie: the judge prefers the first answer in both orders (position bias)";
    assert!(output.stdout.contains(expected), "{}", output.stdout);
    let json = cli.run(&[&judged[..], &["--json"]].concat()).assert_exit_code(0).json();
    let pair = &json["judgement"]["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["position_bias"]), (&"tie".into(), &true.into()));
    assert!(pair["winner"].is_null());
}

#[test]
fn missing_verdict_is_not_tie() {
    let cli = CliHarness::new();
    for (judge, expected) in [
        ("sim-gemini/verbose", "no verdict: cannot parse the verdict"),
        ("sim-gemini/overloaded", "no verdict: the judge failed: "),
    ] {
        let output =
            cli.run(&[&TWO_SUBJECT_ARGS[..], &["--judge", judge, "hello"]].concat()).assert_exit_code(3);
        assert!(output.stdout.contains(expected), "{}", output.stdout);
    }
    let limited = ["--judge", "sim-gemini/judge", "--max-cost", "0.0002", "hello"];
    let output = cli.run(&[&TWO_SUBJECT_ARGS[..], &limited].concat()).assert_exit_code(4);
    assert!(output.stdout.contains("no verdict"), "{}", output.stdout);
}

#[test]
fn every_pair_is_judged_with_family_warning() {
    let cli = CliHarness::new();
    let three = ["compare", "-m", "sim-openai/good,sim-anthropic/good,sim-gemini/good"];
    let output = cli
        .run(&[&three[..], &["--judge", "sim-gemini/judge", "--json", "hello"]].concat())
        .assert_exit_code(0);
    let output = output.assert_stderr_contains(&[
        "the judge sim-gemini/judge is from the same model family as sim-gemini/good and may favor it",
    ]);
    let json = output.json();
    let pairs = json["judgement"]["pairs"].as_array().unwrap();
    let answers: Vec<_> = pairs.iter().map(|pair| pair["answers"].to_string()).collect();
    assert_eq!(answers, ["[0,1]", "[0,2]", "[1,2]"]);
    assert_eq!(json["judgement"]["judge_calls"], 6);
    assert_eq!(json["judgement"]["judged_by_family"][0], "sim-gemini/good");
    // A missing answer is not judged.
    let one = ["compare", "-m", "sim-openai/good,sim-anthropic/overloaded", "--judge", "sim-gemini/judge"];
    let json = cli.run(&[&one[..], &["--json", "hello"]].concat()).assert_exit_code(3).json();
    assert_eq!(json["judgement"]["pairs"], serde_json::json!([]));
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let cli = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml());
    for (more, expected) in [
        (&["--judge", "sim-gemni/judge"][..], "judge `sim-gemni/judge`: unknown provider `sim-gemni`"),
        (&["--judge", "openai/gpt-6-luna"], "OPENAI_API_KEY is not set"),
        (&["--judge", "vllm/mine", "--max-cost", "1"], "the price of vllm/mine is unknown"),
        (&["--rubric", "Is long"], "--judge"),
    ] {
        cli.run(&[&TWO_SUBJECT_ARGS[..], more, &["hello"]].concat())
            .assert_exit_code(2)
            .assert_stderr_contains(&[expected]);
    }
    assert_eq!(simulator.request_count(), 0);
}
