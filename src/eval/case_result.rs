//! Turns a call record into a graded case result.

use std::time::Duration;

use super::failures::{CallFailure, CaseFailure};
use super::grader_task::GraderOutcomes;
use super::repair::find_repairs;
use super::{AssertionResult, Case, CaseMetadata, Digest, GradableAnswer, GraderUsage, RepairSet, Verdict};
use crate::catalog::Cost;
use crate::chat::{FailureClass, FinishReason, Usage};
use crate::provider::ModelRef;
use crate::route::{CallRecord, StopReason};

/// Failures that will repeat on every case of the subject.
pub(super) const FATAL_CLASSES: [FailureClass; 4] = [
    FailureClass::Auth,
    FailureClass::QuotaExhausted,
    FailureClass::ModelUnavailable,
    FailureClass::BadRequest,
];

/// The result of one case and repeat.
#[derive(Clone, Debug)]
pub(crate) struct CaseResult {
    pub case_id: String,
    pub digest: Digest,
    /// 0-based.
    pub repeat: u32,
    pub verdict: Verdict,
    /// Weighted mean of the assertion scores; `None` when any of them is unscored.
    pub score: Option<f64>,
    pub text: String,
    pub assertions: Vec<AssertionResult>,
    /// Repairs after which a failed answer passes. They do not change the verdict.
    pub repaired_by: Option<RepairSet>,
    /// The caller's own time or cost limit that ended the call.
    pub limit_hit: Option<StopReason>,
    /// Whether every attempt failed in a way that will repeat on other cases.
    pub is_fatal: bool,
    /// Why the result is unscored.
    pub failure: Option<CaseFailure>,
    pub finish_reason: Option<FinishReason>,
    pub served_by: Option<ModelRef>,
    pub failovers: usize,
    /// Cost of all attempts, excluding graders.
    pub cost: Cost,
    /// Not part of `cost`.
    pub grader_usage: GraderUsage,
    /// Original cost of a cached answer; `None` when it was not cached.
    pub cached_cost: Option<Cost>,
    /// Latency of the attempt that answered.
    pub latency: Option<Duration>,
    /// Time spent waiting in this process before the call started.
    pub queued: Duration,
    pub usage: Usage,
}

impl CaseResult {
    /// Returns the ungraded result of a call and the answer to grade, which is `None` if the call failed. A
    /// prompt that a content filter blocked counts as an empty answer.
    pub(super) fn from_call<'a>(
        case: &Case,
        record: &'a CallRecord,
        queued: Duration,
    ) -> (Self, Option<GradableAnswer<'a>>) {
        let mut result = Self::unscored(&case.metadata, queued);
        result.cost = record.total_cost();
        result.failovers = record.failover_count();
        let last = record.attempts.last();
        let answer = record.outcome.as_ref().ok();
        if let Some(answer) = answer {
            result.served_by = Some(answer.model_ref.clone());
            result.usage = answer.response.usage;
            result.finish_reason = Some(answer.response.finish_reason);
        }
        if let Err(error) = &record.outcome {
            result.limit_hit = Some(error.reason).filter(|why| {
                matches!(
                    why,
                    StopReason::CallerTimeout | StopReason::BudgetExceeded(_) | StopReason::Undecided
                )
            });
            result.is_fatal = is_fatal(record);
            match &error.failure {
                Some(failure) if failure.class == FailureClass::ContentPolicy => {
                    result.served_by = last.map(|attempt| attempt.model_ref.clone());
                }
                _ => {
                    let failure = CallFailure::new(record, error);
                    result.failure = Some(CaseFailure::Call(Box::new(failure)));
                    return (result, None);
                }
            }
        }
        result.latency = last.map(|attempt| attempt.duration);
        let graded = GradableAnswer {
            text: answer.map_or("", |answer| &answer.response.text),
            tool_calls: Some(answer.map_or(&[], |answer| &answer.response.tool_calls)),
            // A blocked prompt has no finish reason of its own.
            finish_reason: result.finish_reason.or(Some(FinishReason::ContentFilter)),
            latency: result.latency,
            first_token: record.first_token.zip(last).map(|(at, last)| at.saturating_sub(last.start_offset)),
            usage: result.usage,
            cost_usd: result.cost.usd(),
            grader_outcomes: GraderOutcomes::NONE,
        };
        (result, Some(graded))
    }

    pub(super) fn grade(&mut self, case: &Case, answer: &GradableAnswer<'_>) {
        self.assertions = case.assertions.iter().map(|assertion| assertion.grade(answer)).collect();
        answer.text.clone_into(&mut self.text);
        self.set_verdict_and_score();
        if self.verdict == Verdict::Fail {
            self.repaired_by = find_repairs(&case.assertions[..], &self.assertions, answer);
        }
    }

    pub(super) fn unscored(case: &CaseMetadata, queued: Duration) -> Self {
        Self {
            case_id: case.id.to_string(),
            digest: case.digest,
            repeat: 0,
            verdict: Verdict::Unscored,
            score: None,
            text: String::new(),
            assertions: Vec::new(),
            repaired_by: None,
            limit_hit: None,
            is_fatal: false,
            failure: None,
            finish_reason: None,
            served_by: None,
            failovers: 0,
            cost: Cost::ZERO,
            grader_usage: GraderUsage::default(),
            cached_cost: None,
            latency: None,
            queued,
            usage: Usage::default(),
        }
    }

    /// A failed assertion fails the case; an unscored one leaves it unscored unless another failed.
    fn set_verdict_and_score(&mut self) {
        let any = |verdict| self.assertions.iter().any(|a| a.verdict == verdict);
        self.verdict = match (any(Verdict::Fail), any(Verdict::Unscored)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Unscored,
            (false, false) => Verdict::Pass,
        };
        if self.verdict == Verdict::Unscored {
            let unscored = self.assertions.iter().find(|a| a.verdict == Verdict::Unscored);
            let class = self.limit_hit.map_or(FailureClass::Unknown, |_| FailureClass::Cancelled);
            self.failure = unscored.map(|a| CaseFailure::AssertionUnscored {
                class,
                assertion: a.name.clone(),
                reason: a.reason.clone(),
            });
            return;
        }
        // A limit that stopped a judge does not matter if the verdict does not depend on that judge.
        self.limit_hit = None;
        // A mean that leaves out unscored assertions would not be comparable.
        if any(Verdict::Unscored) {
            return;
        }
        let weights: f64 = self.assertions.iter().map(|a| a.weight).sum();
        let scores: f64 = self.assertions.iter().map(|a| a.score * a.weight).sum();
        // If all weights are 0, the verdict determines the score.
        self.score = Some(if weights > 0.0 {
            scores / weights
        } else {
            f64::from(u8::from(self.verdict == Verdict::Pass))
        });
    }
}

pub(super) fn is_fatal(record: &CallRecord) -> bool {
    let mut failures = record.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
    record.outcome.is_err()
        && !record.attempts.is_empty()
        && failures.all(|failure| FATAL_CLASSES.contains(&failure.class))
}
