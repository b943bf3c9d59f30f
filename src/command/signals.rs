//! Who is told of the signals that end a process.

use tokio::sync::watch;

/// Who is told of signals. A command that nobody listens in is ended by the first one.
pub(super) struct Signals(watch::Sender<u32>);

impl Signals {
    pub(super) fn new() -> Self {
        Self(watch::channel(0).0)
    }

    /// As long as this is held, signals end nothing by themselves; each is told here.
    pub(super) fn listen(&self) -> watch::Receiver<u32> {
        self.0.subscribe()
    }

    /// Tells of a signal; says whether somebody listens.
    pub(super) fn tell(&self) -> bool {
        self.0.send_modify(|count| *count += 1);
        self.0.receiver_count() > 0
    }
}
