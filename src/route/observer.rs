//! Whoever watches a call, and what there is to tell.

use std::fmt;
use std::time::Duration;

use super::{CapacityLimit, SkipReason};
use crate::chat::{Failure, StreamEvent};
use crate::provider::{ModelRef, RequestAdjustment};

/// Whoever watches a call.
pub trait CallObserver: Send {
    /// Whether events are shown as they arrive. Then nothing can be taken back, and an answer that breaks off after
    /// its first text is not failed over.
    fn is_live(&self) -> bool;

    /// An event of the answer, as it arrives.
    fn on_event(&mut self, event: &StreamEvent);

    /// Something worth telling on the way.
    fn on_notice(&mut self, notice: &CallNotice<'_>);
}

/// A listener that wants only the result.
pub struct SilentObserver;

impl CallObserver for SilentObserver {
    fn is_live(&self) -> bool {
        false
    }
    fn on_event(&mut self, _event: &StreamEvent) {}
    fn on_notice(&mut self, _notice: &CallNotice<'_>) {}
}

/// Something worth telling on the way.
#[derive(Clone, Copy, Debug)]
pub enum CallNotice<'a> {
    /// An attempt failed.
    AttemptFailed {
        /// Who failed.
        model: &'a ModelRef,
        /// How.
        failure: &'a Failure,
    },
    /// Everyone wants to be left alone, and the first one to be free is tried.
    LastResort {
        /// Who is tried.
        model: &'a ModelRef,
        /// After which wait.
        wait: Duration,
    },
    /// It was this one's turn, but it wants to be left alone, and another one is ready.
    Skipped {
        /// Who.
        model: &'a ModelRef,
        /// Why.
        skip: &'a SkipReason,
    },
    /// The model gets something otherwise than it was asked for.
    RequestAdjusted {
        /// The model.
        model: &'a ModelRef,
        /// What.
        adjustment: RequestAdjustment,
    },
    /// Nobody else is ready, and it has waited for a while for a limit to let it begin.
    WaitingForLimit {
        /// For whom it waits.
        model: &'a ModelRef,
        /// Why.
        full: &'a CapacityLimit,
    },
    /// The shown answer broke off and begins anew.
    AnswerRestarted {
        /// Who broke off.
        model: &'a ModelRef,
    },
}

impl fmt::Display for CallNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AttemptFailed { model, failure } => write!(f, "{model}: {failure}"),
            Self::LastResort { model, wait } => {
                let when = match wait.is_zero() {
                    true => "now".to_owned(),
                    false => format!("in {:.1} s", wait.as_secs_f64()),
                };
                write!(f, "no candidate is ready; trying {model} {when}")
            }
            Self::Skipped { model, skip } => write!(f, "{model} is passed over: {skip}"),
            Self::RequestAdjusted { model, adjustment } => write!(f, "{model}: {adjustment}"),
            Self::WaitingForLimit { model, full } => write!(f, "waiting for {model}: {full}"),
            Self::AnswerRestarted { model } => write!(f, "{model} broke off; the answer begins anew"),
        }
    }
}
