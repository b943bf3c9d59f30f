//! Stops a run early.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunStopReason {
    Interrupted,
    /// This many calls gave no answer that could be scored.
    TooManyErrors(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopStage {
    Running,
    /// No new calls start; calls in flight may finish.
    Draining,
    /// Calls in flight are dropped.
    Aborted,
}

/// One signal serves all sets and subjects of a command.
#[derive(Debug)]
pub(crate) struct StopSignal {
    stage: watch::Sender<StopStage>,
    stop_reason: OnceLock<RunStopReason>,
    errors: AtomicU64,
    max_errors: Option<u64>,
}

impl StopSignal {
    /// `max_errors` stops the run after that many unscored calls.
    pub(crate) fn new(max_errors: Option<u64>) -> Self {
        let (stage, _) = watch::channel(StopStage::Running);
        Self { stage, stop_reason: OnceLock::new(), errors: AtomicU64::new(0), max_errors }
    }

    /// Whether new calls may start.
    pub(crate) fn is_running(&self) -> bool {
        *self.stage.borrow() == StopStage::Running
    }

    /// `None` unless the run was stopped.
    pub(crate) fn stop_reason(&self) -> Option<RunStopReason> {
        self.stop_reason.get().copied()
    }

    /// Starts no new calls. Only the first reason is kept.
    pub(crate) fn stop(&self, why: RunStopReason) {
        if self.is_running() {
            // The first reason counts.
            let _ = self.stop_reason.set(why);
            self.stage.send_replace(StopStage::Draining);
        }
    }

    /// Also drops the calls in flight.
    pub(crate) fn abort(&self) {
        self.stage.send_replace(StopStage::Aborted);
    }

    /// Counts an unscored call and stops the run at `max_errors`.
    pub(super) fn record_error(&self) {
        let errors = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
        if self.max_errors.is_some_and(|max| errors >= max) {
            self.stop(RunStopReason::TooManyErrors(errors));
        }
    }

    pub(crate) async fn wait_for_stop(&self) {
        // `self` holds the sender, so this cannot fail.
        let _ = self.stage.subscribe().wait_for(|stage| *stage != StopStage::Running).await;
    }

    pub(super) async fn wait_for_abort(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == StopStage::Aborted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_stop_reason_is_kept() {
        let signal = StopSignal::new(Some(2));
        signal.record_error();
        assert!(signal.is_running());
        signal.record_error();
        signal.stop(RunStopReason::Interrupted);
        assert_eq!(
            (signal.is_running(), signal.stop_reason()),
            (false, Some(RunStopReason::TooManyErrors(2)))
        );
        signal.wait_for_stop().await;
        signal.abort();
        signal.wait_for_abort().await;
    }
}
