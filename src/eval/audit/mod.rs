//! Audits a golden set: each reference must pass its own assertions, and wrong answers made from it must
//! fail. It depends on the assertions and cases of its parent module.
//!
//! No model is called, so checks that need a real call (cost, latency, tool calls) neither pass nor fail;
//! they are counted as left out.

mod duplicates;
mod json_mutations;
mod mutant;
mod mutant_factory;
mod normalize;
#[cfg(test)]
mod tests;
mod text_mutations;

use mutant_factory::MutantFactory;
pub(crate) use {
    duplicates::DuplicateGroup,
    mutant::{MutantOmission, Mutation},
};

use super::{Assertion, AssertionKind, AssertionResult, Case, Digest, GradableAnswer, Verdict};

#[derive(Clone, Debug)]
pub(crate) struct AuditReport {
    /// In set order.
    pub cases: Vec<CaseAudit>,
    pub duplicates: Vec<DuplicateGroup>,
}

#[derive(Clone, Debug)]
pub(crate) struct CaseAudit {
    pub case: String,
    pub digest: Digest,
    pub reference: ReferenceVerdict,
    pub mutants: Vec<MutantResult>,
    /// Mutations without a usable mutant, each with the reason.
    pub left_out: Vec<(Mutation, MutantOmission)>,
    pub assertions: Vec<AssertionAudit>,
}

/// The verdict of a case's own assertions on its reference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReferenceVerdict {
    /// The case has no reference.
    Missing,
    /// Only a real call could be graded.
    Unscored,
    Passes,
    Fails(Vec<AssertionResult>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MutantResult {
    pub mutation: Mutation,
    pub text: String,
    pub is_caught: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AssertionAudit {
    pub name: String,
    /// Unless this is a pass, the assertion is ignored for mutants.
    pub reference_verdict: Verdict,
    pub caught_count: usize,
    /// Mutants that no other assertion caught.
    pub caught_alone: usize,
}

impl CaseAudit {
    pub(crate) fn caught_count(&self) -> usize {
        self.mutants.iter().filter(|mutant| mutant.is_caught).count()
    }

    pub(crate) fn missed_mutants(&self) -> impl Iterator<Item = &MutantResult> {
        self.mutants.iter().filter(|mutant| !mutant.is_caught)
    }

    /// Whether there are mutants and the assertions caught none of them.
    pub(crate) fn passes_anything(&self) -> bool {
        !self.mutants.is_empty() && self.caught_count() == 0
    }
}

impl AuditReport {
    /// Number of mutants, and how many of them were caught, for one mutation or for all.
    pub(crate) fn count_mutants(&self, mutation: Option<Mutation>) -> (usize, usize) {
        let mutants = || {
            let all = self.cases.iter().flat_map(|case| &case.mutants);
            all.filter(|mutant| mutation.is_none_or(|mutation| mutant.mutation == mutation))
        };
        (mutants().count(), mutants().filter(|mutant| mutant.is_caught).count())
    }

    /// 0 to 1; `None` without mutants.
    pub(crate) fn caught_share(&self) -> Option<f64> {
        let (total, caught) = self.count_mutants(None);
        (total > 0).then(|| caught as f64 / total as f64)
    }

    pub(crate) fn failing_references(&self) -> impl Iterator<Item = (&CaseAudit, &[AssertionResult])> {
        self.cases.iter().filter_map(|case| match &case.reference {
            ReferenceVerdict::Fails(failed) => Some((case, failed.as_slice())),
            ReferenceVerdict::Missing | ReferenceVerdict::Unscored | ReferenceVerdict::Passes => None,
        })
    }

    pub(crate) fn case_ids_with(&self, verdict: &ReferenceVerdict) -> Vec<&str> {
        self.cases.iter().filter(|case| case.reference == *verdict).map(|case| case.case.as_str()).collect()
    }
}

/// Audits the chosen cases; the rest of the set only supplies wrong answers. The same seed produces
/// the same mutants.
pub(crate) fn audit_set(set: &[Case], chosen: &[Case], seed: u64) -> AuditReport {
    let factory = MutantFactory::of(set, seed);
    let cases = chosen.iter().map(|case| audit_case(case, &factory)).collect();
    AuditReport { cases, duplicates: duplicates::find_duplicates(chosen) }
}

fn audit_case(case: &Case, factory: &MutantFactory<'_>) -> CaseAudit {
    let mut audit = CaseAudit {
        case: case.metadata.id.to_string(),
        digest: case.metadata.digest,
        reference: ReferenceVerdict::Missing,
        mutants: Vec::new(),
        left_out: Vec::new(),
        assertions: Vec::new(),
    };
    let Some(reference) = &case.reference else { return audit };
    let results = grade_text(case, reference);
    audit.assertions = results
        .iter()
        .map(|result| AssertionAudit {
            name: result.name.clone(),
            reference_verdict: result.verdict,
            caught_count: 0,
            caught_alone: 0,
        })
        .collect();
    let failed: Vec<AssertionResult> =
        results.iter().filter(|result| result.verdict == Verdict::Fail).cloned().collect();
    audit.reference = match results.iter().any(|result| result.verdict == Verdict::Pass) {
        _ if !failed.is_empty() => ReferenceVerdict::Fails(failed),
        true => ReferenceVerdict::Passes,
        false => ReferenceVerdict::Unscored,
    };
    if audit.reference == ReferenceVerdict::Unscored {
        return audit;
    }
    let mutant_set = factory.make_mutants(case);
    audit.left_out = mutant_set.left_out;
    for mutant in mutant_set.mutants {
        let results = grade_text(case, &mutant.text);
        let catching: Vec<usize> = results
            .iter()
            .zip(&audit.assertions)
            .enumerate()
            .filter(|(_, (result, assertion))| {
                result.verdict == Verdict::Fail && assertion.reference_verdict == Verdict::Pass
            })
            .map(|(index, _)| index)
            .collect();
        for index in &catching {
            if let Some(assertion) = audit.assertions.get_mut(*index) {
                assertion.caught_count += 1;
                assertion.caught_alone += usize::from(catching.len() == 1);
            }
        }
        let is_caught = !catching.is_empty();
        if !is_caught && can_be_caught(case, &results, mutant.mutation) {
            audit.left_out.push((mutant.mutation, MutantOmission::NeedsModelCall));
        } else {
            audit.mutants.push(MutantResult { mutation: mutant.mutation, text: mutant.text, is_caught });
        }
    }
    audit
}

fn grade_text(case: &Case, text: &str) -> Vec<AssertionResult> {
    case.assertions.iter().map(|assertion| assertion.grade(&GradableAnswer::text(text))).collect()
}

/// Whether an unscored assertion might have caught the mutant: one about content or, for a truncated answer,
/// one about the finish reason.
fn can_be_caught(case: &Case, results: &[AssertionResult], mutation: Mutation) -> bool {
    let is_relevant = |assertion: &Assertion| {
        assertion.kind == AssertionKind::Content
            || assertion.check.detects_truncation() && mutation == Mutation::Cut
    };
    let is_unscored = |result: &AssertionResult| result.verdict == Verdict::Unscored;
    case.assertions
        .iter()
        .zip(results)
        .any(|(assertion, result)| is_unscored(result) && is_relevant(assertion))
}
