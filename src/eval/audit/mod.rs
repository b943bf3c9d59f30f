//! Is the golden set itself any good? Every right answer must pass its own assertions, and wrong ones made of it must fail.
//!
//! No model is asked, so what only a real call can answer (what it cost, how long it took, which tools it called) is
//! neither passed nor failed here: it is counted as left out.

mod duplicates;
mod mutant;
mod normal;
mod prose;
mod stock;
mod structure;
#[cfg(test)]
mod tests;

use stock::Stock;
pub use {duplicates::Duplicates, mutant::Mutation};

use super::{Assertion, AssertionResult, Case, Check, Digest, Graded, Kind, Verdict};

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Every case, in the set's order.
    pub cases: Vec<CaseAudit>,
    /// Cases that ask the same.
    pub duplicates: Vec<Duplicates>,
}

/// What it found of a case.
#[derive(Clone, Debug)]
pub struct CaseAudit {
    /// The case's id.
    pub case: String,
    /// The case's digest.
    pub digest: Digest,
    /// What became of its reference.
    pub reference: Right,
    /// The mutants that count.
    pub mutants: Vec<Judged>,
    /// The mutants that do not, and why; one entry for each.
    pub left_out: Vec<(Mutation, &'static str)>,
    /// Its assertions, in their order.
    pub assertions: Vec<Weighed>,
}

/// What became of a reference under its own assertions.
#[derive(Clone, Debug, PartialEq)]
pub enum Right {
    /// There is none, and nothing to audit by.
    None,
    /// There is, but only a real call could say anything about it.
    Silent,
    /// It passes.
    Passes,
    /// These fail.
    Fails(Vec<AssertionResult>),
}

/// A wrong answer, and whether anybody noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How it was made.
    pub mutation: Mutation,
    /// The answer.
    pub text: String,
    /// Whether an assertion failed it.
    pub caught: bool,
}

/// What an assertion is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// Its name as it is written.
    pub name: String,
    /// What it says of the reference; where that is not a pass, it does not judge the mutants.
    pub of_reference: Verdict,
    /// How many mutants it caught.
    pub caught: usize,
    /// How many of these no other assertion caught.
    pub alone: usize,
}

impl CaseAudit {
    /// How many mutants were caught.
    pub fn caught(&self) -> usize {
        self.mutants.iter().filter(|mutant| mutant.caught).count()
    }

    /// The mutants that nobody noticed.
    pub fn missed(&self) -> impl Iterator<Item = &Judged> {
        self.mutants.iter().filter(|mutant| !mutant.caught)
    }

    /// Whether nothing that was tried fails it.
    pub fn passes_anything(&self) -> bool {
        !self.mutants.is_empty() && self.caught() == 0
    }
}

impl Audit {
    /// How many mutants count, and how many of them were caught: of one mutation, or of all.
    pub fn count(&self, mutation: Option<Mutation>) -> (usize, usize) {
        let mutants = || {
            let all = self.cases.iter().flat_map(|case| &case.mutants);
            all.filter(|mutant| mutation.is_none_or(|mutation| mutant.mutation == mutation))
        };
        (mutants().count(), mutants().filter(|mutant| mutant.caught).count())
    }

    /// The share of mutants that were caught, 0 to 1; `None` where none counts.
    pub fn share(&self) -> Option<f64> {
        let (counted, caught) = self.count(None);
        (counted > 0).then(|| caught as f64 / counted as f64)
    }

    /// The cases whose reference fails its own assertions.
    pub fn failing(&self) -> impl Iterator<Item = (&CaseAudit, &[AssertionResult])> {
        self.cases.iter().filter_map(|case| match &case.reference {
            Right::Fails(failed) => Some((case, failed.as_slice())),
            Right::None | Right::Silent | Right::Passes => None,
        })
    }

    /// The ids of the cases of which nothing can be said.
    pub fn unauditable(&self, why: &Right) -> Vec<&str> {
        self.cases.iter().filter(|case| case.reference == *why).map(|case| case.case.as_str()).collect()
    }
}

/// Audits the cases that are chosen of a set; the others lend their answers. The same seed makes the same mutants.
pub fn audit(set: &[Case], chosen: &[Case], seed: u64) -> Audit {
    let stock = Stock::of(set, seed);
    let cases = chosen.iter().map(|case| of_case(case, &stock)).collect();
    Audit { cases, duplicates: duplicates::find(chosen) }
}

fn of_case(case: &Case, stock: &Stock<'_>) -> CaseAudit {
    let mut found = CaseAudit {
        case: case.head.id.to_string(),
        digest: case.head.digest,
        reference: Right::None,
        mutants: Vec::new(),
        left_out: Vec::new(),
        assertions: Vec::new(),
    };
    let Some(reference) = &case.reference else { return found };
    let results = grade(case, reference);
    found.assertions = results
        .iter()
        .map(|result| Weighed {
            name: result.name.clone(),
            of_reference: result.verdict,
            caught: 0,
            alone: 0,
        })
        .collect();
    let failed: Vec<AssertionResult> =
        results.iter().filter(|result| result.verdict == Verdict::Fail).cloned().collect();
    found.reference = match results.iter().any(|result| result.verdict == Verdict::Pass) {
        _ if !failed.is_empty() => Right::Fails(failed),
        true => Right::Passes,
        false => Right::Silent,
    };
    if found.reference == Right::Silent {
        return found;
    }
    let brood = stock.mutants(case);
    found.left_out = brood.left_out;
    for mutant in brood.mutants {
        let results = grade(case, &mutant.text);
        let catchers: Vec<usize> = results
            .iter()
            .zip(&found.assertions)
            .enumerate()
            .filter(|(_, (result, own))| result.verdict == Verdict::Fail && own.of_reference == Verdict::Pass)
            .map(|(at, _)| at)
            .collect();
        for at in &catchers {
            if let Some(assertion) = found.assertions.get_mut(*at) {
                assertion.caught += 1;
                assertion.alone += usize::from(catchers.len() == 1);
            }
        }
        let caught = !catchers.is_empty();
        if !caught && could_be_caught(case, &results, mutant.mutation) {
            found.left_out.push((mutant.mutation, "only a real call can say whether it is caught"));
        } else {
            found.mutants.push(Judged { mutation: mutant.mutation, text: mutant.text, caught });
        }
    }
    found
}

fn grade(case: &Case, text: &str) -> Vec<AssertionResult> {
    case.assertions.iter().map(|assertion| assertion.grade(&Graded::text(text))).collect()
}

/// Whether an assertion that has nothing to say here might have caught it: one about what is said, or, for an answer that
/// breaks off, one about why it ended.
fn could_be_caught(case: &Case, results: &[AssertionResult], mutation: Mutation) -> bool {
    let tells = |assertion: &Assertion| {
        assertion.kind == Kind::Content
            || matches!(assertion.check, Check::Finish(_)) && mutation == Mutation::Cut
    };
    let silent = |result: &AssertionResult| result.verdict == Verdict::Unscored;
    case.assertions.iter().zip(results).any(|(assertion, result)| silent(result) && tells(assertion))
}
