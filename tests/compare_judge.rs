//! `compare --judge`: both orders, and what they come to.

use crate::harness::{CliHarness, CountingSimulator};

const TWO_SUBJECT_ARGS: [&str; 3] = ["compare", "-m", "sim-openai/good,sim-anthropic/terse"];

#[test]
fn agreeing_orders_decide_winner() {
    let tool = CliHarness::new();
    let judged = [&TWO_SUBJECT_ARGS[..], &["--judge", "sim-gemini/judge", "hello"]].concat();
    let ran = tool.run(&judged).assert_exit_code(0);
    assert!(
        ran.stdout.contains("sim-openai/good is better than sim-anthropic/terse, in both orders: simulated")
    );
    assert!(ran.stdout.contains("judged by sim-gemini/judge (sim): 2 calls, $"), "{}", ran.stdout);
    let json =
        tool.run(&[&judged[..], &["--json", "--rubric", "Is long"]].concat()).assert_exit_code(0).json();
    let judgement = &json["judgement"];
    assert_eq!((&judgement["rubric"], &judgement["judge_calls"]), (&"Is long".into(), &2.into()));
    assert_eq!(judgement["judge_cost_source"], "simulated");
    let pair = &judgement["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["winner"]), (&"first".into(), &"sim-openai/good".into()));
    assert_eq!((&pair["agreed"], &pair["position_bias"]), (&true.into(), &false.into()));
    assert_eq!(pair["orders"][1]["first"], "sim-anthropic/terse");
    assert_eq!(pair["orders"][1]["winner"], "sim-openai/good");
    let plain = tool.run(&[&TWO_SUBJECT_ARGS[..], &["--json", "hello"]].concat()).assert_exit_code(0).json();
    assert!(plain.as_object().unwrap().contains_key("judgement") && plain["judgement"].is_null());
}

/// A judge who always prefers the first place: nobody wins by that.
#[test]
fn position_bias_is_reported() {
    let tool = CliHarness::new();
    let judged = [&TWO_SUBJECT_ARGS[..], &["--judge", "sim-gemini/good", "hello"]].concat();
    let ran = tool.run(&judged).assert_exit_code(0);
    let words = "a tie: in both orders the judge prefers the one that stands first";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    let json = tool.run(&[&judged[..], &["--json"]].concat()).assert_exit_code(0).json();
    let pair = &json["judgement"]["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["position_bias"]), (&"tie".into(), &true.into()));
    assert!(pair["winner"].is_null());
}

#[test]
fn missing_verdict_is_not_tie() {
    let tool = CliHarness::new();
    for (judge, words) in [
        ("sim-gemini/verbose", "no verdict: its verdict cannot be read"),
        ("sim-gemini/overloaded", "no verdict: it gave no verdict"),
    ] {
        let ran =
            tool.run(&[&TWO_SUBJECT_ARGS[..], &["--judge", judge, "hello"]].concat()).assert_exit_code(3);
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
    let limited = ["--judge", "sim-gemini/judge", "--max-cost", "0.0002", "hello"];
    let ran = tool.run(&[&TWO_SUBJECT_ARGS[..], &limited].concat()).assert_exit_code(4);
    assert!(ran.stdout.contains("no verdict"), "{}", ran.stdout);
}

#[test]
fn every_pair_is_judged_with_family_warning() {
    let tool = CliHarness::new();
    let three = ["compare", "-m", "sim-openai/good,sim-anthropic/good,sim-gemini/good"];
    let ran = tool
        .run(&[&three[..], &["--judge", "sim-gemini/judge", "--json", "hello"]].concat())
        .assert_exit_code(0);
    let ran = ran.assert_stderr_contains(&["sim-gemini/judge is of one family with sim-gemini/good"]);
    let json = ran.json();
    let pairs = json["judgement"]["pairs"].as_array().unwrap();
    let of: Vec<_> = pairs.iter().map(|pair| pair["answers"].to_string()).collect();
    assert_eq!(of, ["[0,1]", "[0,2]", "[1,2]"]);
    assert_eq!(json["judgement"]["judge_calls"], 6);
    assert_eq!(json["judgement"]["judged_by_family"][0], "sim-gemini/good");
    // Where an answer is missing, there is nothing to hold against the others.
    let one = ["compare", "-m", "sim-openai/good,sim-anthropic/overloaded", "--judge", "sim-gemini/judge"];
    let json = tool.run(&[&one[..], &["--json", "hello"]].concat()).assert_exit_code(3).json();
    assert_eq!(json["judgement"]["pairs"], serde_json::json!([]));
}

#[test]
fn invalid_usage_fails_before_any_request() {
    let simulator = CountingSimulator::start();
    let tool = CliHarness::new().with_file("routes.yaml", &simulator.routes_yaml());
    for (more, words) in [
        (&["--judge", "sim-gemni/judge"][..], "the judge `sim-gemni/judge`: there is no provider"),
        (&["--judge", "openai/gpt-6-luna"], "OPENAI_API_KEY is not set"),
        (&["--judge", "vllm/mine", "--max-cost", "1"], "the price of vllm/mine is unknown"),
        (&["--rubric", "Is long"], "--judge"),
    ] {
        tool.run(&[&TWO_SUBJECT_ARGS[..], more, &["hello"]].concat())
            .assert_exit_code(2)
            .assert_stderr_contains(&[words]);
    }
    assert_eq!(simulator.request_count(), 0);
}
