use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::eval::assertion::test_assertions::parse;

fn text_assertion(name: &str, needle: &str) -> Assertion {
    parse(json!({name: needle}))
}

fn city_schema_assertion() -> Assertion {
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"enum": ["paris"]}}});
    parse(json!({"json-schema": {"schema": schema}}))
}

fn max_length_assertion(unit: LengthUnit, max: usize) -> Assertion {
    let name = if unit == LengthUnit::Words { "word-count" } else { "length" };
    parse(json!({name: {"max": max}}))
}

fn city_equals_assertion(equals: &str) -> Assertion {
    parse(json!({"json-path": {"path": "$.city", "equals": equals}}))
}

fn find_repairs_in_text(assertions: &[Assertion], answer: &str) -> Option<String> {
    find_repairs_in_answer(assertions, &GradableAnswer::text(answer)).map(|repairs| repairs.to_string())
}

fn find_repairs_in_answer(assertions: &[Assertion], answer: &GradableAnswer<'_>) -> Option<RepairSet> {
    let found: Vec<AssertionResult> = assertions.iter().map(|assertion| assertion.grade(answer)).collect();
    find_repairs(assertions, &found, answer)
}

#[test]
fn format_repair_cases() {
    let json = [city_schema_assertion()];
    let paris = [text_assertion("equals", "Paris")];
    let long = [text_assertion("starts-with", "Paris"), max_length_assertion(LengthUnit::Words, 3)];
    let answers: [(&[Assertion], &str, Option<&str>); 34] = [
        (&json, "{\"city\": \"paris\"}", None),
        (&json, "```json\n{\"city\": \"paris\"}\n```", Some("strip-fences")),
        (&json, "```\n{\"city\": \"paris\"}\n```\n", Some("strip-fences")),
        (&json, "~~~\n{\"city\": \"paris\"}\n~~~", Some("strip-fences")),
        (&json, "````json\n{\"city\": \"paris\"}\n````", Some("strip-fences")),
        (&json, "```json {\"city\": \"paris\"}```", Some("strip-fences")),
        (&json, "```json\n{\"city\": \"paris\"}", Some("strip-fences")),
        (&json, "Sure! Here it is:\n\n{\"city\": \"paris\"}", Some("cut-preamble")),
        (&json, "Voilà {\"city\": \"paris\"}", Some("cut-preamble")),
        (&json, "As source [1] says, {\"city\": \"paris\"}", Some("cut-preamble")),
        (&json, "{\"city\": \"paris\"}\n\nBonne journée.", Some("cut-ending")),
        (&json, "Here:\n{\"city\": \"paris\"}\nBye.", Some("cut-preamble+cut-ending")),
        (&json, "Here:\n```json\n{\"city\": \"paris\"}\n```", Some("cut-preamble+strip-fences")),
        (&json, "```json\n{\"city\": \"paris\"}\n```\nThis is right.", Some("cut-ending+strip-fences")),
        (&json, "Here:\n```\n{\"city\": \"paris\"}\n```\nBye", Some("cut-preamble+cut-ending+strip-fences")),
        (&json, "{\\\"city\\\": \\\"paris\\\"}", Some("unescape")),
        (&json, "\"{\\\"city\\\": \\\"paris\\\"}\"", Some("unescape")),
        (&json, "{&quot;city&quot;: &#34;paris&#x22;}", Some("unescape")),
        (&json, "{\"city\": \"Paris \"}", Some("fold")),
        (&json, "```json\n{\"city\": \"PARIS\"}\n```", Some("strip-fences+fold")),
        (&json, "{\"city\": \"rome\"}", None),
        (&json, "```json\n{\"city\": \"rome\"}\n```", None),
        (&json, "I cannot say.", None),
        (&paris, "PARIS", Some("fold")),
        (&paris, "Answer: Paris", Some("cut-preamble")),
        (&paris, "**The final answer is:** Paris", Some("cut-preamble")),
        (&paris, "Die Stadt heißt:\nParis", Some("cut-preamble")),
        (&paris, "Sure! Paris\n\nLet me know if I can do more.", Some("cut-preamble+cut-ending")),
        (&paris, "Paris\n\nI hope this helps!", Some("cut-ending")),
        (&paris, "London: Paris", None),
        (&paris, "Sure!", None),
        (&paris, "", None),
        (&long, "Paris is a city on the Seine", Some("cut-length")),
        (&long, "Rome is a city on the Tiber", None),
    ];
    for (assertions, answer, wanted) in answers {
        assert_eq!(find_repairs_in_text(assertions, answer).as_deref(), wanted, "{answer:?}");
    }
    let verbose = "Thank you for the question, which I am happy to look into.\n\n{\"city\":\"paris\"}\n\nPlease tell me if there is anything else I can do.";
    assert_eq!(find_repairs_in_text(&json, verbose).as_deref(), Some("cut-preamble+cut-ending"));
}

#[test]
fn fold_repair_cases() {
    let equals = |city: &str| json!({"json-path": {"path": "$.city", "equals": city}});
    let both = parse(json!({"any-of": [equals("rome"), equals("paris")]}));
    let long = "{\"city\": \"  PARIS\"}";
    assert_eq!(find_repairs_in_text(&[both, city_equals_assertion("Paris")], long).as_deref(), Some("fold"));
    let regex = parse(json!({"regex": "^Paris is$"}));
    assert_eq!(
        find_repairs_in_text(&[regex, text_assertion("starts-with", "PARIS")], "PARIS\n is").as_deref(),
        Some("fold")
    );
    let like = parse(json!({"levenshtein": {"value": "Rome", "threshold": 1}}));
    assert_eq!(find_repairs_in_text(&[like], "rome").as_deref(), Some("fold"));
    let denied = Assertion { negated: true, ..text_assertion("contains", "as an AI") };
    assert_eq!(
        find_repairs_in_text(&[denied, text_assertion("starts-with", "Yes")], "YES, AS AN AI I can"),
        Some("fold".into())
    );
}

/// A cost limit is not a matter of form.
#[test]
fn cost_limit_is_not_repaired() {
    let cheap = parse(json!({"cost": {"max_usd": 0.01}}));
    let assertions = [city_schema_assertion(), cheap];
    let fenced = GradableAnswer::text("```\n{\"city\":\"paris\"}\n```");
    assert_eq!(
        find_repairs_in_answer(&assertions, &GradableAnswer { cost_usd: Some(0.001), ..fenced }),
        Some(Repair::StripFences.into())
    );
    assert_eq!(find_repairs_in_answer(&assertions, &GradableAnswer { cost_usd: Some(0.1), ..fenced }), None);
    assert_eq!(find_repairs_in_answer(&assertions, &fenced), None, "an unknown cost is not a pass");
}

/// Long answers are repaired too, except with combinations that would take too long to try.
#[test]
fn long_answers_skip_repair_combinations() {
    let fenced = |words: usize| {
        let core = json!({"city": "paris", "more": "word ".repeat(words)}).to_string();
        format!("```json\n{core}\n```")
    };
    assert_eq!(
        find_repairs_in_text(&[city_schema_assertion()], &fenced(50_000)).as_deref(),
        Some("strip-fences")
    );
    let greeted = |words: usize| format!("Sure:\n{}", fenced(words));
    assert_eq!(
        find_repairs_in_text(&[city_schema_assertion()], &greeted(1_000)).as_deref(),
        Some("cut-preamble+strip-fences")
    );
    assert_eq!(find_repairs_in_text(&[city_schema_assertion()], &greeted(50_000)), None);
}

#[test]
fn repair_names_round_trip() {
    for bits in 1..64 {
        assert_eq!(RepairSet::parse(&RepairSet(bits).to_string()), Some(RepairSet(bits)));
    }
    for text in ["", "+", "fold+", "glue", "fold+glue", "Fold"] {
        assert_eq!(RepairSet::parse(text), None, "{text}");
    }
    let both = RepairSet::from(Repair::Fold).union(Repair::CutEnding.into());
    assert_eq!((both.to_string().as_str(), both.single()), ("cut-ending+fold", None));
    assert_eq!(RepairSet::from(Repair::Fold).single(), Some(Repair::Fold));
}

/// Random answers with many malformations at once.
fn any_answer() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("```"),
        Just("~~~~"),
        Just("json"),
        Just("\n"),
        Just("\n\n"),
        Just("{\"city\": \"paris\"}"),
        Just("{"),
        Just("["),
        Just("[1]"),
        Just("\""),
        Just("\\"),
        Just("\\n"),
        Just("\\u00e9"),
        Just("\\ud83d"),
        Just("&amp;"),
        Just("&#x0;"),
        Just("&"),
        Just("Sure!"),
        Just("Answer:"),
        Just(" Paris"),
        Just("PARIS "),
        Just("İ"),
        Just("Let me know"),
        Just("’"),
        Just("é"),
        Just("\u{0}"),
        Just(": "),
        Just(". "),
        Just("**"),
        Just("日本"),
    ];
    prop_oneof![proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat()), any::<String>()]
}

proptest! {
    /// Never panics, is deterministic, and finds no repairs for an answer that passes.
    #[test]
    fn repair_invariants_hold_for_any_answer(answer in any_answer(), max in 0usize..6) {
        let sets = [
            vec![city_schema_assertion(), city_equals_assertion("paris")],
            vec![text_assertion("equals", "Paris"), max_length_assertion(LengthUnit::Characters, max)],
            vec![text_assertion("starts-with", "paris"), max_length_assertion(LengthUnit::Words, max), text_assertion("contains", "a")],
        ];
        for assertions in sets {
            let found = find_repairs_in_text(&assertions, &answer);
            prop_assert_eq!(&found, &find_repairs_in_text(&assertions, &answer));
            let graded = GradableAnswer::text(&answer);
            let passes = assertions.iter().all(|assertion| assertion.grade(&graded).verdict == Verdict::Pass);
            prop_assert!(!passes || found.is_none());
            prop_assert!(!passes || assertions.iter().all(|assertion| assertion.can_pass_folded(&graded)));
        }
    }

    /// A correct answer inside a fence, after a greeting, or before a farewell is always found.
    #[test]
    fn wrapped_json_gets_exact_repairs(key in "x[a-z]{0,8}", greets in any::<bool>(), fences in any::<bool>(), leaves in any::<bool>()) {
        let core = json!({"city": "paris", key: [1, {"x": "```"}]}).to_string();
        let inner = if fences { format!("```json\n{core}\n```") } else { core };
        let greeting = if greets { "Sure! Here is the JSON you asked for:\n" } else { "" };
        let farewell = if leaves { "\n\nLet me know if you need more." } else { "" };
        let answer = format!("{greeting}{inner}{farewell}");
        let found = find_repairs_in_text(&[city_schema_assertion()], &answer);
        let mut wanted: Vec<&str> = Vec::new();
        if greets { wanted.push("cut-preamble"); }
        if leaves { wanted.push("cut-ending"); }
        if fences { wanted.push("strip-fences"); }
        prop_assert_eq!(found.unwrap_or_default(), wanted.join("+"));
    }
}
