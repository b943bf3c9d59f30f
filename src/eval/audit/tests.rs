//! Audits of small sets, and what holds of mutants whatever the set.

use proptest::prelude::*;
use serde_json::json;

use super::normal::normal;
use super::*;
use crate::chat::{FinishReason, Request};
use crate::eval::{Combination, Place, Quantity, TextTest};

fn assertion(name: &str, check: Check, kind: Kind) -> Assertion {
    let negated = name.starts_with("not-");
    Assertion { name: name.into(), negated, check, threshold: None, weight: 1.0, kind }
}

fn contains(text: &str) -> Assertion {
    let check =
        TextTest { place: Place::Anywhere, ignore_case: false, needles: vec![text.to_owned()], all: true };
    assertion("contains", Check::Text(check), Kind::Content)
}

fn is_json() -> Assertion {
    assertion("is-json", Check::IsJson, Kind::Format)
}

fn case(id: &str, reference: &str, assertions: Vec<Assertion>) -> Case {
    Case {
        request: Request::prompt(format!("question {id}")),
        reference: Some(reference.into()),
        assertions,
        ..super::super::case::case(id)
    }
}

fn tried(audit: &Audit, mutation: Mutation) -> Vec<&str> {
    let mutants = audit.cases.iter().flat_map(|case| &case.mutants);
    mutants.filter(|mutant| mutant.mutation == mutation).map(|mutant| mutant.text.as_str()).collect()
}

fn audit_all(cases: &[Case]) -> Audit {
    audit(cases, cases, 1)
}

#[test]
fn what_catches_and_what_does_not() {
    let strong = case("strong", "Paris", vec![contains("Paris")]);
    let weak = case("weak", "Rome", vec![assertion("not-is-refusal", Check::Refusal, Kind::Content)]);
    let none = Case { reference: None, ..case("none", "", vec![contains("x")]) };
    let wrong = case("wrong", "Oslo", vec![contains("Bergen"), contains("Oslo")]);
    let found = audit_all(&[strong, weak, none, wrong]);
    let [strong, weak, none, wrong] = found.cases.as_slice() else { panic!("four cases") };
    assert_eq!((strong.missed().count(), &strong.reference), (0, &Right::Passes));
    assert!(strong.caught() >= 4 && !strong.passes_anything());
    assert_eq!(weak.caught(), 1, "the refusal alone: {weak:?}");
    assert_eq!((&none.reference, none.mutants.len()), (&Right::None, 0));
    // An assertion that fails what is right says nothing about what is wrong.
    assert!(
        matches!(&wrong.reference, Right::Fails(failed) if failed.len() == 1 && failed[0].name == "contains")
    );
    assert_eq!((wrong.assertions[0].caught, wrong.assertions[1].caught), (0, wrong.mutants.len()));
    assert_eq!(found.failing().count(), 1);
    assert_eq!(found.unauditable(&Right::None), ["none"]);
}

#[test]
fn what_only_a_call_can_answer_is_left_out() {
    let latency = || assertion("latency", Check::AtMost(Quantity::LatencyMilliseconds, 5.0), Kind::Format);
    let tool = || Check::ToolCall { name: None, arguments: serde_json::Map::new() };
    let tool = || assertion("tool-call", tool(), Kind::Content);
    let either =
        Check::Combined(Combination { any: true, members: vec![tool(), contains("Paris")], threshold: None });
    let found = audit_all(&[
        case("silent", "I will look it up.", vec![tool(), latency()]),
        case("mixed", "Rome", vec![tool(), contains("Rome")]),
        case("anything", "Oslo", vec![latency(), contains("")]),
        case("either", "Paris", vec![assertion("any-of", either, Kind::Content)]),
    ]);
    let [silent, mixed, anything, either] = found.cases.as_slice() else { panic!("four cases") };
    assert_eq!((&silent.reference, silent.mutants.len()), (&Right::Silent, 0));
    assert_eq!((mixed.missed().count(), mixed.assertions[0].of_reference), (0, Verdict::Unscored));
    // A limit of time would never have seen what is wrong with an answer.
    assert!(anything.passes_anything() && anything.mutants.len() > 3);
    // The tool might have been called.
    assert_eq!((&either.reference, either.mutants.len()), (&Right::Passes, 0));
    assert!(either.left_out.iter().filter(|(_, why)| why.contains("real call")).count() > 3);
}

#[test]
fn a_cut_is_undecided_where_the_end_would_tell() {
    let text = "The capital of that country has always been Paris.";
    let finish = assertion("finish-reason", Check::Finish(vec![FinishReason::Stop]), Kind::Format);
    let found = audit_all(&[case("a", text, vec![contains("The"), finish])]);
    assert_eq!(tried(&found, Mutation::Cut), Vec::<&str>::new());
    let without = audit_all(&[case("a", text, vec![contains("The")])]);
    assert_eq!(tried(&without, Mutation::Cut), ["The capital of"]);
}

/// Blame must be fair: what may be right after all is no mutant.
#[test]
fn what_may_be_right_is_left_out() {
    let others = |references: &[&str]| {
        let cases: Vec<Case> = (0..)
            .zip(references)
            .map(|(n, reference): (i32, _)| case(&n.to_string(), reference, vec![contains("")]))
            .collect();
        let found = audit(&cases, &cases[..1], 1);
        let mut texts = tried(&found, Mutation::OtherAnswer);
        texts.extend(tried(&found, Mutation::WrongLabel));
        texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    assert!(others(&["billing", "Billing.", "BILLING", "It is billing."]).is_empty());
    assert_eq!(others(&["billing", "shipping"]), ["shipping"]);
    assert_eq!(others(&["Yes, it may.", "Yes, on Monday."]), ["No, it may."]);
    let same_label =
        [r#"{"kind":"bug","why":"it is down again"}"#, r#"{"kind":"bug","why":"it never came up"}"#];
    assert!(others(&same_label).is_empty());
    let words = [r#"{"note":"it is down again"}"#, r#"{"note":"it never came up"}"#];
    assert_eq!(others(&words), [words[1]], "there is no label to be the same");
    let null = audit_all(&[case("a", r#"{"a":"x","b":null}"#, vec![is_json()])]);
    assert_eq!(tried(&null, Mutation::DroppedKey), ["{\"b\":null}"]);
    // A refusal that is right is not made a wrong one, and nothing is made out of nothing.
    let declines = audit_all(&[case("a", "I can't help with that.", vec![contains("")])]);
    assert!(tried(&declines, Mutation::Refusal).is_empty());
    assert!(tried(&audit_all(&[case("a", " ", vec![contains("")])]), Mutation::Empty).is_empty());
}

/// A fence is wrong only where the form is asked for.
#[test]
fn fences() {
    let fenced = |assertions: Vec<Assertion>| {
        let found = audit_all(&[case("a", r#"{"a":1}"#, assertions)]);
        let mutants = tried(&found, Mutation::Fenced).len();
        let missed = found.cases[0].missed().filter(|mutant| mutant.mutation == Mutation::Fenced).count();
        (mutants, missed)
    };
    assert_eq!(fenced(vec![is_json()]), (1, 0));
    assert_eq!(fenced(vec![contains("a")]), (0, 0));
    let lenient = assertion("contains-json", Check::ContainsJson(None), Kind::Format);
    assert_eq!(fenced(vec![lenient.clone()]), (0, 0));
    let any = Combination { any: true, members: vec![is_json(), lenient], threshold: None };
    assert_eq!(fenced(vec![assertion("any-of", Check::Combined(any), Kind::Format)]), (0, 0));
    assert_eq!(fenced(vec![Assertion { kind: Kind::Content, ..is_json() }]), (0, 0));
}

#[test]
fn the_options_of_a_choice_are_its_wrong_labels() {
    let options: Vec<String> = ["low", "normal", "high"].map(str::to_owned).to_vec();
    let choice = Check::Choice { options, equals: "high".into() };
    let found = audit_all(&[case("a", "High.", vec![assertion("choice", choice, Kind::Content)])]);
    let mut labels = tried(&found, Mutation::WrongLabel);
    labels.sort_unstable();
    assert_eq!(labels, ["low", "normal"]);
    assert_eq!(found.share(), Some(1.0));
}

#[test]
fn refusals_are_recognised_as_such() {
    let weak = || {
        case("a", "Rome lies on the Tiber.", vec![assertion("not-is-refusal", Check::Refusal, Kind::Content)])
    };
    for seed in 0..50 {
        assert_eq!(audit(&[weak()], &[weak()], seed).cases[0].caught(), 1, "seed {seed}");
    }
}

#[test]
fn duplicates_are_found() {
    let ask = |id: &str, prompt: &str, reference: &str| Case {
        request: Request::prompt(prompt),
        ..case(id, reference, vec![contains("")])
    };
    let cases = [
        ask("a", "Capital of France?", "Paris"),
        ask("b", "What is C++?", "A language"),
        ask("c", "capital  of france", "paris."),
        ask("d", "What is C?", "A language"),
        ask("e", "Capital of FRANCE", "Lyon"),
    ];
    let group = |ids: &[&str], same_reference| Duplicates {
        cases: ids.iter().map(|id| (*id).to_owned()).collect(),
        same_reference,
    };
    assert_eq!(audit_all(&cases).duplicates, [group(&["a", "c", "e"], false)]);
    assert_eq!(audit_all(&cases[..4]).duplicates, [group(&["a", "c"], true)]);
    // Nor is an answer to the same question a wrong one.
    let twice = [ask("a", "q", "left"), ask("b", "Q", "right")];
    assert!(tried(&audit_all(&twice), Mutation::OtherAnswer).is_empty());
}

fn references() -> impl Strategy<Value = String> {
    let words = "[a-zA-Z0-9 .,:éß漢\\n\"*-]{0,40}";
    let json = ("[a-z ]{0,12}", any::<Option<i64>>(), any::<bool>(), "[a-z0-9]{1,3}")
        .prop_map(|(text, n, is, key)| json!({"kind": text, "n": n, key: is, "list": [n, text]}).to_string());
    prop_oneof![
        words,
        "\\PC{0,30}",
        json,
        Just("null".to_owned()),
        Just("[]".to_owned()),
        "Yes, [a-z ]{0,30}"
    ]
}

proptest! {
    /// Whatever the references are: the same seed makes the same mutants, none of them the reference in other clothes and no
    /// two alike, and nothing panics.
    #[test]
    fn mutants_are_others_and_the_same_each_time(
        references in prop::collection::vec(references(), 1..8), seed in any::<u64>(),
    ) {
        let cases: Vec<Case> = (0..).zip(&references)
            .map(|(n, text): (i32, _)| case(&n.to_string(), text, vec![is_json(), contains("")]))
            .collect();
        let stock = Stock::of(&cases, seed);
        for case in &cases {
            let brood = stock.mutants(case);
            prop_assert_eq!(&brood, &Stock::of(&cases, seed).mutants(case));
            let mut forms: Vec<String> = brood.mutants.iter().map(|mutant| normal(&mutant.text)).collect();
            forms.push(normal(case.reference.as_deref().unwrap_or_default()));
            forms.sort();
            let count = forms.len();
            forms.dedup();
            prop_assert_eq!(forms.len(), count);
            for mutation in Mutation::ALL {
                let made = brood.mutants.iter().any(|mutant| mutant.mutation == mutation);
                prop_assert!(made || brood.left_out.iter().any(|(left, _)| *left == mutation), "{}", mutation);
            }
        }
        audit_all(&cases);
    }
}
