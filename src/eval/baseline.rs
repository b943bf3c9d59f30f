//! Baselines, and how challengers compare with them.

use std::collections::{HashMap, HashSet};

use super::statistics::{
    BootstrapOptions, CasePair, CompareError, CompareOptions, ComparisonMetric, ComparisonVerdict,
    ConfidenceLevel, MinPass, PairedComparison, RepeatOutcome, compare_paired,
};
use super::{CaseMetadata, CaseStats, Digest, Gate};

/// Fixed, so that the same results always give the same interval.
pub(super) const BOOTSTRAP_SEED: u64 = 0x5eed;

/// The outcomes of one subject, for challengers to be compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    pub subject: String,
    pub origin: BaselineOrigin,
    pub cases: Vec<CaseOutcomes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BaselineOrigin {
    /// The current run.
    SameRun,
    /// An earlier run, by ID.
    Run(String),
    /// A file, by path.
    File(String),
    /// The history of this many earlier runs.
    History(usize),
}

/// The outcomes of one case, one per repeat.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CaseOutcomes {
    pub case_id: Box<str>,
    pub digest: Digest,
    pub outcomes: Vec<RepeatOutcome>,
}

impl CaseOutcomes {
    /// Groups results by case. The results of one case must be adjacent.
    pub(crate) fn group_by_case(cases: &[CaseMetadata], results: &[CaseStats]) -> Vec<Self> {
        let outcome = |result: &CaseStats| RepeatOutcome { verdict: result.verdict, score: result.score() };
        let to_outcomes = |group: &[CaseStats]| {
            let case = cases.get(group.first()?.case_index as usize)?;
            let outcomes = group.iter().map(outcome).collect();
            Some(Self { case_id: case.id.clone(), digest: case.digest, outcomes })
        };
        results.chunk_by(|a, b| a.case_index == b.case_index).filter_map(to_outcomes).collect()
    }
}

/// How one subject compares with a baseline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BaselineComparison {
    pub baseline: String,
    pub origin: BaselineOrigin,
    pub challenger: String,
    pub metric: ComparisonMetric,
    pub level: ConfidenceLevel,
    pub result: Result<PairedComparison, CompareError>,
    /// IDs of cases that are new or changed since the baseline.
    pub unpaired: Vec<String>,
    /// IDs of baseline cases that were removed from the set or changed since.
    pub removed: Vec<String>,
}

impl BaselineComparison {
    /// Whether both sides have the same answers, because the challenger is its own baseline.
    pub(crate) fn is_self_comparison(&self) -> bool {
        self.origin == BaselineOrigin::SameRun && self.baseline == self.challenger
    }

    /// Whether the subject is worse than in earlier runs.
    pub(crate) fn has_drifted(&self) -> bool {
        let is_worse =
            self.result.as_ref().is_ok_and(|comparison| comparison.verdict == ComparisonVerdict::Worse);
        is_worse && matches!(self.origin, BaselineOrigin::History(_))
    }

    /// Whether the comparison showed neither a difference nor equivalence.
    pub(crate) fn is_unclear(&self) -> bool {
        !self.is_self_comparison()
            && self.result.as_ref().is_ok_and(|comparison| comparison.verdict == ComparisonVerdict::Unclear)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ComparisonContext<'a> {
    pub cases: &'a [CaseMetadata],
    /// False if only part of the set ran; removed cases are then not reported.
    pub is_whole_set: bool,
    /// How many repeats must pass; `None` counts each repeat separately.
    pub min_pass: Option<MinPass>,
    pub gate: &'a Gate,
    /// Number of challengers in the run, for the Bonferroni correction.
    pub challengers: usize,
}

impl ComparisonContext<'_> {
    pub(crate) fn compare(
        &self,
        baseline: &Baseline,
        challenger: &str,
        outcomes: &[CaseOutcomes],
    ) -> BaselineComparison {
        let metric = self.gate.metric.unwrap_or(ComparisonMetric::PassRate);
        let level = ConfidenceLevel::for_challengers(self.challengers);
        let pairing = CasePairing::match_cases(self.cases, baseline);
        let challenger_outcomes: HashMap<&str, &CaseOutcomes> =
            outcomes.iter().map(|case| (&*case.case_id, case)).collect();
        let pairs: Vec<CasePair<'_>> = pairing
            .pairs
            .iter()
            .map(|(case, baseline_case)| CasePair {
                case: &case.id,
                cluster: case.cluster.as_deref(),
                baseline: &baseline_case.outcomes,
                // A case that never started counts as unscored.
                challenger: challenger_outcomes.get(&*case.id).map_or(&[], |found| &found.outcomes),
            })
            .collect();
        let options = CompareOptions {
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
            result: compare_paired(&pairs, &options),
            unpaired: pairing.unpaired,
            removed: if self.is_whole_set { find_removed_cases(self.cases, baseline) } else { Vec::new() },
        }
    }
}

/// The cases of a set, matched with a baseline's outcomes.
#[derive(Debug)]
pub(crate) struct CasePairing<'c, 'b> {
    pub pairs: Vec<(&'c CaseMetadata, &'b CaseOutcomes)>,
    /// IDs of cases without a match.
    pub unpaired: Vec<String>,
}

impl<'c, 'b> CasePairing<'c, 'b> {
    /// Matches cases by digest, so a renamed case still matches and a changed case does not. Among cases with
    /// the same digest, those with the same ID match first. Within one run, cases match by ID.
    pub(crate) fn match_cases(cases: &'c [CaseMetadata], baseline: &'b Baseline) -> Self {
        let mut found: Vec<Option<&CaseOutcomes>> = vec![None; cases.len()];
        let mut unmatched: HashMap<MatchKey<'_>, Vec<&CaseOutcomes>> = HashMap::new();
        let is_same_run = baseline.origin == BaselineOrigin::SameRun;
        let key = |id, digest| if is_same_run { MatchKey::Id(id) } else { MatchKey::Digest(digest) };
        for outcomes in &baseline.cases {
            unmatched.entry(key(&outcomes.case_id, outcomes.digest)).or_default().push(outcomes);
        }
        for require_same_id in [true, false] {
            for (case, found) in cases.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let Some(candidates) = unmatched.get_mut(&key(&case.id, case.digest)) else { continue };
                let index =
                    candidates.iter().position(|outcomes| !require_same_id || outcomes.case_id == case.id);
                *found = index.map(|index| candidates.remove(index));
            }
        }
        let unpaired = cases.iter().zip(&found).filter(|(_, found)| found.is_none());
        Self {
            unpaired: unpaired.map(|(case, _)| case.id.to_string()).collect(),
            pairs: cases.iter().zip(found).filter_map(|(case, found)| Some((case, found?))).collect(),
        }
    }
}

#[derive(PartialEq, Eq, Hash)]
enum MatchKey<'a> {
    Id(&'a str),
    Digest(Digest),
}

fn find_removed_cases(set: &[CaseMetadata], baseline: &Baseline) -> Vec<String> {
    let digests: HashSet<Digest> = set.iter().map(|case| case.digest).collect();
    let removed = baseline.cases.iter().filter(|outcomes| !digests.contains(&outcomes.digest));
    removed
        .filter(|_| baseline.origin != BaselineOrigin::SameRun)
        .map(|outcomes| outcomes.case_id.to_string())
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
        let context = ComparisonContext {
            cases: &cases,
            is_whole_set: true,
            min_pass: None,
            gate: &gate,
            challengers: 1,
        };
        let comparison = context.compare(&baseline, "n", &of([Pass, Fail, Pass])[..2]);
        let found = comparison.result.unwrap();
        assert_eq!((found.pairs, found.left_out, found.difference), (2, 1, -0.5));
        assert_eq!(found.regressed, ["b"]);
    }
}
