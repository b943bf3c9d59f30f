//! What happens during a run, as events for its observer.

use std::sync::atomic::{AtomicBool, Ordering};

use super::CaseResult;
use crate::chat::{Failure, FailureClass};
use crate::provider::ModelRef;
use crate::route::{CallEvent, Observer};

/// Receives the events of a run. Cases run concurrently, so the events of their calls interleave.
pub(crate) trait RunObserver: Sync {
    fn on_event(&self, event: &RunEvent<'_>);
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RunEvent<'a> {
    /// An event of a call to a subject or a grader.
    Call(&'a CallEvent<'a>),
    /// The first rate limit of a subject or of the judges.
    RateLimited { model: &'a ModelRef, failure: &'a Failure },
    /// A case has a result.
    Result { subject: &'a str, result: &'a CaseResult },
    /// Some cases of a subject cannot be read back from the temporary folder, so they have no result.
    CasesLost { subject: &'a str },
}

/// Passes the events of one call on to the run's observer.
pub(super) struct RunCallObserver<'a> {
    pub(super) observer: &'a dyn RunObserver,
    /// Whether a rate limit was reported.
    pub(super) has_reported_rate_limit: &'a AtomicBool,
}

impl Observer for RunCallObserver<'_> {
    fn on_event(&mut self, event: &CallEvent<'_>) {
        self.observer.on_event(&RunEvent::Call(event));
        if let CallEvent::AttemptFailed { model, failure } = event
            && failure.class == FailureClass::RateLimited
            && !self.has_reported_rate_limit.swap(true, Ordering::Relaxed)
        {
            self.observer.on_event(&RunEvent::RateLimited { model, failure });
        }
    }
}
