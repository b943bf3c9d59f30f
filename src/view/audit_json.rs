use serde_json::{Map, Value, json};

use super::audit::{
    AuditFailure, AuditedSet, count_assertion_usage, count_skipped_by_reason, describe_omission,
};
use crate::eval::{AssertionResult, AuditReport, CaseAudit, Mutation, ReferenceVerdict, Verdict};

/// The object `slalom.audit/1`: all figures of the tables, and every case.
pub(crate) fn audit_json(audited: &[AuditedSet], min_caught: f64, seed: u64, exit_code: u8) -> Value {
    let sets: Vec<Value> = audited.iter().map(set_json).collect();
    json!({"schema": "slalom.audit/1", "min_caught": min_caught, "seed": seed, "sets": sets, "exit_code": exit_code})
}

fn set_json(audited: &AuditedSet) -> Value {
    let AuditedSet { set, audit, failures } = audited;
    let assertions: Map<String, Value> = count_assertion_usage(audit)
        .into_iter()
        .map(|(name, found)| {
            let figures = json!({
                "uses": found.uses, "left_out": found.unscored, "tried": found.mutants, "caught": found.caught, "share": caught_share(found.mutants, found.caught),
                "caught_alone": found.caught_only_here, "idle": found.caught_none,
            });
            (name.to_owned(), figures)
        })
        .collect();
    let duplicates = audit
        .duplicates
        .iter()
        .map(|group| json!({"cases": group.cases, "same_reference": group.has_same_reference}));
    let by_mutation: Map<String, Value> = Mutation::ALL
        .into_iter()
        .map(|m| (m.name().to_owned(), mutant_counts_json(audit, Some(m))))
        .collect();
    json!({
        "set": {"name": set.name, "description": set.description, "digest": set.digest, "cases": audit.cases.len()},
        "references": {
            "passed": audit.case_ids_with(&ReferenceVerdict::Passes).len(), "failed": audit.failing_references().count(),
            "missing": audit.case_ids_with(&ReferenceVerdict::Missing), "unscored": audit.case_ids_with(&ReferenceVerdict::Unscored),
        },
        "mutants": mutant_counts_json(audit, None), "mutations": by_mutation, "assertions": assertions,
        "cases": audit.cases.iter().map(case_json).collect::<Vec<_>>(),
        "duplicates": duplicates.collect::<Vec<_>>(),
        "passed": failures.is_empty(), "reasons": failures.iter().map(AuditFailure::describe).collect::<Vec<_>>(),
        "codes": failures.iter().map(AuditFailure::code).collect::<Vec<_>>(),
    })
}

fn mutant_counts_json(audit: &AuditReport, mutation: Option<Mutation>) -> Value {
    let (tried, caught) = audit.count_mutants(mutation);
    let share = caught_share(tried, caught);
    let kinds = Mutation::ALL.into_iter().filter(|kind| mutation.is_none_or(|mutation| mutation == *kind));
    let skipped: Vec<Value> = kinds
        .flat_map(|kind| count_skipped_by_reason(audit, kind))
        .map(|(reason, (why, count))| json!({"reason": reason, "code": why.code(), "count": count}))
        .collect();
    match mutation {
        Some(_) => json!({"tried": tried, "caught": caught, "share": share, "left_out": skipped}),
        None => json!({"tried": tried, "caught": caught, "share": share}),
    }
}

fn caught_share(tried: usize, caught: usize) -> Option<f64> {
    (tried > 0).then(|| caught as f64 / tried as f64)
}

fn case_json(case: &CaseAudit) -> Value {
    let passed = |verdict| match verdict {
        Verdict::Pass => Some(true),
        Verdict::Fail => Some(false),
        Verdict::Unscored => None,
    };
    let failed: &[AssertionResult] = match &case.reference {
        ReferenceVerdict::Fails(failed) => failed,
        ReferenceVerdict::Missing | ReferenceVerdict::Unscored | ReferenceVerdict::Passes => &[],
    };
    let reference = match &case.reference {
        ReferenceVerdict::Missing => "missing",
        ReferenceVerdict::Unscored => "unscored",
        ReferenceVerdict::Passes => "pass",
        ReferenceVerdict::Fails(_) => "fail",
    };
    let assertions = case.assertions.iter().map(|assertion| {
        json!({
            "name": assertion.name, "reference_passed": passed(assertion.reference_verdict),
            "caught": assertion.caught_count, "caught_alone": assertion.caught_alone,
        })
    });
    let missed =
        case.missed_mutants().map(|mutant| json!({"mutation": mutant.mutation, "text": mutant.text}));
    let left_out = case.left_out.iter().map(|(mutation, why)| {
        json!({"mutation": mutation, "reason": describe_omission(*mutation, *why), "code": why.code()})
    });
    json!({
        "case": case.case, "digest": case.digest, "reference": reference,
        "failed": failed.iter().map(|f| json!({"name": f.name, "reason": f.reason})).collect::<Vec<_>>(),
        "tried": case.mutants.len(), "caught": case.caught_count(), "share": caught_share(case.mutants.len(), case.caught_count()), "passes_anything": case.passes_anything(),
        "missed": missed.collect::<Vec<_>>(), "left_out": left_out.collect::<Vec<_>>(),
        "assertions": assertions.collect::<Vec<_>>(),
    })
}
