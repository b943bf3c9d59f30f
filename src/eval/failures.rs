//! Why a case or a grader has no score, as values. `view` words them.

use crate::chat::{Failure, FailureClass};
use crate::provider::ModelRef;
use crate::route::{BudgetExceeded, CallError, CallRecord, SkipReason, StopReason};

/// Why a call gave no answer to grade.
#[derive(Clone, Debug)]
pub(crate) enum CallFailure {
    /// The last attempt failed.
    Failed {
        class: FailureClass,
        message: String,
    },
    /// The time limit of the command ended the call after an attempt.
    TimedOut {
        class: FailureClass,
        /// The message of the last attempt, if it failed for another reason.
        before: Option<String>,
    },
    /// A limit of the caller ended the call before any attempt.
    NotStarted(StopReason),
    /// No candidate could be called; this one comes first.
    Skipped(ModelRef, SkipReason),
    NoCandidate,
}

impl CallFailure {
    pub(super) fn new(record: &CallRecord, error: &CallError) -> Self {
        match &error.failure {
            Some(failure) if error.reason == StopReason::CallerTimeout => Self::TimedOut {
                class: failure.class,
                before: (failure.class != FailureClass::Timeout).then(|| failure.message.clone()),
            },
            Some(failure) => Self::Failed { class: failure.class, message: failure.message.clone() },
            None if matches!(
                error.reason,
                StopReason::CallerTimeout | StopReason::BudgetExceeded(_) | StopReason::Undecided
            ) =>
            {
                Self::NotStarted(error.reason)
            }
            None => match record.skipped.first() {
                Some((model, skip)) => Self::Skipped(model.clone(), skip.clone()),
                None => Self::NoCandidate,
            },
        }
    }

    fn class(&self) -> FailureClass {
        match self {
            Self::Failed { class, .. } | Self::TimedOut { class, .. } => *class,
            Self::NotStarted(_) => FailureClass::Cancelled,
            Self::Skipped(..) | Self::NoCandidate => FailureClass::Unknown,
        }
    }
}

/// The part of a run that stops a subject when it fails in a way that will repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FatalParty {
    Subject,
    Judge,
}

/// Why a result is unscored.
#[derive(Clone, Debug)]
pub(crate) enum CaseFailure {
    Call(Box<CallFailure>),
    /// The case did not run, because the first cases failed in a way that will repeat.
    SubjectStopped(FatalParty),
    AssertionUnscored {
        class: FailureClass,
        assertion: String,
        reason: String,
    },
    /// As an earlier part of the run stored it.
    Stored {
        class: FailureClass,
        message: String,
    },
}

impl CaseFailure {
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Call(failure) => failure.class(),
            Self::SubjectStopped(_) => FailureClass::Cancelled,
            Self::AssertionUnscored { class, .. } | Self::Stored { class, .. } => *class,
        }
    }
}

/// Why a judge gave no verdict.
#[derive(Clone, Debug)]
pub(crate) enum JudgeFailure {
    /// The answer is not a verdict; says why.
    InvalidVerdict(String),
    /// The call would exceed a budget.
    NotCalled(BudgetExceeded),
    CallFailed(Box<CallFailure>),
}

impl JudgeFailure {
    /// The value in JSON output.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::InvalidVerdict(_) => "invalid_verdict",
            Self::NotCalled(exceeded) => StopReason::BudgetExceeded(*exceeded).code(),
            Self::CallFailed(_) => "call_failed",
        }
    }

    pub(super) fn new(record: &CallRecord, error: &CallError) -> Self {
        match error.reason {
            StopReason::BudgetExceeded(exceeded) => Self::NotCalled(exceeded),
            _ => Self::CallFailed(Box::new(CallFailure::new(record, error))),
        }
    }
}

/// Why a grader gave no score.
#[derive(Clone, Debug)]
pub(crate) enum GraderFailure {
    UnknownJudge(String),
    UnknownEmbeddingModel(String),
    ProgramsNotAllowed,
    RunStopped,
    /// A program failed, or its output is invalid.
    Program(String),
    EmbeddingsNotStarted {
        model: ModelRef,
        reason: StopReason,
    },
    EmbeddingsFailed {
        model: ModelRef,
        failure: Failure,
    },
    EmbeddingsNotComparable(ModelRef),
    WrongEmbeddingCount(ModelRef),
    /// Too few votes of the judge are readable.
    VotesMissing {
        judge: String,
        missing: usize,
        votes: usize,
        /// `None` if the judge was not called at all.
        first: Option<JudgeFailure>,
    },
}

/// Words the failures that are stored with the results of a run.
pub(crate) trait FailureWording: Sync {
    fn describe_case_failure(&self, failure: &CaseFailure) -> String;
    fn describe_grader_failure(&self, failure: &GraderFailure) -> String;
}
