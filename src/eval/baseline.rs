//! What challengers are compared with, and how each stands to it.

use std::collections::{HashMap, HashSet};

use super::statistics::{
    BootstrapOptions, CasePair, CompareError, CompareOptions, ComparisonMetric, ComparisonVerdict,
    ConfidenceLevel, MinPass, PairedComparison, RepeatOutcome, compare_paired,
};
use super::{CaseMetadata, CaseStats, Digest, Gate};

/// Where the chance of bootstraps begins. It is always the same, so that the same results always have the same interval.
pub(super) const BOOTSTRAP_SEED: u64 = 0x5eed;

/// What one subject answered, to compare others with.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The subject's name.
    pub subject: String,
    /// Where its answers come from.
    pub origin: BaselineOrigin,
    /// Its cases, each with how its answers did.
    pub cases: Vec<CaseOutcomes>,
}

/// Where a baseline's answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineOrigin {
    /// From the run that they are compared in.
    SameRun,
    /// From an earlier run, with this id.
    Run(String),
    /// From a file, with this path.
    File(String),
    /// From so many earlier runs.
    History(usize),
}

/// One case, and how a subject's answers to it did: one, or one a repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseOutcomes {
    /// The case's id.
    pub case_id: Box<str>,
    /// The case's digest.
    pub digest: Digest,
    /// How the answers did.
    pub outcomes: Vec<RepeatOutcome>,
}

impl CaseOutcomes {
    /// A subject's results of these cases, case by case. The results of a case stand next to each other.
    pub fn group_by_case(cases: &[CaseMetadata], results: &[CaseStats]) -> Vec<Self> {
        let outcome = |result: &CaseStats| RepeatOutcome { verdict: result.verdict, score: result.score() };
        let answered = |of: &[CaseStats]| {
            let case = cases.get(of.first()?.case_index as usize)?;
            let outcomes = of.iter().map(outcome).collect();
            Some(Self { case_id: case.id.clone(), digest: case.digest, outcomes })
        };
        results.chunk_by(|a, b| a.case_index == b.case_index).filter_map(answered).collect()
    }
}

/// How one subject stands to a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineComparison {
    /// The baseline's name.
    pub baseline: String,
    /// Where its answers come from.
    pub origin: BaselineOrigin,
    /// The other subject's name.
    pub challenger: String,
    /// What is compared.
    pub metric: ComparisonMetric,
    /// The level of the interval.
    pub level: ConfidenceLevel,
    /// What was found.
    pub result: Result<PairedComparison, CompareError>,
    /// Ids of cases that the baseline never saw, or saw otherwise.
    pub unpaired: Vec<String>,
    /// Ids of the baseline's cases that the set no longer has, or has otherwise.
    pub removed: Vec<String>,
}

impl BaselineComparison {
    /// Whether the very same answers stand on both sides.
    pub fn is_self_comparison(&self) -> bool {
        self.origin == BaselineOrigin::SameRun && self.baseline == self.challenger
    }

    /// Whether a subject does worse than it used to.
    pub fn has_drifted(&self) -> bool {
        let is_worse = self.result.as_ref().is_ok_and(|found| found.verdict == ComparisonVerdict::Worse);
        is_worse && matches!(self.origin, BaselineOrigin::History(_))
    }

    /// Whether it found neither a difference nor that there is none.
    pub fn is_unclear(&self) -> bool {
        !self.is_self_comparison()
            && self.result.as_ref().is_ok_and(|found| found.verdict == ComparisonVerdict::Unclear)
    }
}

/// How a comparison is made.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonContext<'a> {
    /// The cases that were run.
    pub cases: &'a [CaseMetadata],
    /// Whether these are all cases of the set.
    pub is_whole_set: bool,
    /// How many of a case's repeats must pass, where that decides.
    pub min_pass: Option<MinPass>,
    /// What the gate says of comparisons.
    pub gate: &'a Gate,
    /// How many challengers there are in all.
    pub challengers: usize,
}

impl ComparisonContext<'_> {
    /// Compares what a subject answered with a baseline.
    pub fn compare(
        &self,
        baseline: &Baseline,
        challenger: &str,
        answered: &[CaseOutcomes],
    ) -> BaselineComparison {
        let metric = self.gate.metric.unwrap_or(ComparisonMetric::PassRate);
        let level = ConfidenceLevel::for_challengers(self.challengers);
        let pairing = CasePairing::match_cases(self.cases, baseline);
        let theirs: HashMap<&str, &CaseOutcomes> = answered.iter().map(|a| (&*a.case_id, a)).collect();
        let pairs: Vec<CasePair<'_>> = pairing
            .pairs
            .iter()
            .map(|(case, own)| CasePair {
                case: &case.id,
                cluster: case.cluster.as_deref(),
                baseline: &own.outcomes,
                // A case that was never begun counts as one that could not be scored.
                challenger: theirs.get(&*case.id).map_or(&[], |answered| &answered.outcomes),
            })
            .collect();
        let terms = CompareOptions {
            metric,
            level,
            min_pass: self.min_pass,
            margin: self.gate.margin,
            max_drop: self.gate.max_drop,
            resampling: BootstrapOptions::with_seed(BOOTSTRAP_SEED),
        };
        BaselineComparison {
            baseline: baseline.subject.clone(),
            origin: baseline.origin.clone(),
            challenger: challenger.to_owned(),
            metric,
            level,
            result: compare_paired(&pairs, &terms),
            unpaired: pairing.unpaired,
            removed: if self.is_whole_set { find_removed_cases(self.cases, baseline) } else { Vec::new() },
        }
    }
}

/// Which cases a baseline has answers to.
#[derive(Debug)]
pub struct CasePairing<'c, 'b> {
    /// Cases, with what the baseline answered.
    pub pairs: Vec<(&'c CaseMetadata, &'b CaseOutcomes)>,
    /// Ids of the other cases.
    pub unpaired: Vec<String>,
}

impl<'c, 'b> CasePairing<'c, 'b> {
    /// Pairs cases by their digests: a case with a new id is the same case, and one that asks for something else is another.
    /// Of cases that are alike, those with the same id belong together. Within one run, ids are enough.
    pub fn match_cases(cases: &'c [CaseMetadata], baseline: &'b Baseline) -> Self {
        let mut found: Vec<Option<&CaseOutcomes>> = vec![None; cases.len()];
        let mut open: HashMap<MatchKey<'_>, Vec<&CaseOutcomes>> = HashMap::new();
        let here = baseline.origin == BaselineOrigin::SameRun;
        let key = |id, digest| if here { MatchKey::Id(id) } else { MatchKey::Digest(digest) };
        for answered in &baseline.cases {
            open.entry(key(&answered.case_id, answered.digest)).or_default().push(answered);
        }
        for by_id in [true, false] {
            for (case, found) in cases.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let Some(alike) = open.get_mut(&key(&case.id, case.digest)) else { continue };
                let at = alike.iter().position(|answered| !by_id || answered.case_id == case.id);
                *found = at.map(|at| alike.remove(at));
            }
        }
        let unpaired = cases.iter().zip(&found).filter(|(_, found)| found.is_none());
        Self {
            unpaired: unpaired.map(|(case, _)| case.id.to_string()).collect(),
            pairs: cases.iter().zip(found).filter_map(|(case, found)| Some((case, found?))).collect(),
        }
    }
}

/// What a case is known by.
#[derive(PartialEq, Eq, Hash)]
enum MatchKey<'a> {
    Id(&'a str),
    Digest(Digest),
}

/// Ids of a baseline's cases that a set no longer has, or has otherwise.
fn find_removed_cases(set: &[CaseMetadata], baseline: &Baseline) -> Vec<String> {
    let digests: HashSet<Digest> = set.iter().map(|case| case.digest).collect();
    let left = baseline.cases.iter().filter(|answered| !digests.contains(&answered.digest));
    left.filter(|_| baseline.origin != BaselineOrigin::SameRun)
        .map(|answered| answered.case_id.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Verdict;
    use crate::eval::case;

    fn case(id: &str, digest: &str) -> CaseMetadata {
        CaseMetadata { digest: Digest::of([digest]), ..case::case(id).metadata }
    }

    fn case_outcomes(case: &str, digest: &str, verdict: Verdict) -> CaseOutcomes {
        let score = (verdict != Verdict::Unscored).then_some(f64::from(u8::from(verdict == Verdict::Pass)));
        CaseOutcomes {
            case_id: case.into(),
            digest: Digest::of([digest]),
            outcomes: vec![RepeatOutcome { verdict, score }],
        }
    }

    #[test]
    fn cases_are_paired_by_digest() {
        let cases = [case("new-name", "d1"), case("b", "d2x"), case("twin-2", "d3"), case("twin-1", "d3")];
        let pass = |id, digest| case_outcomes(id, digest, Verdict::Pass);
        let baseline = Baseline {
            subject: "m".into(),
            origin: BaselineOrigin::Run("r".into()),
            cases: vec![pass("a", "d1"), pass("b", "d2"), pass("twin-1", "d3"), pass("twin-2", "d3")],
        };
        let pairing = CasePairing::match_cases(&cases, &baseline);
        let pairs: Vec<_> = pairing.pairs.iter().map(|(case, own)| (&*case.id, &*own.case_id)).collect();
        assert_eq!(pairs, [("new-name", "a"), ("twin-2", "twin-2"), ("twin-1", "twin-1")]);
        assert_eq!(pairing.unpaired, ["b"]);
        assert_eq!(find_removed_cases(&cases, &baseline), ["b"]);
    }

    #[test]
    fn unscored_case_is_left_out_of_comparison() {
        let cases = [case("a", "1"), case("b", "2"), case("c", "3")];
        let of = |verdicts: [Verdict; 3]| -> Vec<CaseOutcomes> {
            cases
                .iter()
                .zip(verdicts)
                .map(|(case, v)| CaseOutcomes { digest: case.digest, ..case_outcomes(&case.id, "", v) })
                .collect()
        };
        use Verdict::{Fail, Pass, Unscored};
        let baseline = Baseline {
            subject: "m".into(),
            origin: BaselineOrigin::SameRun,
            cases: of([Pass, Pass, Unscored]),
        };
        let gate = Gate::default();
        let terms = ComparisonContext {
            cases: &cases,
            is_whole_set: true,
            min_pass: None,
            gate: &gate,
            challengers: 1,
        };
        let comparison = terms.compare(&baseline, "n", &of([Pass, Fail, Pass])[..2]);
        let found = comparison.result.unwrap();
        assert_eq!((found.pairs, found.left_out, found.difference), (2, 1, -0.5));
        assert_eq!(found.regressed, ["b"]);
    }
}
