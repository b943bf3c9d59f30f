//! What became of a call, and everything that happened on the way.

use std::time::Duration;

use super::{BudgetExceeded, SkipReason};
use crate::catalog::{Cost, CostSource};
use crate::chat::{Failure, Response, Usage};
use crate::dialect::ParsedResponseHeaders;
use crate::provider::ModelRef;

/// One call: its answer or why there is none, every attempt, every candidate that was left out.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The id of the call.
    pub id: String,
    /// The route, where there was one.
    pub route: Option<String>,
    /// What was asked for, as it was typed.
    pub requested_model: String,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// Candidates that were left out by the plan.
    pub skipped: Vec<(ModelRef, SkipReason)>,
    /// Candidates that were in the plan and not reached.
    pub untried: Vec<ModelRef>,
    /// The answer, or why there is none.
    pub outcome: Result<CallAnswer, CallError>,
    /// From the call's start to the first content of the attempt that answered.
    pub first_token: Option<Duration>,
    /// From the call's start to its end.
    pub latency: Duration,
    /// How long it waited because of limits. Part of the latency, unless its router is patient.
    pub queued_time: Duration,
}

/// An answer, and who gave it.
#[derive(Clone, Debug)]
pub struct CallAnswer {
    /// What was answered.
    pub response: Response,
    /// Who answered.
    pub model_ref: ModelRef,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct CallError {
    /// What ended the call.
    pub reason: StopReason,
    /// The last attempt's failure; `None` when nothing was tried.
    pub failure: Option<Failure>,
    /// Text that had been shown when the answer broke off.
    pub shown_text: String,
}

/// What ended a call without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The plan left nobody to try.
    NoCandidate,
    /// A failure that no other candidate would mend.
    FatalFailure,
    /// Everyone failed.
    AllAttemptsFailed,
    /// The call's deadline ran out.
    DeadlineExceeded,
    /// The caller's own time limit ran out.
    CallerTimeout,
    /// A shown answer broke off.
    AnswerInterrupted,
    /// There was no more of anybody who could have been tried, and waiting for it did not help.
    AtLimit,
    /// What was left to try would cost more than is left.
    BudgetExceeded(BudgetExceeded),
}

impl StopReason {
    /// What ended the call, in words.
    pub fn message(self) -> String {
        let words = match self {
            Self::NoCandidate => "no candidate could be tried",
            Self::FatalFailure => "a failure of this class ends the call",
            Self::AllAttemptsFailed => "every attempt failed",
            Self::DeadlineExceeded => "the deadline ran out",
            Self::CallerTimeout => "the time limit ran out",
            Self::AnswerInterrupted => "the answer broke off after it was shown; what you see is not whole",
            Self::AtLimit => "the limits of those that are left let no call begin in time",
            Self::BudgetExceeded(over) => return over.to_string(),
        };
        words.to_owned()
    }
}

/// One exchange with one candidate.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The model.
    pub model_ref: ModelRef,
    /// Whether it is the simulator's.
    pub is_simulated: bool,
    /// From the call's start to the attempt's.
    pub start_offset: Duration,
    /// From the request leaving to the last byte.
    pub duration: Duration,
    /// Token counts, where there are any.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: Cost,
    /// Why it failed; `None` when it answered.
    pub failure: Option<Failure>,
    /// What the reply's headers said: its id, and what is left of the rate limits.
    pub account: ParsedResponseHeaders,
}

impl CallRecord {
    /// What all attempts cost together.
    pub fn total_cost(&self) -> Cost {
        let sum = Cost::sum(self.attempts.iter().map(|attempt| attempt.cost));
        let nothing_yet = sum == Cost::ZERO && self.is_simulated();
        if nothing_yet { Cost { source: CostSource::Simulated, ..sum } } else { sum }
    }

    /// How often the call moved on to another candidate.
    pub fn failover_count(&self) -> usize {
        self.attempts.windows(2).filter(|pair| pair[0].model_ref != pair[1].model_ref).count()
    }

    /// Whether any of it came from the simulator.
    pub fn is_simulated(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_simulated)
    }
}
