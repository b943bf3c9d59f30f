//! Assertions, and the interface of the checks inside them.

use std::fmt;
use std::sync::Arc;

use crate::eval::answer::GradableAnswer;
use crate::eval::grader_task::GraderTask;
use crate::eval::length_unit::LengthUnit;
use crate::eval::verdict::{AssertionKind, AssertionResult, Verdict};

/// The test inside an assertion, without its name, negation, threshold, and weight.
pub(crate) trait AssertionCheck: fmt::Debug + Send + Sync {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome;

    /// Whether it reads the text of the answer, so that a repair may change its result.
    fn is_text_based(&self) -> bool;

    /// The outcome when case and whitespace are ignored; `None` if that cannot help.
    fn evaluate_folded(&self, _answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        None
    }

    /// The longest text that passes.
    fn max_length(&self) -> Option<(LengthUnit, usize)> {
        None
    }

    /// Whether it limits this metric of the call.
    fn has_limit_on(&self, _metric: CallMetric) -> bool {
        false
    }

    /// Adds the tasks whose outcomes it needs.
    fn collect_grader_tasks<'a>(&'a self, _found: &mut Vec<&'a GraderTask>) {}

    /// Whether only an answer that is JSON and nothing else passes.
    fn requires_bare_json(&self) -> bool {
        false
    }

    /// Whether an incomplete answer fails, regardless of its text.
    fn detects_truncation(&self) -> bool {
        false
    }

    /// Adds the labels that a right answer chooses from. `is_negated` says whether the assertion is.
    fn collect_choices<'a>(&'a self, _is_negated: bool, _found: &mut Vec<LabelChoice<'a>>) {}
}

pub(crate) enum CheckOutcome {
    PassFail(bool, String),
    /// 0 to 1, with optional details; the threshold decides what passes.
    Scored(f64, String),
    ScoredPassFail(bool, f64, String),
    Unscored(String),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelChoice<'a> {
    pub(crate) options: &'a [String],
    pub(crate) correct: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMetric {
    /// From sending the request to the last byte.
    LatencyMilliseconds,
    /// From sending the request to the first content.
    FirstTokenMilliseconds,
    CostUsd,
    /// Includes reasoning tokens.
    OutputTokens,
}

impl CallMetric {
    pub const ALL: [Self; 4] =
        [Self::LatencyMilliseconds, Self::FirstTokenMilliseconds, Self::CostUsd, Self::OutputTokens];
}

/// A check with its negation, threshold, and weight.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// As written, including `not-`.
    pub name: String,
    pub negated: bool,
    pub(crate) check: Arc<dyn AssertionCheck>,
    /// Minimum score to pass, for checks that give a score; `None` means 1.
    pub threshold: Option<f64>,
    /// Weight in the case's score; it does not affect the verdict.
    pub weight: f64,
    pub kind: AssertionKind,
}

impl Assertion {
    pub fn grade(&self, answer: &GradableAnswer<'_>) -> AssertionResult {
        let (verdict, score, reason) = self.judge(self.check.evaluate(answer));
        let name = self.name.clone();
        AssertionResult { name, verdict, score, reason, kind: self.kind, weight: self.weight }
    }

    /// Whether the assertion passes when case and whitespace are ignored. An answer that passes as is also
    /// passes here.
    pub(in crate::eval) fn can_pass_folded(&self, answer: &GradableAnswer<'_>) -> bool {
        let is_pass = |outcome| self.judge(outcome).0 == Verdict::Pass;
        is_pass(self.check.evaluate(answer)) || self.check.evaluate_folded(answer).is_some_and(is_pass)
    }

    /// Whether it requires bare JSON: only then is a code fence an error.
    pub(in crate::eval) fn requires_bare_json(&self) -> bool {
        !self.negated && self.kind == AssertionKind::Format && self.check.requires_bare_json()
    }

    /// The name without `not-`.
    pub(super) fn type_name(&self) -> &str {
        self.name.strip_prefix("not-").unwrap_or(&self.name)
    }

    /// The verdict, score, and reason of an outcome.
    fn judge(&self, outcome: CheckOutcome) -> (Verdict, f64, String) {
        let to_score = |pass| f64::from(u8::from(pass));
        let (pass, score, reason) = match outcome {
            CheckOutcome::PassFail(pass, reason) => (pass, to_score(pass), reason),
            CheckOutcome::ScoredPassFail(pass, score, reason) => (pass, score, reason),
            CheckOutcome::Scored(score, reason) => {
                let wanted = self.threshold.unwrap_or(1.0);
                let relation = if self.negated { "below" } else { "at least" };
                let reason = if reason.is_empty() { reason } else { format!("; {reason}") };
                // Tolerates a rounding error in the last bit.
                let pass = score + 1e-12 >= wanted;
                (pass, score, format!("{score:.3}, expected {relation} {wanted}{reason}"))
            }
            CheckOutcome::Unscored(reason) => return (Verdict::Unscored, 0.0, reason),
        };
        let verdict = if pass == self.negated { Verdict::Fail } else { Verdict::Pass };
        (verdict, if self.negated { 1.0 - score } else { score }, reason)
    }
}

/// Grader tasks of these assertions, including those of nested ones, without duplicates.
pub(crate) fn collect_grader_tasks(assertions: &[Assertion]) -> Vec<&GraderTask> {
    let mut found = Vec::new();
    assertions.iter().for_each(|assertion| assertion.check.collect_grader_tasks(&mut found));
    found
}
