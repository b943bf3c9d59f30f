//! A run that ends before its end.

use std::cell::Cell;

use tokio::sync::watch;

/// Why a run ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStopReason {
    /// Its user wanted it to.
    Interrupted,
    /// So many calls gave nothing to score.
    TooManyErrors(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopStage {
    Running,
    /// No call begins any more; those in flight may come to their end.
    Draining,
    /// Nobody waits for anything any more.
    Aborted,
}

/// Whether a run goes on. One serves all sets and subjects of a command.
#[derive(Debug)]
pub struct StopSignal {
    stage: watch::Sender<StopStage>,
    stop_reason: Cell<Option<RunStopReason>>,
    errors: Cell<u64>,
    max_errors: Option<u64>,
}

impl StopSignal {
    /// A run that goes on until so many calls gave nothing to score.
    pub fn new(max_errors: Option<u64>) -> Self {
        let (stage, _) = watch::channel(StopStage::Running);
        Self { stage, stop_reason: Cell::new(None), errors: Cell::new(0), max_errors }
    }

    /// Whether more may begin.
    pub fn is_running(&self) -> bool {
        *self.stage.borrow() == StopStage::Running
    }

    /// Why it ended before its end, if it did.
    pub fn stop_reason(&self) -> Option<RunStopReason> {
        self.stop_reason.get()
    }

    /// Begins nothing more.
    pub fn stop(&self, why: RunStopReason) {
        if self.is_running() {
            self.stop_reason.set(Some(why));
            self.stage.send_replace(StopStage::Draining);
        }
    }

    /// Lets go of what is in flight.
    pub fn abort(&self) {
        self.stage.send_replace(StopStage::Aborted);
    }

    /// A call gave nothing to score.
    pub(super) fn record_error(&self) {
        let errors = self.errors.get() + 1;
        self.errors.set(errors);
        if self.max_errors.is_some_and(|most| errors >= most) {
            self.stop(RunStopReason::TooManyErrors(errors));
        }
    }

    /// Waits until nothing more begins.
    pub async fn wait_for_stop(&self) {
        // The sender lives as long as this does.
        let _ = self.stage.subscribe().wait_for(|stage| *stage != StopStage::Running).await;
    }

    /// Waits until nobody waits for anything any more.
    pub(super) async fn wait_for_abort(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == StopStage::Aborted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_stop_reason_is_kept() {
        let halt = StopSignal::new(Some(2));
        halt.record_error();
        assert!(halt.is_running());
        halt.record_error();
        halt.stop(RunStopReason::Interrupted);
        assert_eq!((halt.is_running(), halt.stop_reason()), (false, Some(RunStopReason::TooManyErrors(2))));
        halt.wait_for_stop().await;
        halt.abort();
        halt.wait_for_abort().await;
    }
}
