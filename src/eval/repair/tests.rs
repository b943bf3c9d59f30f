//! What repairs put right, and what they leave alone.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::eval::{Kind, Measure, PathTest, Place, Quantity, TextTest};

fn of(check: Check) -> Assertion {
    Assertion { name: "a".into(), negated: false, check, threshold: None, weight: 1.0, kind: Kind::Format }
}

fn text(place: Place, needle: &str) -> Assertion {
    of(Check::Text(TextTest { place, ignore_case: false, needles: vec![needle.into()], all: true }))
}

fn schema() -> Assertion {
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"enum": ["paris"]}}});
    of(Check::JsonSchema(Arc::new(jsonschema::validator_for(&schema).unwrap())))
}

fn at_most(unit: Unit, max: usize) -> Assertion {
    of(Check::Length { unit, min: None, max: Some(max) })
}

fn city(equals: &str) -> Assertion {
    let path = serde_json_path::JsonPath::parse("$.city").unwrap();
    of(Check::JsonPath(path, PathTest::Equals(json!(equals))))
}

fn of_text(assertions: &[Assertion], answer: &str) -> Option<String> {
    of_answer(assertions, &Graded::text(answer)).map(|repairs| repairs.to_string())
}

fn of_answer(assertions: &[Assertion], answer: &Graded<'_>) -> Option<Repairs> {
    let found: Vec<AssertionResult> = assertions.iter().map(|assertion| assertion.grade(answer)).collect();
    repaired(assertions, &found, answer)
}

#[test]
fn what_is_wrong_in_form_alone_is_put_right() {
    let json = [schema()];
    let paris = [text(Place::Whole, "Paris")];
    let long = [text(Place::Start, "Paris"), at_most(Unit::Words, 3)];
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
        assert_eq!(of_text(assertions, answer).as_deref(), wanted, "{answer:?}");
    }
    let verbose = "Thank you for the question, which I am happy to look into.\n\n{\"city\":\"paris\"}\n\nPlease tell me if there is anything else I can do.";
    assert_eq!(of_text(&json, verbose).as_deref(), Some("cut-preamble+cut-ending"));
}

#[test]
fn folding_forgives_and_never_demands() {
    let both = of(Check::Combined(crate::eval::Combination {
        any: true,
        members: vec![city("rome"), city("paris")],
        threshold: None,
    }));
    let long = "{\"city\": \"  PARIS\"}";
    assert_eq!(of_text(&[both, city("Paris")], long).as_deref(), Some("fold"));
    let regex = of(Check::Regex(regex::Regex::new("^Paris is$").unwrap()));
    assert_eq!(of_text(&[regex, text(Place::Start, "PARIS")], "PARIS\n is").as_deref(), Some("fold"));
    let like = Assertion { threshold: Some(1.0), ..of(Check::Likeness(Measure::Levenshtein, "Rome".into())) };
    assert_eq!(of_text(&[like], "rome").as_deref(), Some("fold"));
    let denied = Assertion { negated: true, ..text(Place::Anywhere, "as an AI") };
    assert_eq!(of_text(&[denied, text(Place::Start, "Yes")], "YES, AS AN AI I can"), Some("fold".into()));
}

/// What a call cost or how it ended is no matter of form.
#[test]
fn figures_of_the_call_stand_as_they_were_found() {
    let cheap = of(Check::AtMost(Quantity::CostUsd, 0.01));
    let assertions = [schema(), cheap];
    let fenced = Graded::text("```\n{\"city\":\"paris\"}\n```");
    assert_eq!(
        of_answer(&assertions, &Graded { cost_usd: Some(0.001), ..fenced }),
        Some(Repair::StripFences.into())
    );
    assert_eq!(of_answer(&assertions, &Graded { cost_usd: Some(0.1), ..fenced }), None);
    assert_eq!(of_answer(&assertions, &fenced), None, "an unknown cost is no pass");
}

/// A long answer is repaired as others are, but for combinations that would take too long to try.
#[test]
fn long_answers_are_not_tried_in_every_way() {
    let fenced = |words: usize| {
        let core = json!({"city": "paris", "more": "word ".repeat(words)}).to_string();
        format!("```json\n{core}\n```")
    };
    assert_eq!(of_text(&[schema()], &fenced(50_000)).as_deref(), Some("strip-fences"));
    let greeted = |words: usize| format!("Sure:\n{}", fenced(words));
    assert_eq!(of_text(&[schema()], &greeted(1_000)).as_deref(), Some("cut-preamble+strip-fences"));
    assert_eq!(of_text(&[schema()], &greeted(50_000)), None);
}

#[test]
fn words_are_read_back() {
    for bits in 1..64 {
        assert_eq!(Repairs::named(&Repairs(bits).to_string()), Some(Repairs(bits)));
    }
    for words in ["", "+", "fold+", "glue", "fold+glue", "Fold"] {
        assert_eq!(Repairs::named(words), None, "{words}");
    }
    let both = Repairs::from(Repair::Fold).and(Repair::CutEnding.into());
    assert_eq!((both.to_string().as_str(), both.only()), ("cut-ending+fold", None));
    assert_eq!(Repairs::from(Repair::Fold).only(), Some(Repair::Fold));
}

/// Pieces of which answers are made that go wrong in many ways at once.
fn answers() -> impl Strategy<Value = String> {
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
    /// Whatever an answer is: no panic, twice the same, and never anything for one that passes.
    #[test]
    fn repairs_are_sound(answer in answers(), max in 0usize..6) {
        let sets = [
            vec![schema(), city("paris")],
            vec![text(Place::Whole, "Paris"), at_most(Unit::Characters, max)],
            vec![text(Place::Start, "paris"), at_most(Unit::Words, max), text(Place::Anywhere, "a")],
        ];
        for assertions in sets {
            let found = of_text(&assertions, &answer);
            prop_assert_eq!(&found, &of_text(&assertions, &answer));
            let graded = Graded::text(&answer);
            let passes = assertions.iter().all(|assertion| assertion.grade(&graded).verdict == Verdict::Pass);
            prop_assert!(!passes || found.is_none());
            prop_assert!(!passes || assertions.iter().all(|assertion| assertion.forgives(&graded)));
        }
    }

    /// A right answer in a fence, behind a greeting or before a farewell is always found to be right.
    #[test]
    fn wrapped_answers_are_found(key in "x[a-z]{0,8}", greets in any::<bool>(), fences in any::<bool>(), leaves in any::<bool>()) {
        let core = json!({"city": "paris", key: [1, {"x": "```"}]}).to_string();
        let inner = if fences { format!("```json\n{core}\n```") } else { core };
        let greeting = if greets { "Sure! Here is the JSON you asked for:\n" } else { "" };
        let farewell = if leaves { "\n\nLet me know if you need more." } else { "" };
        let answer = format!("{greeting}{inner}{farewell}");
        let found = of_text(&[schema()], &answer);
        let mut wanted: Vec<&str> = Vec::new();
        if greets { wanted.push("cut-preamble"); }
        if leaves { wanted.push("cut-ending"); }
        if fences { wanted.push("strip-fences"); }
        prop_assert_eq!(found.unwrap_or_default(), wanted.join("+"));
    }
}
