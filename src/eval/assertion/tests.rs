//! Tests of unknown values, negation, thresholds, and combinations, and of arbitrary texts.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::{ToolCall, Usage};

fn assertion(name: &str, check: Check, threshold: Option<f64>) -> Assertion {
    Assertion {
        name: name.to_owned(),
        negated: name.starts_with("not-"),
        check,
        threshold,
        weight: 1.0,
        kind: AssertionKind::Content,
    }
}

fn contains(needle: &str, weight: f64) -> Assertion {
    let test = TextMatch {
        place: MatchPosition::Anywhere,
        ignore_case: false,
        needles: vec![needle.to_owned()],
        is_all_required: true,
    };
    Assertion { weight, ..assertion("contains", Check::Text(test), None) }
}

/// Always unscored for an answer with unknown cost.
fn cost_limit() -> Assertion {
    assertion("cost", Check::UpperLimit(CallMetric::CostUsd, 1.0), None)
}

fn combination(any: bool, threshold: Option<f64>, members: Vec<Assertion>) -> Assertion {
    let name = if any { "any-of" } else { "all-of" };
    assertion(name, Check::Combined(Combination { is_any_of: any, members, threshold }), None)
}

fn grade_text(assertion: &Assertion, text: &str) -> (Verdict, f64) {
    let result = assertion.grade(&GradableAnswer::text(text));
    (result.verdict, result.score)
}

#[test]
fn unknown_metric_is_unscored() {
    for metric in [
        CallMetric::CostUsd,
        CallMetric::LatencyMilliseconds,
        CallMetric::FirstTokenMilliseconds,
        CallMetric::OutputTokens,
    ] {
        for name in ["at-most", "not-at-most"] {
            let limit = assertion(name, Check::UpperLimit(metric, 5.0), None);
            assert_eq!(grade_text(&limit, "x").0, Verdict::Unscored, "{metric:?}");
        }
        let usage = Usage { output_tokens: Some(5), ..Usage::default() };
        let known = GradableAnswer {
            cost_usd: Some(5.0),
            latency: Some(Duration::from_millis(5)),
            first_token: Some(Duration::from_millis(5)),
            usage,
            ..GradableAnswer::text("x")
        };
        let limit = |limit| assertion("at-most", Check::UpperLimit(metric, limit), None);
        assert_eq!(limit(5.0).grade(&known).verdict, Verdict::Pass, "{metric:?}");
        assert_eq!(limit(4.9).grade(&known).verdict, Verdict::Fail, "{metric:?}");
        let estimated = GradableAnswer { usage: Usage { is_estimated: true, ..usage }, ..known };
        let verdict = limit(5.0).grade(&estimated).verdict;
        assert_eq!(verdict == Verdict::Unscored, metric == CallMetric::OutputTokens);
    }
    let finish = assertion("finish-reason", Check::FinishReason(vec![FinishReason::Stop]), None);
    assert_eq!(grade_text(&finish, "x").0, Verdict::Unscored);
}

#[test]
fn negated_similarity_inverts_result() {
    let similarity =
        |name| assertion(name, Check::Similarity(SimilarityMeasure::Levenshtein, "abcd".into()), Some(0.75));
    assert_eq!(grade_text(&similarity("levenshtein"), "abcx"), (Verdict::Pass, 0.75));
    assert_eq!(grade_text(&similarity("levenshtein"), "abxx"), (Verdict::Fail, 0.5));
    assert_eq!(grade_text(&similarity("not-levenshtein"), "abcx"), (Verdict::Fail, 0.25));
    assert_eq!(grade_text(&similarity("not-levenshtein"), "abxx"), (Verdict::Pass, 0.5));
}

#[test]
fn combination_cases() {
    let (a, b) = (|| contains("a", 3.0), || contains("b", 1.0));
    let both = |any, threshold| combination(any, threshold, vec![a(), b()]);
    assert_eq!(grade_text(&both(true, None), "a"), (Verdict::Pass, 1.0));
    assert_eq!(grade_text(&both(true, None), "c"), (Verdict::Fail, 0.0));
    assert_eq!(grade_text(&both(false, None), "ab"), (Verdict::Pass, 1.0));
    assert_eq!(grade_text(&both(false, None), "a"), (Verdict::Fail, 0.75));
    assert_eq!(grade_text(&both(false, Some(0.75)), "a"), (Verdict::Pass, 0.75));
    assert_eq!(grade_text(&both(false, Some(0.75)), "b"), (Verdict::Fail, 0.25));
    let nested = combination(true, None, vec![both(false, None), contains("c", 1.0)]);
    assert_eq!(grade_text(&nested, "a"), (Verdict::Fail, 0.75));
    assert_eq!(grade_text(&nested, "ac"), (Verdict::Pass, 1.0));
    let weightless = combination(false, None, vec![contains("a", 0.0)]);
    assert_eq!(grade_text(&weightless, "a"), (Verdict::Pass, 1.0));
}

/// An unscored member decides nothing and hides nothing that is decided without it.
#[test]
fn combination_with_unscored_member_cases() {
    let with_cost = |any, threshold| {
        combination(any, threshold, vec![contains("a", 1.0), contains("b", 1.0), cost_limit()])
    };
    let unscored = (Verdict::Unscored, 0.0);
    assert_eq!(grade_text(&with_cost(true, None), "a"), (Verdict::Pass, 1.0));
    assert_eq!(grade_text(&with_cost(true, None), "x"), unscored);
    assert_eq!(grade_text(&with_cost(false, None), "a"), (Verdict::Fail, 0.5));
    assert_eq!(grade_text(&with_cost(false, None), "ab"), unscored);
    // Two of three suffice for 0.6, one would need the unscored member, and none cannot pass.
    assert_eq!(grade_text(&with_cost(false, Some(0.6)), "ab"), (Verdict::Pass, 1.0));
    assert_eq!(grade_text(&with_cost(false, Some(0.6)), "a"), unscored);
    assert_eq!(grade_text(&with_cost(false, Some(0.6)), "x"), (Verdict::Fail, 0.0));
    assert_eq!(grade_text(&combination(true, Some(0.5), vec![cost_limit()]), "x"), unscored);
}

#[test]
fn tool_call_cases() {
    let call = |name: &str, arguments| ToolCall { id: String::new(), name: name.to_owned(), arguments };
    let calls = [
        call("search", json!({"q": "rain"})),
        call("weather", json!({"city": "Rome", "days": 2.0, "x": null})),
    ];
    let check = |name: Option<&str>, arguments: Value| {
        let Value::Object(arguments) = arguments else { panic!("arguments are a map") };
        let check = Check::ToolCall { name: name.map(str::to_owned), arguments };
        let answer = GradableAnswer { tool_calls: Some(&calls), ..GradableAnswer::text("") };
        let none = GradableAnswer { tool_calls: Some(&[]), ..answer };
        let assertion = assertion("tool-call", check, None);
        // The tool calls of a plain text are unknown.
        assert_eq!(assertion.grade(&GradableAnswer::text("")).verdict, Verdict::Unscored);
        [answer, none].map(|answer| assertion.grade(&answer).verdict == Verdict::Pass)
    };
    for (name, arguments, called) in [
        (None, json!({}), true),
        (Some("weather"), json!({}), true),
        (Some("weather"), json!({"city": "Rome", "days": 2}), true),
        (Some("weather"), json!({"city": "Oslo"}), false),
        (Some("weather"), json!({"unit": "C"}), false),
        (Some("search"), json!({"city": "Rome"}), false),
        (None, json!({"q": "rain"}), true),
        (Some("weathers"), json!({}), false),
    ] {
        assert_eq!(check(name, arguments.clone()), [called, false], "{name:?} {arguments}");
    }
}

#[test]
fn contains_json_cases() {
    let found = |text: &str, schema: Option<Value>| {
        let schema = schema.map(|s| Arc::new(jsonschema::validator_for(&s).unwrap()));
        grade_text(&assertion("contains-json", Check::ContainsJson(schema), None), text).0 == Verdict::Pass
    };
    assert!(found("Sure:\n```json\n{\"a\": 1}\n```\nDone.", None));
    assert!(found("see {braces} and then [\"x\"]", None));
    assert!(!found("as stated in [1] and [2, 3]", None));
    assert!(found("[1, 2]", Some(json!({"type": "array"}))));
    let wants_b = || Some(json!({"type": "object", "required": ["b"]}));
    assert!(found("{\"a\": 1} or rather {\"b\": 1}", wants_b()));
    assert!(!found("{\"a\": {\"b\": 1}}", wants_b()), "only the outer object counts");
    assert!(!found("no {json, here", None));
}

/// Inputs that a naive search would scan again from every position.
#[test]
fn repetitive_text_finishes_within_60_seconds() {
    let started = std::time::Instant::now();
    for text in ["[", "[1,", "{\"a\":", "{\"a\":[", "[[1],", "{\"\\\"", "a b "] {
        let text = text.repeat(10_000 / text.len());
        grade_text(&assertion("contains-json", Check::ContainsJson(None), None), &text);
        let options = vec!["a".to_owned(), "a b".to_owned(), "b a b a".to_owned()];
        grade_text(&assertion("choice", Check::Choice { options, equals: "a".into() }, None), &text);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

fn every_check() -> Vec<Check> {
    let needles = || vec!["a".to_owned(), "ß É".to_owned(), "\u{130}".to_owned()];
    let schema = || Arc::new(jsonschema::validator_for(&json!({"type": "object"})).unwrap());
    let path = Arc::new(JsonPath::parse("$..a").unwrap());
    let mut checks = vec![
        Check::Regex(Arc::new(Pattern::new(r"\bé+$").unwrap())),
        Check::Length { unit: LengthUnit::Words, min: Some(2), max: None },
        Check::Length { unit: LengthUnit::Characters, min: None, max: Some(3) },
        Check::IsJson,
        Check::ContainsJson(None),
        Check::ContainsJson(Some(schema())),
        Check::JsonSchema(schema()),
        Check::JsonPath(path, JsonPathTest::Equals(json!(1))),
        Check::JsonDiff(json!({"a": [1, {"b": 2}]})),
        Check::Choice { options: needles(), equals: "a".into() },
        Check::Numeric { equals: 7.0, tolerance: NumericTolerance::Relative(0.1) },
        Check::ToolCall { name: None, arguments: Map::new() },
        Check::Refusal,
    ];
    for place in [MatchPosition::Whole, MatchPosition::Anywhere, MatchPosition::Start, MatchPosition::End] {
        checks.push(Check::Text(TextMatch {
            place,
            ignore_case: true,
            needles: needles(),
            is_all_required: false,
        }));
    }
    for measure in [SimilarityMeasure::Levenshtein, SimilarityMeasure::RougeL, SimilarityMeasure::TokenF1] {
        checks.push(Check::Similarity(measure, "a ß e\u{301} 字".into()));
    }
    checks
}

proptest! {
    #[test]
    fn negated_check_complements_check_for_any_text(text in "\\PC{0,60}|[\\[\\]{}\",:a1ßÉ\u{130}\u{301}字’ -]{0,60}") {
        for check in every_check() {
            let threshold = matches!(check, Check::Similarity(..) | Check::JsonDiff(_)).then_some(0.5);
            let answer = GradableAnswer { tool_calls: Some(&[]), ..GradableAnswer::text(&text) };
            let plain = assertion("x", check.clone(), threshold).grade(&answer);
            let negated = assertion("not-x", check, threshold).grade(&answer);
            prop_assert!((0.0..=1.0).contains(&plain.score));
            prop_assert!((plain.score + negated.score - 1.0).abs() < 1e-9);
            prop_assert_ne!(plain.verdict, negated.verdict);
        }
    }
}
