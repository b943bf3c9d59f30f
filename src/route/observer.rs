//! The observer of a call and the notices it receives.

use std::fmt;
use std::time::Duration;

use super::{CapacityLimit, SkipReason};
use crate::chat::{Failure, StreamEvent};
use crate::provider::{ModelRef, RequestAdjustment};

pub trait CallObserver: Send {
    /// Whether events are shown as they arrive. Shown text cannot be taken back, so if the answer breaks off
    /// after that, the call fails over only if the route's `on_midstream` allows it.
    fn is_live(&self) -> bool;

    /// Called for each event of the answer, as it arrives.
    fn on_event(&mut self, event: &StreamEvent);

    fn on_notice(&mut self, notice: &CallNotice<'_>);
}

/// Ignores everything, for callers that need only the result.
pub struct SilentObserver;

impl CallObserver for SilentObserver {
    fn is_live(&self) -> bool {
        false
    }
    fn on_event(&mut self, _event: &StreamEvent) {}
    fn on_notice(&mut self, _notice: &CallNotice<'_>) {}
}

/// Progress of a call that the user may want to see.
#[derive(Clone, Copy, Debug)]
pub enum CallNotice<'a> {
    AttemptFailed {
        model: &'a ModelRef,
        failure: &'a Failure,
    },
    /// No candidate is available, so the one that becomes available soonest is tried.
    LastResort {
        model: &'a ModelRef,
        skip: &'a SkipReason,
        wait: Duration,
    },
    /// The candidate cannot be tried now, so the call continues with another one.
    Skipped {
        model: &'a ModelRef,
        skip: &'a SkipReason,
    },
    /// The request had to be changed for this model.
    RequestAdjusted {
        model: &'a ModelRef,
        adjustment: RequestAdjustment,
    },
    /// No other candidate is available, and the call has been waiting for a limit for a while.
    WaitingForLimit {
        model: &'a ModelRef,
        full: &'a CapacityLimit,
    },
    /// The answer broke off after part of it was shown, and starts over.
    AnswerRestarted {
        /// The model whose answer broke off.
        model: &'a ModelRef,
    },
}

impl fmt::Display for CallNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptFailed { model, failure } => write!(f, "{model}: {failure}"),
            Self::LastResort { model, skip, wait } => {
                let when = match wait.is_zero() {
                    true => "now".to_owned(),
                    false => format!("in {:.1} s", wait.as_secs_f64()),
                };
                write!(f, "{model}: {skip}; trying it {when} because no alternative is ready")
            }
            Self::Skipped { model, skip } => write!(f, "skipping {model}: {skip}"),
            Self::RequestAdjusted { model, adjustment } => write!(f, "{model}: {adjustment}"),
            Self::WaitingForLimit { model, full } => write!(f, "waiting for {model}: {full}"),
            Self::AnswerRestarted { model } => {
                write!(f, "the stream from {model} broke; restarting the answer")
            }
        }
    }
}
