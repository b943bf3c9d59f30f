//! An audit as JSON.

use serde_json::{Map, Value, json};

use super::audit::{Audited, left_out, uses};
use crate::eval::{AssertionResult, Audit, CaseAudit, Mutation, Right, Verdict};

/// `slalom.audit/1`: every figure of the tables, and every case.
pub fn audit_json(audited: &[Audited], min_caught: f64, seed: u64, exit_code: u8) -> Value {
    let sets: Vec<Value> = audited.iter().map(of_set).collect();
    json!({"schema": "slalom.audit/1", "min_caught": min_caught, "seed": seed, "sets": sets, "exit_code": exit_code})
}

fn of_set(audited: &Audited) -> Value {
    let Audited { set, audit, reasons } = audited;
    let assertions: Map<String, Value> = uses(audit)
        .into_iter()
        .map(|(name, found)| {
            let figures = json!({
                "uses": found.uses, "left_out": found.silent, "tried": found.tried, "caught": found.caught, "share": share(found.tried, found.caught),
                "caught_alone": found.alone, "idle": found.idle,
            });
            (name.to_owned(), figures)
        })
        .collect();
    let duplicates = audit
        .duplicates
        .iter()
        .map(|group| json!({"cases": group.cases, "same_reference": group.same_reference}));
    let by_mutation: Map<String, Value> =
        Mutation::ALL.into_iter().map(|m| (m.name().to_owned(), counts(audit, Some(m)))).collect();
    json!({
        "set": {"name": set.name, "description": set.description, "digest": set.digest, "cases": audit.cases.len()},
        "references": {
            "passed": audit.unauditable(&Right::Passes).len(), "failed": audit.failing().count(),
            "missing": audit.unauditable(&Right::None), "unscored": audit.unauditable(&Right::Silent),
        },
        "mutants": counts(audit, None), "mutations": by_mutation, "assertions": assertions,
        "cases": audit.cases.iter().map(of_case).collect::<Vec<_>>(),
        "duplicates": duplicates.collect::<Vec<_>>(),
        "passed": reasons.is_empty(), "reasons": reasons,
    })
}

fn counts(audit: &Audit, mutation: Option<Mutation>) -> Value {
    let (tried, caught) = audit.count(mutation);
    let share = share(tried, caught);
    let kinds = Mutation::ALL.into_iter().filter(|kind| mutation.is_none_or(|mutation| mutation == *kind));
    let left: Vec<Value> = kinds
        .flat_map(|kind| left_out(audit, kind))
        .map(|(reason, count)| json!({"reason": reason, "count": count}))
        .collect();
    match mutation {
        Some(_) => json!({"tried": tried, "caught": caught, "share": share, "left_out": left}),
        None => json!({"tried": tried, "caught": caught, "share": share}),
    }
}

fn share(tried: usize, caught: usize) -> Option<f64> {
    (tried > 0).then(|| caught as f64 / tried as f64)
}

fn of_case(case: &CaseAudit) -> Value {
    let passed = |verdict| match verdict {
        Verdict::Pass => Some(true),
        Verdict::Fail => Some(false),
        Verdict::Unscored => None,
    };
    let failed: &[AssertionResult] = match &case.reference {
        Right::Fails(failed) => failed,
        Right::None | Right::Silent | Right::Passes => &[],
    };
    let reference = match &case.reference {
        Right::None => "missing",
        Right::Silent => "unscored",
        Right::Passes => "pass",
        Right::Fails(_) => "fail",
    };
    let assertions = case.assertions.iter().map(|assertion| {
        json!({
            "name": assertion.name, "reference_passed": passed(assertion.of_reference),
            "caught": assertion.caught, "caught_alone": assertion.alone,
        })
    });
    let missed = case.missed().map(|mutant| json!({"mutation": mutant.mutation, "text": mutant.text}));
    let left_out =
        case.left_out.iter().map(|(mutation, reason)| json!({"mutation": mutation, "reason": reason}));
    json!({
        "case": case.case, "digest": case.digest, "reference": reference,
        "failed": failed.iter().map(|f| json!({"name": f.name, "reason": f.reason})).collect::<Vec<_>>(),
        "tried": case.mutants.len(), "caught": case.caught(), "share": share(case.mutants.len(), case.caught()), "passes_anything": case.passes_anything(),
        "missed": missed.collect::<Vec<_>>(), "left_out": left_out.collect::<Vec<_>>(),
        "assertions": assertions.collect::<Vec<_>>(),
    })
}
