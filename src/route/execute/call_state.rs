//! The state of a call that decides its next step. Plain data: [`next_step`](super::next_step) reads it, and
//! the execution records in it what happened.

use tokio::time::Instant;

use crate::route::availability::Availability;
use crate::route::call_record::StopReason;
use crate::route::reasons::{CapacityLimit, Unavailable};

/// Maximum number of attempts for a call with this many candidates.
pub(crate) fn max_attempts(candidates: usize) -> usize {
    (candidates + 2).max(6)
}

#[derive(Clone, Debug)]
pub(super) struct CallState {
    /// The candidates that the plan tries, in order.
    pub(super) candidates: Vec<CandidateState>,
    /// The candidate whose attempt failed last.
    pub(super) last_failed: Option<usize>,
    /// Why a candidate could not be tried at all.
    pub(super) admission_failure: Option<StopReason>,
}

/// State of a candidate during the call.
#[derive(Clone, Debug, Default)]
pub(super) struct CandidateState {
    pub(super) attempts: u32,
    /// Set once no further attempt is allowed.
    pub(super) is_excluded: bool,
    /// Attempts that got a 429 and do not count, because the call waits for limits.
    pub(super) uncounted_rate_limits: u32,
    /// Whether the last attempt was one of those.
    pub(super) is_rate_limited: bool,
    /// Earliest retry, after a failure that allows one.
    pub(super) retry_at: Option<Instant>,
    /// The limit that kept it from starting, and when capacity is free at the latest, in milliseconds since
    /// 1970.
    pub(super) limit: Option<(CapacityLimit, i64)>,
    /// Whether its next attempt was already paid for from the retry budget.
    pub(super) has_retry_credit: bool,
}

impl CandidateState {
    pub(super) fn is_untried(&self) -> bool {
        self.attempts == 0 && !self.is_excluded
    }
}

impl CallState {
    pub(super) fn new(candidates: usize) -> Self {
        Self {
            candidates: vec![CandidateState::default(); candidates],
            last_failed: None,
            admission_failure: None,
        }
    }

    pub(super) fn has_attempted(&self) -> bool {
        self.candidates.iter().any(|candidate| candidate.attempts > 0)
    }

    /// Whether the maximum number of attempts is reached. If the call waits for limits, 429s do not count.
    pub(super) fn is_out_of_attempts(&self) -> bool {
        let counted = |candidate: &CandidateState| {
            candidate.attempts.saturating_sub(candidate.uncounted_rate_limits) as usize
        };
        self.candidates.iter().map(counted).sum::<usize>() >= max_attempts(self.candidates.len())
    }

    /// Indices of the candidates that may still get their first attempt.
    pub(super) fn untried(&self) -> Vec<usize> {
        (0..self.candidates.len()).filter(|index| self.candidates[*index].is_untried()).collect()
    }

    /// The availability of an untried candidate: a limit that it reached during the call comes first.
    pub(super) fn limited_availability(&self, index: usize, availability: Availability) -> Availability {
        match self.candidates[index].limit.clone() {
            Some((limit, until)) => Availability::Unavailable { until, why: Unavailable::AtLimit(limit) },
            None => availability,
        }
    }
}
