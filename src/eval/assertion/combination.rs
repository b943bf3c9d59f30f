//! Combines several assertions into one.

use super::{Assertion, CheckOutcome};
use crate::eval::{AssertionResult, GradableAnswer, Verdict};

#[derive(Clone, Debug)]
pub struct Combination {
    pub is_any_of: bool,
    /// Never empty.
    pub members: Vec<Assertion>,
    /// Minimum score to pass; if `None`, the members' verdicts decide.
    pub threshold: Option<f64>,
}

impl Combination {
    /// An unscored member could have had any result, so the combination is scored only if that does not
    /// matter.
    pub(super) fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let results: Vec<AssertionResult> = self.members.iter().map(|member| member.grade(answer)).collect();
        let unscored: Vec<&AssertionResult> =
            results.iter().filter(|result| result.verdict == Verdict::Unscored).collect();
        let verdict = match self.threshold {
            Some(threshold) => {
                let [lowest, highest] =
                    [0.0, 1.0].map(|unknown| self.combine_scores(&results, Some(unknown)));
                let reaches = |score: Option<f64>| score.is_some_and(|score| score + 1e-12 >= threshold);
                if reaches(lowest) == reaches(highest) { Some(reaches(lowest)) } else { None }
            }
            None => self.combine_verdicts(&results),
        };
        let Some(pass) = verdict else {
            let first = unscored.first().map(|s| format!("{}: {}", s.name, s.reason)).unwrap_or_default();
            return CheckOutcome::Unscored(first);
        };
        // If all weights are 0, the verdict determines the score.
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

    /// The best score for any-of, else the weighted mean. An unscored member counts with the score `unknown`,
    /// or not at all if it is `None`.
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

    /// The number of passing members and the member that decided the verdict; for a failed any-of, the
    /// closest member.
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
