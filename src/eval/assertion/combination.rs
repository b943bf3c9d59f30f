//! Several assertions as one.

use super::{Assertion, CheckOutcome};
use crate::eval::{AssertionResult, GradableAnswer, Verdict};

/// What several assertions must show together.
#[derive(Clone, Debug)]
pub struct Combination {
    /// Whether one of them is enough.
    pub is_any_of: bool,
    /// The assertions; never none.
    pub members: Vec<Assertion>,
    /// The score at which it passes; without one the members' verdicts decide.
    pub threshold: Option<f64>,
}

impl Combination {
    /// A member that has nothing to say could have said anything: the whole is known only where that changes nothing.
    pub(super) fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let results: Vec<AssertionResult> = self.members.iter().map(|member| member.grade(answer)).collect();
        let silent: Vec<&AssertionResult> =
            results.iter().filter(|result| result.verdict == Verdict::Unscored).collect();
        let verdict = match self.threshold {
            Some(threshold) => {
                let [least, most] = [0.0, 1.0].map(|unknown| self.combine_scores(&results, Some(unknown)));
                let reaches = |score: Option<f64>| score.is_some_and(|score| score + 1e-12 >= threshold);
                if reaches(least) == reaches(most) { Some(reaches(least)) } else { None }
            }
            None => self.combine_verdicts(&results),
        };
        let Some(pass) = verdict else {
            let first = silent.first().map(|s| format!("{}: {}", s.name, s.reason)).unwrap_or_default();
            return CheckOutcome::Unscored(first);
        };
        // Weights may all be zero; then the verdict is all there is.
        let score = self.combine_scores(&results, None).unwrap_or(f64::from(u8::from(pass)));
        CheckOutcome::ScoredPassFail(pass, score, self.explain(&results))
    }

    fn combine_verdicts(&self, results: &[AssertionResult]) -> Option<bool> {
        let has = |verdict| results.iter().any(|result| result.verdict == verdict);
        let (decides, otherwise) =
            if self.is_any_of { (Verdict::Pass, Verdict::Fail) } else { (Verdict::Fail, Verdict::Pass) };
        if has(decides) {
            Some(decides == Verdict::Pass)
        } else if has(Verdict::Unscored) {
            None
        } else {
            Some(otherwise == Verdict::Pass)
        }
    }

    /// The best score of any, or the weighted mean of all, with a score for those who have none, or without them.
    fn combine_scores(&self, results: &[AssertionResult], unknown: Option<f64>) -> Option<f64> {
        let score = |result: &AssertionResult| match result.verdict {
            Verdict::Unscored => unknown,
            Verdict::Pass | Verdict::Fail => Some(result.score),
        };
        let known = || results.iter().filter_map(|result| Some((score(result)?, result.weight)));
        if self.is_any_of {
            return known().map(|(score, _)| score).reduce(f64::max);
        }
        let weights: f64 = known().map(|(_, weight)| weight).sum();
        (weights > 0.0).then(|| known().map(|(score, weight)| score * weight).sum::<f64>() / weights)
    }

    /// How many pass, and the one that is to blame or to thank for the verdict; where any would have done, the nearest.
    fn explain(&self, results: &[AssertionResult]) -> String {
        let passed = results.iter().filter(|result| result.verdict == Verdict::Pass).count();
        let counts = format!("{passed} of {} pass", results.len());
        let decisive = if self.is_any_of { Verdict::Pass } else { Verdict::Fail };
        let nearest = || results.iter().filter(|_| self.is_any_of).max_by(|a, b| a.score.total_cmp(&b.score));
        match results.iter().find(|result| result.verdict == decisive).or_else(nearest) {
            Some(result) => format!("{counts}; {}: {}", result.name, result.reason),
            None => counts,
        }
    }
}
