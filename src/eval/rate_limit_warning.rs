//! Warns about rate limits during a run.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::chat::{FailureClass, StreamEvent};
use crate::route::{CallNotice, CallObserver, WarningFn};

/// Reports the first rate limit, so that the user knows why the run is waiting.
pub(super) struct RateLimitObserver<'a> {
    pub(super) has_warned: &'a AtomicBool,
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
                "{model} is rate limited ({failure}); queuing its cases and reducing concurrency"
            ));
        }
    }
}
