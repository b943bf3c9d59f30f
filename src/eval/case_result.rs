//! From a call to a verdict.

use std::time::Duration;

use super::repair::find_repairs;
use super::{AssertionKind, Case, CaseMetadata, Digest, GraderOutcomes, GraderUsage, RepairSet};
use crate::catalog::Cost;
use crate::chat::{FailureClass, FinishReason, ToolCall, Usage};
use crate::provider::ModelRef;
use crate::route::{BudgetExceeded, CallError, CallRecord, StopReason};

/// A model that fails like this fails so on every case.
pub(super) const FATAL_CLASSES: [FailureClass; 4] = [
    FailureClass::Auth,
    FailureClass::QuotaExhausted,
    FailureClass::ModelUnavailable,
    FailureClass::BadRequest,
];

/// What an answer showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every assertion passed.
    Pass,
    /// At least one did not.
    Fail,
    /// There is no answer to grade: an error is not a zero.
    Unscored,
}

impl Verdict {
    /// The verdict that a word of the reports says, if it says one.
    pub fn from_name(word: &str) -> Option<Self> {
        [Self::Pass, Self::Fail, Self::Unscored].into_iter().find(|verdict| verdict.name() == word)
    }

    /// The word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unscored => "unscored",
        }
    }
}

/// What assertions see of an answer.
#[derive(Clone, Copy, Debug)]
pub struct GradableAnswer<'a> {
    /// The text.
    pub text: &'a str,
    /// The calls that the model wants made, if that is known.
    pub tool_calls: Option<&'a [ToolCall]>,
    /// Why it ended, if that is known.
    pub finish_reason: Option<FinishReason>,
    /// From the request leaving to the last byte, if that is known.
    pub latency: Option<Duration>,
    /// From the request leaving to the first content, if that is known.
    pub first_token: Option<Duration>,
    /// Token counts, as far as they are known.
    pub usage: Usage,
    /// What it cost, if that is known.
    pub cost_usd: Option<f64>,
    /// What judges and programs found out about it.
    pub grader_outcomes: &'a GraderOutcomes,
}

impl<'a> GradableAnswer<'a> {
    /// An answer of which nothing is known but its text.
    pub fn text(text: &'a str) -> Self {
        Self {
            text,
            tool_calls: None,
            finish_reason: None,
            latency: None,
            first_token: None,
            usage: Usage::default(),
            cost_usd: None,
            grader_outcomes: GraderOutcomes::NONE,
        }
    }
}

/// What one assertion found.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AssertionResult {
    /// The name as it is written.
    pub name: String,
    /// Pass, fail, or nothing to say.
    pub verdict: Verdict,
    /// 0 to 1.
    pub score: f64,
    /// Why.
    pub reason: String,
    /// Form or content.
    pub kind: AssertionKind,
    /// What it counts for.
    pub weight: f64,
}

/// What became of one case with one subject.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The case's id.
    pub case_id: String,
    /// The case's digest.
    pub digest: Digest,
    /// Which of its repeats, from 0.
    pub repeat: u32,
    /// Pass, fail or unscored.
    pub verdict: Verdict,
    /// The weighted mean of the assertions' scores; `None` when one of them could not be scored.
    pub score: Option<f64>,
    /// The answer's text.
    pub text: String,
    /// What each assertion found.
    pub assertions: Vec<AssertionResult>,
    /// What had to be put right in the form of a failed answer for it to pass. The verdict is without that.
    pub repaired_by: Option<RepairSet>,
    /// The caller's own limit that ended the call, of time or of money.
    pub limit_hit: Option<StopReason>,
    /// Whether every attempt failed in a way that the next case would meet again.
    pub is_fatal: bool,
    /// Why there is nothing to grade: the class and the words.
    pub failure: Option<(FailureClass, String)>,
    /// Why the answer ended.
    pub finish_reason: Option<FinishReason>,
    /// Who answered.
    pub served_by: Option<ModelRef>,
    /// How often the call moved on to another candidate.
    pub failovers: usize,
    /// What all attempts cost.
    pub cost: Cost,
    /// What finding out about the answer took; no part of the cost.
    pub grader_usage: GraderUsage,
    /// What the answer would have cost, where it is one that was given before.
    pub cached_cost: Option<Cost>,
    /// From the request leaving to the last byte, of the attempt that answered.
    pub latency: Option<Duration>,
    /// Time that the case waited in this process before its call began.
    pub queued: Duration,
    /// Token counts of the answer.
    pub usage: Usage,
}

impl CaseResult {
    /// What became of a call, not graded yet, and the answer that there is to grade. A prompt that a filter refused has an
    /// answer of the model: an empty one.
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
        if let Err(none) = &record.outcome {
            result.limit_hit = Some(none.reason)
                .filter(|why| matches!(why, StopReason::CallerTimeout | StopReason::BudgetExceeded(_)));
            result.is_fatal = is_fatal(record);
            match &none.failure {
                Some(failure) if failure.class == FailureClass::ContentPolicy => {
                    result.served_by = last.map(|attempt| attempt.model_ref.clone());
                }
                _ => {
                    result.failure = Some(describe_call_error(record, none));
                    return (result, None);
                }
            }
        }
        result.latency = last.map(|attempt| attempt.duration);
        let graded = GradableAnswer {
            text: answer.map_or("", |answer| &answer.response.text),
            tool_calls: Some(answer.map_or(&[], |answer| &answer.response.tool_calls)),
            // A refused prompt has no answer to end, and no doubt about why.
            finish_reason: result.finish_reason.or(Some(FinishReason::ContentFilter)),
            latency: result.latency,
            first_token: record.first_token.zip(last).map(|(at, last)| at.saturating_sub(last.start_offset)),
            usage: result.usage,
            cost_usd: result.cost.usd(),
            grader_outcomes: GraderOutcomes::NONE,
        };
        (result, Some(graded))
    }

    /// Grades the answer.
    pub(super) fn grade(&mut self, case: &Case, answer: &GradableAnswer<'_>) {
        self.assertions = case.assertions.iter().map(|assertion| assertion.grade(answer)).collect();
        answer.text.clone_into(&mut self.text);
        self.set_verdict_and_score();
        if self.verdict == Verdict::Fail {
            self.repaired_by = find_repairs(&case.assertions[..], &self.assertions, answer);
        }
    }

    /// A case that was not run, or has no answer.
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

    /// A failed assertion fails the case; one that has nothing to say leaves it unscored unless another failed it.
    fn set_verdict_and_score(&mut self) {
        let any = |verdict| self.assertions.iter().any(|a| a.verdict == verdict);
        self.verdict = match (any(Verdict::Fail), any(Verdict::Unscored)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Unscored,
            (false, false) => Verdict::Pass,
        };
        if self.verdict == Verdict::Unscored {
            let silent = self.assertions.iter().find(|a| a.verdict == Verdict::Unscored);
            let class = self.limit_hit.map_or(FailureClass::Unknown, |_| FailureClass::Cancelled);
            self.failure = silent.map(|a| (class, format!("{}: {}", a.name, a.reason)));
            return;
        }
        // A limit that kept a judge from a verdict cut nothing off where the verdict stands without it.
        self.limit_hit = None;
        // What one of them would have given is not known, and the mean of the others is another figure.
        if any(Verdict::Unscored) {
            return;
        }
        let weights: f64 = self.assertions.iter().map(|a| a.weight).sum();
        let scores: f64 = self.assertions.iter().map(|a| a.score * a.weight).sum();
        // All weights may be zero: then every assertion counts alike for nothing, and the verdict is the score.
        self.score = Some(if weights > 0.0 {
            scores / weights
        } else {
            f64::from(u8::from(self.verdict == Verdict::Pass))
        });
    }
}

/// Whether every attempt failed in a way that the next call would meet again.
pub(super) fn is_fatal(record: &CallRecord) -> bool {
    let mut failures = record.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
    record.outcome.is_err()
        && !record.attempts.is_empty()
        && failures.all(|failure| FATAL_CLASSES.contains(&failure.class))
}

/// Why a judge, or whoever makes vectors, has said nothing, in words. Where the money ended, nothing went wrong.
pub(super) fn describe_grader_error(record: &CallRecord, none: &CallError) -> String {
    match none.reason {
        StopReason::BudgetExceeded(over) => describe_grader_over_cost(over),
        _ => format!("gave no verdict: {}", describe_call_error(record, none).1),
    }
}

/// That somebody who was to judge was not asked, since the money does not reach for it.
pub(super) fn describe_grader_over_cost(over: BudgetExceeded) -> String {
    format!("was not asked, since the limit on cost ended judging: {over}")
}

/// Why a call has no answer: the class and the words.
pub(super) fn describe_call_error(record: &CallRecord, none: &CallError) -> (FailureClass, String) {
    match &none.failure {
        Some(failure) if none.reason == StopReason::CallerTimeout => {
            let before = match failure.class {
                FailureClass::Timeout => String::new(),
                _ => format!("; before that: {}", failure.message),
            };
            (
                failure.class,
                format!("the call's time limit (--timeout) ran out before it had a whole answer{before}"),
            )
        }
        Some(failure) => (failure.class, failure.message.clone()),
        None if matches!(none.reason, StopReason::CallerTimeout | StopReason::BudgetExceeded(_)) => {
            (FailureClass::Cancelled, format!("not run: {}", none.reason.message()))
        }
        None => {
            let why = record.skipped.first().map(|(model, skip)| format!("{model}: {skip}"));
            (FailureClass::Unknown, why.unwrap_or_else(|| "no candidate was left".into()))
        }
    }
}
