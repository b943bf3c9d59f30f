//! What outlives a process: one SQLite file that every process of a user shares.
//!
//! Plain rows in, plain rows out; what they mean is decided in `route` and `eval`. Reading never waits for a writer
//! (write-ahead log). One thread writes, and gathers what has queued up into one transaction, so that nobody waits for
//! a disk; [`Ledger::write`] is for those who have to know that it is done.
//!
//! A ledger that cannot be used costs nobody an answer. While another process holds the file, changes are kept, and made
//! in it once it is free; until then calls go by a copy in memory. A file that fails for another reason is left for good:
//! from then on everything is kept in memory, on top of what could be read, and [`Ledger::trouble`] says why.

mod file;
mod habits;
mod health;
mod history;
mod limits;
mod readable;
mod rows;
mod runs;
mod schema;
mod shared;
mod weights;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;

pub use habits::{RouteRow, ScoreRow};
pub use health::{HealthKey, HealthRow, Trend};
pub use history::OutcomeRow;
pub use limits::{Lease, Leases, Pace, Spend};
pub use rows::Rows;
pub use runs::{AnswerRow, ResultRow, RunRow};
use shared::{Shared, lock};
pub use weights::WeightRow;
use writer::{Job, Writer};

/// What rows are read and written with.
pub type RowResult<T> = rusqlite::Result<T>;

/// How long things are waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// For a transaction of another process, and at the end for the file to become free.
    busy: Duration,
    /// Until it is looked again whether the file is still there.
    look: Duration,
}

const PATIENCE: Patience = Patience { busy: Duration::from_secs(2), look: Duration::from_secs(1) };

/// The ledger of this process. Dropping it waits until everything is written, or for two seconds.
pub struct Ledger {
    shared: Arc<Shared>,
    /// The thread that writes, started by the first write; none where everything is in memory.
    writer: OnceLock<Writer>,
}

impl Ledger {
    /// A ledger that ends with the process.
    pub fn in_memory() -> Self {
        Self { shared: Arc::new(Shared::in_memory(PATIENCE)), writer: OnceLock::new() }
    }

    /// The ledger in a file, which is made where it is not there. One that cannot be opened is left as it is, and
    /// everything is kept in memory.
    pub fn open(path: &Path) -> Self {
        Self::open_with(path, PATIENCE)
    }

    fn open_with(path: &Path, patience: Patience) -> Self {
        Self { shared: Arc::new(Shared::open(path, patience)), writer: OnceLock::new() }
    }

    /// Why nothing of this outlives the process, where something went wrong; in words.
    pub fn trouble(&self) -> Option<&str> {
        self.shared.trouble()
    }

    /// Has somebody told, once and when it happens, that the file cannot be used any more.
    pub fn on_trouble(&self, tell: impl Fn(&str) + Send + 'static) {
        self.shared.on_trouble(Box::new(tell));
    }

    /// Waits until everything is written that was posted before. Where another process holds the file for two seconds
    /// more, that is lost, and is [trouble](Self::trouble).
    pub async fn settle(&self) {
        match self.writer.get() {
            Some(writer) => writer.settle().await,
            // It was held at the beginning, so that nothing of it was read, and nobody had anything to write.
            None if self.shared.is_held() => self.shared.fall(file::HELD),
            None => {}
        }
    }

    /// Reads rows. Never waits for a writer. What cannot be read is as if it were not there.
    pub fn read<T: Default>(&self, mut read: impl FnMut(&Rows<'_>) -> RowResult<T>) -> T {
        let mut attempt = || self.shared.with(|connection| read(&Rows::new(connection)));
        match attempt() {
            Some(Ok(value)) => value,
            // It is free again in a moment.
            Some(Err(why)) if file::is_busy(&why) => T::default(),
            Some(Err(why)) => {
                self.shared.fall(&file::explained(&why));
                attempt().and_then(Result::ok).unwrap_or_default()
            }
            None => T::default(),
        }
    }

    /// Changes rows in one transaction, some time soon: what is posted first is done first.
    pub fn post(&self, change: impl FnMut(&Rows<'_>) -> RowResult<()> + Send + 'static) {
        self.send(Job { change: Box::new(change), done: None });
    }

    /// Changes rows in one transaction, and waits until that is done. `change` may be called more than once: where the
    /// file fails it, or is held by another process. What it said first is what counts.
    pub async fn write<T: Default + Send + 'static>(
        &self,
        change: impl FnMut(&Rows<'_>) -> RowResult<T> + Send + 'static,
    ) -> T {
        self.receipt(change).await.unwrap_or_default()
    }

    /// As [`post`](Self::post), with a receipt for what came of it.
    pub fn receipt<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&Rows<'_>) -> RowResult<T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let result = Arc::new(Mutex::new(None));
        let (filled, taken) = (Arc::clone(&result), result);
        let change = move |rows: &Rows<'_>| {
            let value = change(rows)?;
            *lock(&filled) = Some(value);
            Ok(())
        };
        let done = move || {
            if let Some(value) = lock(&taken).take() {
                // Whoever no longer waits for it does not need it.
                let _ = sender.send(value);
            }
        };
        self.send(Job { change: Box::new(change), done: Some(Box::new(done)) });
        receiver
    }

    /// Says that changes will be posted soon: what that takes is made ready meanwhile, by the thread that writes.
    pub fn expect_changes(&self) {
        if self.shared.has_file() && self.writer.get().is_none() {
            self.writer.get_or_init(|| Writer::start(Arc::clone(&self.shared))).open();
        }
    }

    /// Whether whoever writes has begun to.
    pub fn expects_changes(&self) -> bool {
        self.writer.get().is_some()
    }

    fn send(&self, mut job: Job) {
        if self.shared.has_file() || self.writer.get().is_some() {
            self.writer.get_or_init(|| Writer::start(Arc::clone(&self.shared))).send(job);
        } else {
            self.shared.change_memory(std::slice::from_mut(&mut job));
            job.answer();
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
