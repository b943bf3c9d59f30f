//! Refusals that a run waits for.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::chat::{FailureClass, StreamEvent};
use crate::route::{CallNotice, CallObserver, WarningFn};

/// Listens for refusals: a run that waits should say why, once.
pub(super) struct RateLimitObserver<'a> {
    /// Whether it was said.
    pub(super) has_warned: &'a AtomicBool,
    /// Who is told.
    pub(super) tell: &'a WarningFn,
}

impl CallObserver for RateLimitObserver<'_> {
    fn is_live(&self) -> bool {
        false
    }

    fn on_event(&mut self, _event: &StreamEvent) {}

    fn on_notice(&mut self, notice: &CallNotice<'_>) {
        if let CallNotice::AttemptFailed { model, failure } = notice
            && failure.class == FailureClass::RateLimited
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            (self.tell)(&format!(
                "{model} has too many requests ({failure}); its cases wait in line, and fewer are sent at once"
            ));
        }
    }
}
