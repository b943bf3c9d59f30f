//! Is the golden set itself any good? Every right answer must pass its own assertions, and wrong ones made of it must fail.
//!
//! No model is asked, so what only a real call can answer (what it cost, how long it took, which tools it called) is
//! neither passed nor failed here: it is counted as left out.

mod duplicates;
mod json_mutations;
mod mutant;
mod mutant_factory;
mod normalize;
#[cfg(test)]
mod tests;
mod text_mutations;

use mutant_factory::MutantFactory;
pub use {duplicates::DuplicateGroup, mutant::Mutation};

use super::{Assertion, AssertionKind, AssertionResult, Case, Check, Digest, GradableAnswer, Verdict};

/// What an audit found.
#[derive(Clone, Debug)]
pub struct AuditReport {
    /// Every case, in the set's order.
    pub cases: Vec<CaseAudit>,
    /// Cases that ask the same.
    pub duplicates: Vec<DuplicateGroup>,
}

/// What it found of a case.
#[derive(Clone, Debug)]
pub struct CaseAudit {
    /// The case's id.
    pub case: String,
    /// The case's digest.
    pub digest: Digest,
    /// What became of its reference.
    pub reference: ReferenceVerdict,
    /// The mutants that count.
    pub mutants: Vec<MutantResult>,
    /// The mutants that do not, and why; one entry for each.
    pub left_out: Vec<(Mutation, &'static str)>,
    /// Its assertions, in their order.
    pub assertions: Vec<AssertionAudit>,
}

/// What became of a reference under its own assertions.
#[derive(Clone, Debug, PartialEq)]
pub enum ReferenceVerdict {
    /// There is none, and nothing to audit by.
    Missing,
    /// There is, but only a real call could say anything about it.
    Unscored,
    /// It passes.
    Passes,
    /// These fail.
    Fails(Vec<AssertionResult>),
}

/// A wrong answer, and whether anybody noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutantResult {
    /// How it was made.
    pub mutation: Mutation,
    /// The answer.
    pub text: String,
    /// Whether an assertion failed it.
    pub is_caught: bool,
}

/// What an assertion is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionAudit {
    /// Its name as it is written.
    pub name: String,
    /// What it says of the reference; where that is not a pass, it does not judge the mutants.
    pub reference_verdict: Verdict,
    /// How many mutants it caught.
    pub caught_count: usize,
    /// How many of these no other assertion caught.
    pub caught_alone: usize,
}

impl CaseAudit {
    /// How many mutants were caught.
    pub fn caught_count(&self) -> usize {
        self.mutants.iter().filter(|mutant| mutant.is_caught).count()
    }

    /// The mutants that nobody noticed.
    pub fn missed_mutants(&self) -> impl Iterator<Item = &MutantResult> {
        self.mutants.iter().filter(|mutant| !mutant.is_caught)
    }

    /// Whether nothing that was tried fails it.
    pub fn passes_anything(&self) -> bool {
        !self.mutants.is_empty() && self.caught_count() == 0
    }
}

impl AuditReport {
    /// How many mutants count, and how many of them were caught: of one mutation, or of all.
    pub fn count_mutants(&self, mutation: Option<Mutation>) -> (usize, usize) {
        let mutants = || {
            let all = self.cases.iter().flat_map(|case| &case.mutants);
            all.filter(|mutant| mutation.is_none_or(|mutation| mutant.mutation == mutation))
        };
        (mutants().count(), mutants().filter(|mutant| mutant.is_caught).count())
    }

    /// The share of mutants that were caught, 0 to 1; `None` where none counts.
    pub fn caught_share(&self) -> Option<f64> {
        let (counted, caught) = self.count_mutants(None);
        (counted > 0).then(|| caught as f64 / counted as f64)
    }

    /// The cases whose reference fails its own assertions.
    pub fn failing_references(&self) -> impl Iterator<Item = (&CaseAudit, &[AssertionResult])> {
        self.cases.iter().filter_map(|case| match &case.reference {
            ReferenceVerdict::Fails(failed) => Some((case, failed.as_slice())),
            ReferenceVerdict::Missing | ReferenceVerdict::Unscored | ReferenceVerdict::Passes => None,
        })
    }

    /// The ids of the cases of which nothing can be said.
    pub fn case_ids_with(&self, why: &ReferenceVerdict) -> Vec<&str> {
        self.cases.iter().filter(|case| case.reference == *why).map(|case| case.case.as_str()).collect()
    }
}

/// Audits the cases that are chosen of a set; the others lend their answers. The same seed makes the same mutants.
pub fn audit_set(set: &[Case], chosen: &[Case], seed: u64) -> AuditReport {
    let stock = MutantFactory::of(set, seed);
    let cases = chosen.iter().map(|case| audit_case(case, &stock)).collect();
    AuditReport { cases, duplicates: duplicates::find_duplicates(chosen) }
}

fn audit_case(case: &Case, stock: &MutantFactory<'_>) -> CaseAudit {
    let mut found = CaseAudit {
        case: case.metadata.id.to_string(),
        digest: case.metadata.digest,
        reference: ReferenceVerdict::Missing,
        mutants: Vec::new(),
        left_out: Vec::new(),
        assertions: Vec::new(),
    };
    let Some(reference) = &case.reference else { return found };
    let results = grade_text(case, reference);
    found.assertions = results
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
    found.reference = match results.iter().any(|result| result.verdict == Verdict::Pass) {
        _ if !failed.is_empty() => ReferenceVerdict::Fails(failed),
        true => ReferenceVerdict::Passes,
        false => ReferenceVerdict::Unscored,
    };
    if found.reference == ReferenceVerdict::Unscored {
        return found;
    }
    let brood = stock.make_mutants(case);
    found.left_out = brood.left_out;
    for mutant in brood.mutants {
        let results = grade_text(case, &mutant.text);
        let catchers: Vec<usize> = results
            .iter()
            .zip(&found.assertions)
            .enumerate()
            .filter(|(_, (result, own))| {
                result.verdict == Verdict::Fail && own.reference_verdict == Verdict::Pass
            })
            .map(|(at, _)| at)
            .collect();
        for at in &catchers {
            if let Some(assertion) = found.assertions.get_mut(*at) {
                assertion.caught_count += 1;
                assertion.caught_alone += usize::from(catchers.len() == 1);
            }
        }
        let caught = !catchers.is_empty();
        if !caught && can_be_caught(case, &results, mutant.mutation) {
            found.left_out.push((mutant.mutation, "only a real call can say whether it is caught"));
        } else {
            found.mutants.push(MutantResult {
                mutation: mutant.mutation,
                text: mutant.text,
                is_caught: caught,
            });
        }
    }
    found
}

fn grade_text(case: &Case, text: &str) -> Vec<AssertionResult> {
    case.assertions.iter().map(|assertion| assertion.grade(&GradableAnswer::text(text))).collect()
}

/// Whether an assertion that has nothing to say here might have caught it: one about what is said, or, for an answer that
/// breaks off, one about why it ended.
fn can_be_caught(case: &Case, results: &[AssertionResult], mutation: Mutation) -> bool {
    let tells = |assertion: &Assertion| {
        assertion.kind == AssertionKind::Content
            || matches!(assertion.check, Check::FinishReason(_)) && mutation == Mutation::Cut
    };
    let silent = |result: &AssertionResult| result.verdict == Verdict::Unscored;
    case.assertions.iter().zip(results).any(|(assertion, result)| silent(result) && tells(assertion))
}
