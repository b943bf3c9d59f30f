//! What happens during a call, as events for its observer.

use std::time::Duration;

use super::reasons::{BudgetWarning, CapacityLimit};
use super::skip_reason::SkipReason;
use crate::chat::{Failure, FailureClass, StreamEvent};
use crate::provider::{ModelRef, RequestAdjustment};

/// Receives the events of a call, in order.
pub trait Observer: Send {
    fn on_event(&mut self, event: &CallEvent<'_>);
}

/// Ignores everything, for callers that need only the result.
pub struct SilentObserver;

impl Observer for SilentObserver {
    fn on_event(&mut self, _event: &CallEvent<'_>) {}
}

/// A circuit breaker that a call opened.
#[derive(Clone, Debug)]
pub struct BreakerOpened {
    pub model: ModelRef,
    /// How long it stays open.
    pub duration: Duration,
    /// The class of the failure that opened it.
    pub class: FailureClass,
}

/// Something that happened during a call.
#[derive(Clone, Copy, Debug)]
pub enum CallEvent<'a> {
    /// A piece of the answer arrived.
    Stream(&'a StreamEvent),
    /// An attempt failed, and the call continues.
    AttemptFailed { model: &'a ModelRef, failure: &'a Failure },
    /// No candidate is available, so the one that becomes available soonest is tried.
    LastResort { model: &'a ModelRef, skip: &'a SkipReason, wait: Duration },
    /// The candidate cannot be tried now, so the call continues with another one.
    Skipped { model: &'a ModelRef, skip: &'a SkipReason },
    /// The request had to be changed for this model.
    RequestAdjusted { model: &'a ModelRef, adjustment: RequestAdjustment },
    /// The call waits this long before it tries the candidate again.
    WaitingToRetry { model: &'a ModelRef, wait: Duration },
    /// No other candidate is available, and the call has been waiting for a limit for a while.
    WaitingForLimit { model: &'a ModelRef, full: &'a CapacityLimit },
    /// The answer broke off after part of it was shown, and starts over.
    AnswerRestarted {
        /// The model whose answer broke off.
        model: &'a ModelRef,
    },
    /// The call opened a circuit breaker.
    BreakerOpened(&'a BreakerOpened),
    /// The daily budget does not stop the call, but the user should know. Sent once per process and kind.
    BudgetWarning(&'a BudgetWarning),
}

impl CallEvent<'_> {
    /// The name in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stream(_) => "stream",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::LastResort { .. } => "last_resort",
            Self::Skipped { .. } => "skipped",
            Self::RequestAdjusted { .. } => "request_adjusted",
            Self::WaitingToRetry { .. } => "waiting_to_retry",
            Self::WaitingForLimit { .. } => "waiting_for_limit",
            Self::AnswerRestarted { .. } => "answer_restarted",
            Self::BreakerOpened(_) => "breaker_opened",
            Self::BudgetWarning(_) => "budget_warning",
        }
    }

    /// The model that it is about; `None` for events about the whole call.
    pub fn model(&self) -> Option<&ModelRef> {
        match self {
            Self::AttemptFailed { model, .. }
            | Self::LastResort { model, .. }
            | Self::Skipped { model, .. }
            | Self::RequestAdjusted { model, .. }
            | Self::WaitingToRetry { model, .. }
            | Self::WaitingForLimit { model, .. }
            | Self::AnswerRestarted { model } => Some(model),
            Self::BreakerOpened(opened) => Some(&opened.model),
            Self::Stream(_) | Self::BudgetWarning(_) => None,
        }
    }
}
