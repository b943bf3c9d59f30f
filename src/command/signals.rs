//! Who is told of the signals that end a process.

use std::cell::Cell;

use tokio::sync::watch;

use super::outcome::CommandOutcome;

/// Who is told of signals. A command that nobody listens in is ended by the first one.
pub(super) struct SignalBroadcast {
    count: watch::Sender<u32>,
    last: Cell<CommandOutcome>,
}

impl SignalBroadcast {
    pub(super) fn new() -> Self {
        Self { count: watch::channel(0).0, last: Cell::new(CommandOutcome::Interrupted) }
    }

    /// As long as this is held, signals end nothing by themselves; each is told here.
    pub(super) fn subscribe(&self) -> watch::Receiver<u32> {
        self.count.subscribe()
    }

    /// Tells of a signal, and how a command ends by it; says whether somebody listens.
    pub(super) fn notify(&self, outcome: CommandOutcome) -> bool {
        self.last.set(outcome);
        self.count.send_modify(|count| *count += 1);
        self.count.receiver_count() > 0
    }

    /// How a command ends by the last signal that there was.
    pub(super) fn last_outcome(&self) -> CommandOutcome {
        self.last.get()
    }
}
