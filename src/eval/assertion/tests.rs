//! Tests of unknown values, negation, thresholds, and combinations, and of arbitrary texts.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use serde_json_path::JsonPath;

use super::choice::ChoosesOption;
use super::compile_cache::Pattern;
use super::count_range::CountRange;
use super::json::{ContainsJson, IsJson, MatchesSchema};
use super::json_diff::JsonDiff;
use super::json_path::{JsonPathCheck, JsonPathTest};
use super::length::LengthRange;
use super::numeric::{EqualsNumber, NumericTolerance};
use super::regex_match::RegexMatch;
use super::similarity::{SimilarText, SimilarityMeasure};
use super::test_assertions::{contains as plain_contains, parse, try_parse};
use super::text_match::{CaseRule, MatchPosition, TextMatch};
use super::tool_call::CallsTool;
use super::*;
use crate::chat::{TokenCount, ToolCall, Usage};
use crate::eval::GradableAnswer;
use crate::eval::length_unit::LengthUnit;
use crate::eval::verdict::{AssertionKind, Verdict};

fn assertion(name: &str, check: Arc<dyn AssertionCheck>, threshold: Option<f64>) -> Assertion {
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
    Assertion { weight, ..plain_contains(needle) }
}

/// Always unscored for an answer with unknown cost.
fn cost_limit() -> Assertion {
    parse(json!({"cost": {"max_usd": 1}}))
}

fn combination(any: bool, threshold: Option<f64>, members: Vec<Assertion>) -> Assertion {
    let name = if any { "any-of" } else { "all-of" };
    let check = combination::Combination { is_any_of: any, members, threshold };
    assertion(name, Arc::new(check), None)
}

fn grade_text(assertion: &Assertion, text: &str) -> (Verdict, f64) {
    let result = assertion.grade(&GradableAnswer::text(text));
    (result.verdict, result.score)
}

#[test]
fn unknown_metric_is_unscored() {
    for (name, metric) in [
        ("cost", CallMetric::CostUsd),
        ("latency", CallMetric::LatencyMilliseconds),
        ("first-token", CallMetric::FirstTokenMilliseconds),
        ("output-tokens", CallMetric::OutputTokens),
    ] {
        let limit = |negation: &str, max: f64| parse(json!({format!("{negation}{name}"): max}));
        for negation in ["", "not-"] {
            assert_eq!(grade_text(&limit(negation, 5.0), "x").0, Verdict::Unscored, "{metric:?}");
        }
        let usage = Usage { output_tokens: Some(TokenCount::new(5)), ..Usage::default() };
        let known = GradableAnswer {
            cost_usd: Some(5.0),
            latency: Some(Duration::from_millis(5)),
            first_token: Some(Duration::from_millis(5)),
            usage,
            ..GradableAnswer::text("x")
        };
        assert_eq!(limit("", 5.0).grade(&known).verdict, Verdict::Pass, "{metric:?}");
        assert_eq!(limit("", 4.9).grade(&known).verdict, Verdict::Fail, "{metric:?}");
        let estimated = GradableAnswer { usage: Usage { is_estimated: true, ..usage }, ..known };
        let verdict = limit("", 5.0).grade(&estimated).verdict;
        assert_eq!(verdict == Verdict::Unscored, metric == CallMetric::OutputTokens);
    }
    let finish = parse(json!({"finish-reason": "stop"}));
    assert_eq!(grade_text(&finish, "x").0, Verdict::Unscored);
}

#[test]
fn negated_similarity_inverts_result() {
    let similarity = |name: &str| parse(json!({name: {"value": "abcd", "threshold": 0.75}}));
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
        let check = Arc::new(CallsTool { name: name.map(str::to_owned), arguments });
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
        let assertion = match schema {
            None => parse(json!("contains-json")),
            Some(schema) => parse(json!({"contains-json": {"schema": schema}})),
        };
        grade_text(&assertion, text).0 == Verdict::Pass
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
        grade_text(&parse(json!("contains-json")), &text);
        let choice = json!({"choice": {"options": ["a", "a b", "b a b a"], "equals": "a"}});
        grade_text(&parse(choice), &text);
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

fn every_check() -> Vec<(Arc<dyn AssertionCheck>, Option<f64>)> {
    let needles = || vec!["a".to_owned(), "ß É".to_owned(), "\u{130}".to_owned()];
    let schema = || Arc::new(jsonschema::validator_for(&json!({"type": "object"})).unwrap());
    let path = Arc::new(JsonPath::parse("$..a").unwrap());
    let mut checks: Vec<(Arc<dyn AssertionCheck>, Option<f64>)> = vec![
        (Arc::new(RegexMatch(Arc::new(Pattern::new(r"\bé+$").unwrap()))), None),
        (
            Arc::new(LengthRange { unit: LengthUnit::Words, range: CountRange { min: Some(2), max: None } }),
            None,
        ),
        (
            Arc::new(LengthRange {
                unit: LengthUnit::Characters,
                range: CountRange { min: None, max: Some(3) },
            }),
            None,
        ),
        (Arc::new(IsJson), None),
        (Arc::new(ContainsJson(None)), None),
        (Arc::new(ContainsJson(Some(schema()))), None),
        (Arc::new(MatchesSchema(schema())), None),
        (Arc::new(JsonPathCheck { path, test: JsonPathTest::Equals(json!(1)) }), None),
        (Arc::new(JsonDiff(json!({"a": [1, {"b": 2}]}))), Some(0.5)),
        (Arc::new(ChoosesOption { options: needles(), equals: "a".into() }), None),
        (Arc::new(EqualsNumber { equals: 7.0, tolerance: NumericTolerance::Relative(0.1) }), None),
        (Arc::new(CallsTool { name: None, arguments: Map::new() }), None),
        (Arc::new(IsRefusal), None),
    ];
    for place in [MatchPosition::Whole, MatchPosition::Anywhere, MatchPosition::Start, MatchPosition::End] {
        let check = TextMatch { place, case: CaseRule::Ignored, needles: needles(), is_all_required: false };
        checks.push((Arc::new(check), None));
    }
    for measure in [SimilarityMeasure::Levenshtein, SimilarityMeasure::RougeL, SimilarityMeasure::TokenF1] {
        let reference = "a ß e\u{301} 字".into();
        checks.push((Arc::new(SimilarText { measure, reference }), Some(0.5)));
    }
    checks
}

/// The part of an assertion that an error is about, so that `config` can underline it.
#[test]
fn error_part_cases() {
    let option = |name: &str| AssertionPart::Option(name.to_owned());
    let member = |index, part| AssertionPart::Member(index, Box::new(part));
    for (entry, expected) in [
        (json!(7), AssertionPart::Whole),
        (json!({}), AssertionPart::Whole),
        (json!("no-such"), AssertionPart::Name),
        (json!({"is-json": null, "contains": "a"}), AssertionPart::SecondName),
        (json!({"contains": {"vale": "a"}}), option("vale")),
        (json!({"numeric": {"equals": 5, "value": 6}}), option("value")),
        (json!({"any-of": ["is-json", {"contains": {"value": ""}}]}), member(1, AssertionPart::Name)),
        (
            json!({"all-of": [{"any-of": [{"contains": {"vale": "a"}}]}]}),
            member(0, member(0, option("vale"))),
        ),
    ] {
        assert_eq!(try_parse(entry.clone()).unwrap_err().part, expected, "{entry}");
    }
}

proptest! {
    #[test]
    fn negated_check_complements_check_for_any_text(text in "\\PC{0,60}|[\\[\\]{}\",:a1ßÉ\u{130}\u{301}字’ -]{0,60}") {
        for (check, threshold) in every_check() {
            let answer = GradableAnswer { tool_calls: Some(&[]), ..GradableAnswer::text(&text) };
            let plain = assertion("x", check.clone(), threshold).grade(&answer);
            let negated = assertion("not-x", check, threshold).grade(&answer);
            prop_assert!((0.0..=1.0).contains(&plain.score));
            prop_assert!((plain.score + negated.score - 1.0).abs() < 1e-9);
            prop_assert_ne!(plain.verdict, negated.verdict);
        }
    }
}
