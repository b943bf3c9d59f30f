//! Whoever watches a call, and what there is to tell.

use std::fmt;
use std::time::Duration;

use super::{Full, Skip};
use crate::chat::{Event, Failure};
use crate::provider::{Adjustment, ModelRef};

/// Whoever watches a call.
pub trait Listener: Send {
    /// Whether events are shown as they arrive. Then nothing can be taken back, and an answer that breaks off after
    /// its first text is not failed over.
    fn shows(&self) -> bool;

    /// An event of the answer, as it arrives.
    fn event(&mut self, event: &Event);

    /// Something worth telling on the way.
    fn notice(&mut self, notice: &Notice<'_>);
}

/// A listener that wants only the result.
pub struct Silent;

impl Listener for Silent {
    fn shows(&self) -> bool {
        false
    }
    fn event(&mut self, _event: &Event) {}
    fn notice(&mut self, _notice: &Notice<'_>) {}
}

/// Something worth telling on the way.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// An attempt failed.
    Failed {
        /// Who failed.
        model: &'a ModelRef,
        /// How.
        failure: &'a Failure,
    },
    /// Everyone wants to be left alone, and the first one to be free is tried.
    NobodyReady {
        /// Who is tried.
        model: &'a ModelRef,
        /// After which wait.
        wait: Duration,
    },
    /// It was this one's turn, but it wants to be left alone, and another one is ready.
    PassedOver {
        /// Who.
        model: &'a ModelRef,
        /// Why.
        skip: &'a Skip,
    },
    /// The model gets something otherwise than it was asked for.
    Adjusted {
        /// The model.
        model: &'a ModelRef,
        /// What.
        adjustment: Adjustment,
    },
    /// Nobody else is ready, and it has waited for a while for a limit to let it begin.
    Queued {
        /// For whom it waits.
        model: &'a ModelRef,
        /// Why.
        full: &'a Full,
    },
    /// The shown answer broke off and begins anew.
    Restart {
        /// Who broke off.
        model: &'a ModelRef,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { model, failure } => write!(f, "{model}: {failure}"),
            Self::NobodyReady { model, wait } => {
                let when = match wait.is_zero() {
                    true => "now".to_owned(),
                    false => format!("in {:.1} s", wait.as_secs_f64()),
                };
                write!(f, "no candidate is ready; trying {model} {when}")
            }
            Self::PassedOver { model, skip } => write!(f, "{model} is passed over: {skip}"),
            Self::Adjusted { model, adjustment } => write!(f, "{model}: {adjustment}"),
            Self::Queued { model, full } => write!(f, "waiting for {model}: {full}"),
            Self::Restart { model } => write!(f, "{model} broke off; the answer begins anew"),
        }
    }
}
