//! Tests of audits of small sets, and of mutants of any set.

use proptest::prelude::*;
use serde_json::json;

use super::normalize::normalize;
use super::*;
use crate::chat::Request;
use crate::eval::assertion::test_assertions::{contains, parse};

fn is_json() -> Assertion {
    parse(json!("is-json"))
}

fn not_refusal() -> Assertion {
    parse(json!("not-is-refusal"))
}

fn case(id: &str, reference: &str, assertions: Vec<Assertion>) -> Case {
    Case {
        request: Request::from_prompt(format!("question {id}")),
        reference: Some(reference.into()),
        assertions,
        ..super::super::case::case(id)
    }
}

fn mutant_texts(audit: &AuditReport, mutation: Mutation) -> Vec<&str> {
    let mutants = audit.cases.iter().flat_map(|case| &case.mutants);
    mutants.filter(|mutant| mutant.mutation == mutation).map(|mutant| mutant.text.as_str()).collect()
}

fn audit_all(cases: &[Case]) -> AuditReport {
    audit_set(cases, cases, 1)
}

#[test]
fn assertion_strength_cases() {
    let strong = case("strong", "Paris", vec![contains("Paris")]);
    let weak = case("weak", "Rome", vec![not_refusal()]);
    let none = Case { reference: None, ..case("none", "", vec![contains("x")]) };
    let wrong = case("wrong", "Oslo", vec![contains("Bergen"), contains("Oslo")]);
    let found = audit_all(&[strong, weak, none, wrong]);
    let [strong, weak, none, wrong] = found.cases.as_slice() else { panic!("four cases") };
    assert_eq!((strong.missed_mutants().count(), &strong.reference), (0, &ReferenceVerdict::Passes));
    assert!(strong.caught_count() >= 4 && !strong.passes_anything());
    assert_eq!(weak.caught_count(), 1, "only the refusal: {weak:?}");
    assert_eq!((&none.reference, none.mutants.len()), (&ReferenceVerdict::Missing, 0));
    // An assertion that fails the reference does not count for mutants.
    assert!(
        matches!(&wrong.reference, ReferenceVerdict::Fails(failed) if failed.len() == 1 && failed[0].name == "contains")
    );
    assert_eq!(
        (wrong.assertions[0].caught_count, wrong.assertions[1].caught_count),
        (0, wrong.mutants.len())
    );
    assert_eq!(found.failing_references().count(), 1);
    assert_eq!(found.case_ids_with(&ReferenceVerdict::Missing), ["none"]);
}

#[test]
fn checks_needing_real_call_are_left_out() {
    let latency = || parse(json!({"latency": {"max_ms": 5}}));
    let tool = || parse(json!("tool-call"));
    let either = parse(json!({"any-of": ["tool-call", {"contains": "Paris"}]}));
    let found = audit_all(&[
        case("silent", "I will look it up.", vec![tool(), latency()]),
        case("mixed", "Rome", vec![tool(), contains("Rome")]),
        case("anything", "Oslo", vec![latency(), contains("")]),
        case("either", "Paris", vec![either]),
    ]);
    let [silent, mixed, anything, either] = found.cases.as_slice() else { panic!("four cases") };
    assert_eq!((&silent.reference, silent.mutants.len()), (&ReferenceVerdict::Unscored, 0));
    assert_eq!(
        (mixed.missed_mutants().count(), mixed.assertions[0].reference_verdict),
        (0, Verdict::Unscored)
    );
    // A latency limit could not have caught a wrong answer.
    assert!(anything.passes_anything() && anything.mutants.len() > 3);
    // The tool might have been called.
    assert_eq!((&either.reference, either.mutants.len()), (&ReferenceVerdict::Passes, 0));
    assert!(either.left_out.iter().filter(|(_, why)| *why == MutantOmission::NeedsModelCall).count() > 3);
}

#[test]
fn truncation_is_left_out_with_finish_reason() {
    let text = "The capital of that country has always been Paris.";
    let finish = parse(json!({"finish-reason": "stop"}));
    let found = audit_all(&[case("a", text, vec![contains("The"), finish])]);
    assert_eq!(mutant_texts(&found, Mutation::Cut), Vec::<&str>::new());
    let without = audit_all(&[case("a", text, vec![contains("The")])]);
    assert_eq!(mutant_texts(&without, Mutation::Cut), ["The capital of"]);
}

/// An answer that may be correct is not a mutant.
#[test]
fn possibly_correct_mutants_are_left_out() {
    let others = |references: &[&str]| {
        let cases: Vec<Case> = (0..)
            .zip(references)
            .map(|(n, reference): (i32, _)| case(&n.to_string(), reference, vec![contains("")]))
            .collect();
        let found = audit_set(&cases, &cases[..1], 1);
        let mut texts = mutant_texts(&found, Mutation::OtherAnswer);
        texts.extend(mutant_texts(&found, Mutation::WrongLabel));
        texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()
    };
    assert!(others(&["billing", "Billing.", "BILLING", "It is billing."]).is_empty());
    assert_eq!(others(&["billing", "shipping"]), ["shipping"]);
    assert_eq!(others(&["Yes, it may.", "Yes, on Monday."]), ["No, it may."]);
    let same_label =
        [r#"{"kind":"bug","why":"it is down again"}"#, r#"{"kind":"bug","why":"it never came up"}"#];
    assert!(others(&same_label).is_empty());
    let words = [r#"{"note":"it is down again"}"#, r#"{"note":"it never came up"}"#];
    assert_eq!(others(&words), [words[1]], "without a label, the answers differ");
    let null = audit_all(&[case("a", r#"{"a":"x","b":null}"#, vec![is_json()])]);
    assert_eq!(mutant_texts(&null, Mutation::DroppedKey), ["{\"b\":null}"]);
    // A reference that is a refusal gets no refusal mutant, and an empty one no empty mutant.
    let declines = audit_all(&[case("a", "I can't help with that.", vec![contains("")])]);
    assert!(mutant_texts(&declines, Mutation::Refusal).is_empty());
    assert!(mutant_texts(&audit_all(&[case("a", " ", vec![contains("")])]), Mutation::Empty).is_empty());
}

/// A fence is wrong only if an assertion requires bare JSON.
#[test]
fn fenced_mutant_cases() {
    let fenced = |assertions: Vec<Assertion>| {
        let found = audit_all(&[case("a", r#"{"a":1}"#, assertions)]);
        let mutants = mutant_texts(&found, Mutation::Fenced).len();
        let missed =
            found.cases[0].missed_mutants().filter(|mutant| mutant.mutation == Mutation::Fenced).count();
        (mutants, missed)
    };
    assert_eq!(fenced(vec![is_json()]), (1, 0));
    assert_eq!(fenced(vec![contains("a")]), (0, 0));
    assert_eq!(fenced(vec![parse(json!("contains-json"))]), (0, 0));
    assert_eq!(fenced(vec![parse(json!({"any-of": ["is-json", "contains-json"]}))]), (0, 0));
    assert_eq!(fenced(vec![parse(json!({"all-of": ["is-json", "contains-json"]}))]), (1, 0));
    assert_eq!(fenced(vec![Assertion { kind: AssertionKind::Content, ..is_json() }]), (0, 0));
}

#[test]
fn choice_options_become_wrong_labels() {
    let choice = parse(json!({"choice": {"options": ["low", "normal", "high"], "equals": "high"}}));
    let found = audit_all(&[case("a", "High.", vec![choice])]);
    let mut labels = mutant_texts(&found, Mutation::WrongLabel);
    labels.sort_unstable();
    assert_eq!(labels, ["low", "normal"]);
    assert_eq!(found.caught_share(), Some(1.0));
}

#[test]
fn refusal_mutant_is_caught_for_every_seed() {
    let weak = || case("a", "Rome lies on the Tiber.", vec![not_refusal()]);
    for seed in 0..50 {
        assert_eq!(audit_set(&[weak()], &[weak()], seed).cases[0].caught_count(), 1, "seed {seed}");
    }
}

#[test]
fn duplicate_questions_are_grouped() {
    let case_with_prompt = |id: &str, prompt: &str, reference: &str| Case {
        request: Request::from_prompt(prompt),
        ..case(id, reference, vec![contains("")])
    };
    let cases = [
        case_with_prompt("a", "Capital of France?", "Paris"),
        case_with_prompt("b", "What is C++?", "A language"),
        case_with_prompt("c", "capital  of france", "paris."),
        case_with_prompt("d", "What is C?", "A language"),
        case_with_prompt("e", "Capital of FRANCE", "Lyon"),
    ];
    let group = |ids: &[&str], same_reference| DuplicateGroup {
        cases: ids.iter().map(|id| (*id).to_owned()).collect(),
        has_same_reference: same_reference,
    };
    assert_eq!(audit_all(&cases).duplicates, [group(&["a", "c", "e"], false)]);
    assert_eq!(audit_all(&cases[..4]).duplicates, [group(&["a", "c"], true)]);
    // An answer to the same question is not a wrong answer either.
    let twice = [case_with_prompt("a", "q", "left"), case_with_prompt("b", "Q", "right")];
    assert!(mutant_texts(&audit_all(&twice), Mutation::OtherAnswer).is_empty());
}

fn any_reference() -> impl Strategy<Value = String> {
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
    /// For any references: the same seed makes the same mutants, none equals the reference or another mutant,
    /// and nothing panics.
    #[test]
    fn mutant_invariants_hold_for_any_references(
        references in prop::collection::vec(any_reference(), 1..8), seed in any::<u64>(),
    ) {
        let cases: Vec<Case> = (0..).zip(&references)
            .map(|(n, text): (i32, _)| case(&n.to_string(), text, vec![is_json(), contains("")]))
            .collect();
        let factory = MutantFactory::of(&cases, seed);
        for case in &cases {
            let mutant_set = factory.make_mutants(case);
            prop_assert_eq!(&mutant_set, &MutantFactory::of(&cases, seed).make_mutants(case));
            let mut forms: Vec<String> = mutant_set.mutants.iter().map(|mutant| normalize(&mutant.text)).collect();
            forms.push(normalize(case.reference.as_deref().unwrap_or_default()));
            forms.sort();
            let count = forms.len();
            forms.dedup();
            prop_assert_eq!(forms.len(), count);
            for mutation in Mutation::ALL {
                let made = mutant_set.mutants.iter().any(|mutant| mutant.mutation == mutation);
                prop_assert!(made || mutant_set.left_out.iter().any(|(left, _)| *left == mutation), "{}", mutation);
            }
        }
        audit_all(&cases);
    }
}
