//! What challengers are compared with, and how each stands to it.

use std::collections::{HashMap, HashSet};

use super::statistics::{
    CompareError, Finding, Level, Metric, Outcome, Pair, PairedComparison, Quorum, Resampling, Terms, compare,
};
use super::{CaseHead, Digest, Figure, Gate};

/// Where the chance of bootstraps begins. It is always the same, so that the same results always have the same interval.
pub(super) const SEED: u64 = 0x5eed;

/// What one subject answered, to compare others with.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The subject's name.
    pub subject: String,
    /// Where its answers come from.
    pub origin: Origin,
    /// Its cases, each with how its answers did.
    pub answered: Vec<Answered>,
}

/// Where a baseline's answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the run that they are compared in.
    Here,
    /// From an earlier run, with this id.
    Run(String),
    /// From a file, with this path.
    File(String),
    /// From so many earlier runs.
    History(usize),
}

/// One case, and how a subject's answers to it did: one, or one a repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The case's id.
    pub case: Box<str>,
    /// The case's digest.
    pub digest: Digest,
    /// How the answers did.
    pub outcomes: Vec<Outcome>,
}

impl Answered {
    /// A subject's results of these cases, case by case. The results of a case stand next to each other.
    pub fn cases_of(cases: &[CaseHead], results: &[Figure]) -> Vec<Self> {
        let outcome = |result: &Figure| Outcome { verdict: result.verdict, score: result.score() };
        let answered = |of: &[Figure]| {
            let case = cases.get(of.first()?.case as usize)?;
            let outcomes = of.iter().map(outcome).collect();
            Some(Self { case: case.id.clone(), digest: case.digest, outcomes })
        };
        results.chunk_by(|a, b| a.case == b.case).filter_map(answered).collect()
    }
}

/// How one subject stands to a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The baseline's name.
    pub baseline: String,
    /// Where its answers come from.
    pub origin: Origin,
    /// The other subject's name.
    pub challenger: String,
    /// What is compared.
    pub metric: Metric,
    /// The level of the interval.
    pub level: Level,
    /// What was found.
    pub found: Result<PairedComparison, CompareError>,
    /// Ids of cases that the baseline never saw, or saw otherwise.
    pub unpaired: Vec<String>,
    /// Ids of the baseline's cases that the set no longer has, or has otherwise.
    pub gone: Vec<String>,
}

impl Comparison {
    /// Whether the very same answers stand on both sides.
    pub fn is_itself(&self) -> bool {
        self.origin == Origin::Here && self.baseline == self.challenger
    }

    /// Whether a subject does worse than it used to.
    pub fn has_drifted(&self) -> bool {
        let is_worse = self.found.as_ref().is_ok_and(|found| found.verdict == Finding::Worse);
        is_worse && matches!(self.origin, Origin::History(_))
    }

    /// Whether it found neither a difference nor that there is none.
    pub fn is_unclear(&self) -> bool {
        !self.is_itself() && self.found.as_ref().is_ok_and(|found| found.verdict == Finding::Unclear)
    }
}

/// How a comparison is made.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The cases that were run.
    pub cases: &'a [CaseHead],
    /// Whether these are all cases of the set.
    pub is_whole_set: bool,
    /// How many of a case's repeats must pass, where that decides.
    pub min_pass: Option<Quorum>,
    /// What the gate says of comparisons.
    pub gate: &'a Gate,
    /// How many challengers there are in all.
    pub challengers: usize,
}

impl Match<'_> {
    /// Compares what a subject answered with a baseline.
    pub fn compare(&self, baseline: &Baseline, challenger: &str, answered: &[Answered]) -> Comparison {
        let metric = self.gate.metric.unwrap_or(Metric::PassRate);
        let level = Level::for_challengers(self.challengers);
        let pairing = Pairing::of(self.cases, baseline);
        let theirs: HashMap<&str, &Answered> = answered.iter().map(|a| (&*a.case, a)).collect();
        let pairs: Vec<Pair<'_>> = pairing
            .pairs
            .iter()
            .map(|(case, own)| Pair {
                case: &case.id,
                cluster: case.cluster.as_deref(),
                baseline: &own.outcomes,
                // A case that was never begun counts as one that could not be scored.
                challenger: theirs.get(&*case.id).map_or(&[], |answered| &answered.outcomes),
            })
            .collect();
        let terms = Terms {
            metric,
            level,
            min_pass: self.min_pass,
            margin: self.gate.margin,
            max_drop: self.gate.max_drop,
            resampling: Resampling::seeded(SEED),
        };
        Comparison {
            baseline: baseline.subject.clone(),
            origin: baseline.origin.clone(),
            challenger: challenger.to_owned(),
            metric,
            level,
            found: compare(&pairs, &terms),
            unpaired: pairing.unpaired,
            gone: if self.is_whole_set { gone(self.cases, baseline) } else { Vec::new() },
        }
    }
}

/// Which cases a baseline has answers to.
#[derive(Debug)]
pub struct Pairing<'c, 'b> {
    /// Cases, with what the baseline answered.
    pub pairs: Vec<(&'c CaseHead, &'b Answered)>,
    /// Ids of the other cases.
    pub unpaired: Vec<String>,
}

impl<'c, 'b> Pairing<'c, 'b> {
    /// Pairs cases by their digests: a case with a new id is the same case, and one that asks for something else is another.
    /// Of cases that are alike, those with the same id belong together. Within one run, ids are enough.
    pub fn of(cases: &'c [CaseHead], baseline: &'b Baseline) -> Self {
        let mut found: Vec<Option<&Answered>> = vec![None; cases.len()];
        let mut open: HashMap<Key<'_>, Vec<&Answered>> = HashMap::new();
        let here = baseline.origin == Origin::Here;
        let key = |id, digest| if here { Key::Id(id) } else { Key::Digest(digest) };
        for answered in &baseline.answered {
            open.entry(key(&answered.case, answered.digest)).or_default().push(answered);
        }
        for by_id in [true, false] {
            for (case, found) in cases.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let Some(alike) = open.get_mut(&key(&case.id, case.digest)) else { continue };
                let at = alike.iter().position(|answered| !by_id || answered.case == case.id);
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
enum Key<'a> {
    Id(&'a str),
    Digest(Digest),
}

/// Ids of a baseline's cases that a set no longer has, or has otherwise.
fn gone(set: &[CaseHead], baseline: &Baseline) -> Vec<String> {
    let digests: HashSet<Digest> = set.iter().map(|case| case.digest).collect();
    let left = baseline.answered.iter().filter(|answered| !digests.contains(&answered.digest));
    left.filter(|_| baseline.origin != Origin::Here).map(|answered| answered.case.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Verdict;
    use crate::eval::case;

    fn case(id: &str, digest: &str) -> CaseHead {
        CaseHead { digest: Digest::of([digest]), ..case::case(id).head }
    }

    fn answered(case: &str, digest: &str, verdict: Verdict) -> Answered {
        let score = (verdict != Verdict::Unscored).then_some(f64::from(u8::from(verdict == Verdict::Pass)));
        Answered {
            case: case.into(),
            digest: Digest::of([digest]),
            outcomes: vec![Outcome { verdict, score }],
        }
    }

    #[test]
    fn cases_are_paired_by_what_they_ask() {
        let cases = [case("new-name", "d1"), case("b", "d2x"), case("twin-2", "d3"), case("twin-1", "d3")];
        let pass = |id, digest| answered(id, digest, Verdict::Pass);
        let baseline = Baseline {
            subject: "m".into(),
            origin: Origin::Run("r".into()),
            answered: vec![pass("a", "d1"), pass("b", "d2"), pass("twin-1", "d3"), pass("twin-2", "d3")],
        };
        let pairing = Pairing::of(&cases, &baseline);
        let pairs: Vec<_> = pairing.pairs.iter().map(|(case, own)| (&*case.id, &*own.case)).collect();
        assert_eq!(pairs, [("new-name", "a"), ("twin-2", "twin-2"), ("twin-1", "twin-1")]);
        assert_eq!(pairing.unpaired, ["b"]);
        assert_eq!(gone(&cases, &baseline), ["b"]);
    }

    #[test]
    fn what_one_of_them_was_not_scored_on_is_left_out() {
        let cases = [case("a", "1"), case("b", "2"), case("c", "3")];
        let of = |verdicts: [Verdict; 3]| -> Vec<Answered> {
            cases
                .iter()
                .zip(verdicts)
                .map(|(case, v)| Answered { digest: case.digest, ..answered(&case.id, "", v) })
                .collect()
        };
        use Verdict::{Fail, Pass, Unscored};
        let baseline =
            Baseline { subject: "m".into(), origin: Origin::Here, answered: of([Pass, Pass, Unscored]) };
        let gate = Gate::default();
        let terms = Match { cases: &cases, is_whole_set: true, min_pass: None, gate: &gate, challengers: 1 };
        let comparison = terms.compare(&baseline, "n", &of([Pass, Fail, Pass])[..2]);
        let found = comparison.found.unwrap();
        assert_eq!((found.pairs, found.left_out, found.difference), (2, 1, -0.5));
        assert_eq!(found.regressed, ["b"]);
    }
}
