use std::time::Duration;

use super::reasons::BudgetExceeded;
use super::skip_reason::SkipReason;
use crate::catalog::{Cost, CostSource};
use crate::chat::{Failure, Response, Usage};
use crate::dialect::ParsedResponseHeaders;
use crate::provider::ModelRef;

/// The result of one call, with its attempts and skipped candidates.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub id: String,
    /// `None` for a model named directly.
    pub route: Option<String>,
    /// As the user typed it.
    pub requested_model: String,
    pub attempts: Vec<Attempt>,
    /// Candidates that the plan or the execution skipped.
    pub skipped: Vec<(ModelRef, SkipReason)>,
    /// Candidates in the plan that were not reached.
    pub untried: Vec<ModelRef>,
    pub outcome: Result<CallAnswer, CallError>,
    /// From the start of the call to the first content of the attempt that answered.
    pub first_token: Option<Duration>,
    pub latency: Duration,
    /// Time spent waiting for limits. Part of the latency, unless the router waits for limits without a time
    /// limit.
    pub queued_time: Duration,
}

#[derive(Clone, Debug)]
pub struct CallAnswer {
    pub response: Response,
    pub model_ref: ModelRef,
}

#[derive(Clone, Debug)]
pub struct CallError {
    pub reason: StopReason,
    /// Failure of the last attempt; `None` if there was none.
    pub failure: Option<Failure>,
    /// Text that was already shown when the answer broke off.
    pub shown_text: String,
}

/// Why a call ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The plan has no candidate to try.
    NoCandidate,
    /// The failure's class does not allow failover.
    FatalFailure,
    AllAttemptsFailed,
    DeadlineExceeded,
    CallerTimeout,
    /// The stream broke after text was shown.
    AnswerInterrupted,
    /// Every remaining candidate was at a limit, and the call could not wait longer.
    AtLimit,
    /// Every remaining candidate would exceed a budget.
    BudgetExceeded(BudgetExceeded),
    /// Shared data that must permit the call cannot be read: today's spending, if the daily budget stops
    /// calls, or the limits.
    Undecided,
}

impl StopReason {
    /// The value in JSON output.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCandidate => "no_candidate",
            Self::FatalFailure => "fatal_failure",
            Self::AllAttemptsFailed => "all_attempts_failed",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::CallerTimeout => "timeout",
            Self::AnswerInterrupted => "answer_interrupted",
            Self::AtLimit => "limited",
            // These three are also codes of skipped candidates.
            Self::BudgetExceeded(exceeded) if exceeded.is_daily => "over_budget",
            Self::BudgetExceeded(_) => "over_max_cost",
            Self::Undecided => "spending_unknown",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub model_ref: ModelRef,
    pub is_simulated: bool,
    /// From the start of the call to the start of the attempt.
    pub start_offset: Duration,
    /// From sending the request to the last byte.
    pub duration: Duration,
    /// `None` if the attempt used no tokens.
    pub usage: Option<Usage>,
    pub cost: Cost,
    /// `None` if it answered.
    pub failure: Option<Failure>,
    /// Request id and remaining rate limits from the response headers.
    pub account: ParsedResponseHeaders,
}

impl CallRecord {
    pub fn total_cost(&self) -> Cost {
        let sum = Cost::sum(self.attempts.iter().map(|attempt| attempt.cost));
        let is_simulated_and_free = sum == Cost::ZERO && self.is_simulated();
        if is_simulated_and_free { Cost { source: CostSource::Simulated, ..sum } } else { sum }
    }

    /// Number of times the call moved to another candidate.
    pub fn failover_count(&self) -> usize {
        self.attempts.windows(2).filter(|pair| pair[0].model_ref != pair[1].model_ref).count()
    }

    /// Whether any attempt went to the simulator.
    pub fn is_simulated(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_simulated)
    }
}
