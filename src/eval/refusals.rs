//! Refusals that a run waits for.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::chat::{Event, FailureClass};
use crate::route::{Listener, Notice, Tell};

/// Listens for refusals: a run that waits should say why, once.
pub(super) struct Refusals<'a> {
    /// Whether it was said.
    pub(super) told: &'a AtomicBool,
    /// Who is told.
    pub(super) tell: &'a Tell,
}

impl Listener for Refusals<'_> {
    fn shows(&self) -> bool {
        false
    }

    fn event(&mut self, _event: &Event) {}

    fn notice(&mut self, notice: &Notice<'_>) {
        if let Notice::Failed { model, failure } = notice
            && failure.class == FailureClass::RateLimited
            && !self.told.swap(true, Ordering::Relaxed)
        {
            (self.tell)(&format!(
                "{model} has too many requests ({failure}); its cases wait in line, and fewer are sent at once"
            ));
        }
    }
}
