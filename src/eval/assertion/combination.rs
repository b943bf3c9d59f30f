//! `any-of` and `all-of`: several assertions combined into one.

use serde_json::Value;

use super::assertion_type::{AssertionParser, AssertionType, BuiltAssertion, ParsedCheck, ScoringMode};
use super::check::{Assertion, AssertionCheck, CallMetric, CheckOutcome, LabelChoice};
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::grader_task::GraderTask;
use crate::eval::verdict::{AssertionKind, AssertionResult, Verdict};

pub(super) const ANY_OF: AssertionType = AssertionType {
    name: "any-of",
    example: "any-of: [contains: Paris, contains: Lutetia]",
    options: &["value"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::FromMembers,
    parser: AssertionParser::Members(|members, threshold| combine(true, members, threshold)),
};

pub(super) const ALL_OF: AssertionType = AssertionType {
    name: "all-of",
    example: "all-of: [contains: Paris, not-contains: Lyon]",
    parser: AssertionParser::Members(|members, threshold| combine(false, members, threshold)),
    ..ANY_OF
};

fn combine(
    is_any_of: bool,
    members: Vec<BuiltAssertion>,
    threshold: Option<f64>,
) -> Result<ParsedCheck, OptionError> {
    let opposites =
        members.iter().enumerate().any(|(n, one)| members[..n].iter().any(|other| one.is_negation_of(other)));
    if opposites && threshold.is_none() {
        let which = if is_any_of { "every answer passes" } else { "no answer passes both" };
        return Err(format!("contains an assertion and its negation: {which}").into());
    }
    let (members, identities): (Vec<Assertion>, Vec<Value>) =
        members.into_iter().map(BuiltAssertion::into_parts).unzip();
    let weights: f64 = members.iter().map(|member| member.weight).sum();
    if threshold.is_some() && !is_any_of && weights == 0.0 {
        return Err("`threshold` needs at least one member with a `weight` above 0".into());
    }
    // The kind is format only if all members are about the format.
    let is_format = members.iter().all(|member| member.kind == AssertionKind::Format);
    let kind = if is_format { AssertionKind::Format } else { AssertionKind::Content };
    let check = Combination { is_any_of, members, threshold };
    Ok(ParsedCheck { kind: Some(kind), ..ParsedCheck::new(check, Value::Array(identities)) })
}

#[derive(Debug)]
pub(super) struct Combination {
    pub(super) is_any_of: bool,
    /// Never empty.
    pub(super) members: Vec<Assertion>,
    /// Minimum score to pass; if `None`, the members' verdicts decide.
    pub(super) threshold: Option<f64>,
}

impl AssertionCheck for Combination {
    /// An unscored member could have had any result, so the combination is scored only if that does not
    /// matter.
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
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

    fn is_text_based(&self) -> bool {
        self.members.iter().any(|member| member.check.is_text_based())
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        let mut members = self.members.iter().map(|member| member.can_pass_folded(answer));
        let passes = match (self.threshold, self.is_any_of) {
            // With a threshold, it is unclear what ignoring differences means.
            (Some(_), _) => false,
            (None, true) => members.any(|passes| passes),
            (None, false) => members.all(|passes| passes),
        };
        // A negated combination must not pass because a member fails.
        passes.then(|| CheckOutcome::PassFail(true, String::new()))
    }

    fn has_limit_on(&self, metric: CallMetric) -> bool {
        self.members.iter().any(|member| member.check.has_limit_on(metric))
    }

    fn collect_grader_tasks<'a>(&'a self, found: &mut Vec<&'a GraderTask>) {
        self.members.iter().for_each(|member| member.check.collect_grader_tasks(found));
    }

    fn requires_bare_json(&self) -> bool {
        match self.is_any_of {
            true => self.members.iter().all(Assertion::requires_bare_json),
            false => self.threshold.is_none() && self.members.iter().any(Assertion::requires_bare_json),
        }
    }

    fn collect_choices<'a>(&'a self, _is_negated: bool, found: &mut Vec<LabelChoice<'a>>) {
        self.members.iter().for_each(|member| member.check.collect_choices(member.negated, found));
    }
}

impl Combination {
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
