//! Distributes shutdown signals to the command that is running.

use std::cell::Cell;

use tokio::sync::watch;

use super::outcome::CommandOutcome;

/// Tells subscribers about signals. Without a subscriber, the first signal ends the command.
pub(super) struct SignalBroadcast {
    count: watch::Sender<u32>,
    last: Cell<CommandOutcome>,
}

impl SignalBroadcast {
    pub(super) fn new() -> Self {
        Self { count: watch::channel(0).0, last: Cell::new(CommandOutcome::Interrupted) }
    }

    /// While the receiver exists, signals do not end the command. It receives the count of signals so far.
    pub(super) fn subscribe(&self) -> watch::Receiver<u32> {
        self.count.subscribe()
    }

    /// Notifies subscribers of a signal and its outcome. Returns whether there are any.
    pub(super) fn notify(&self, outcome: CommandOutcome) -> bool {
        self.last.set(outcome);
        self.count.send_modify(|count| *count += 1);
        self.count.receiver_count() > 0
    }

    /// The outcome of the last signal.
    pub(super) fn last_outcome(&self) -> CommandOutcome {
        self.last.get()
    }
}
