//! What outlives a process: one SQLite file that every process of a user shares.
//!
//! Plain rows in, plain rows out; what they mean is decided in `route` and `eval`. Reading never waits for a writer
//! (write-ahead log). One thread writes, and gathers what has queued up into one transaction, so that nobody waits for
//! a disk; [`Ledger::write`] is for those who have to know that it is done.
//!
//! A ledger that cannot be used costs nobody an answer. While another process holds the file, changes are kept, and made
//! in it once it is free; until then calls go by a copy in memory. A file that fails for another reason is left for good:
//! from then on everything is kept in memory, on top of what could be read, and [`Ledger::trouble`] says why.

mod health;
mod limits;
mod route_stats;
mod run_history;
mod runs;
mod sanitize;
mod schema;
mod sqlite_file;
mod state;
mod tables;
mod weights;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;

pub use health::{DecayedMean, HealthKey, HealthRow};
pub use limits::{Lease, LeaseTotals, RateBucket, Spend};
pub use route_stats::{PassRateRow, RouteStatsRow};
pub use run_history::ResultSummaryRow;
pub use runs::{CachedAnswerRow, ResultRow, RunRow};
use state::{LedgerState, lock};
pub use tables::LedgerTables;
pub use weights::WeightRow;
use writer::{LedgerWriter, WriteJob};

/// What rows are read and written with.
pub type SqlResult<T> = rusqlite::Result<T>;

/// How long things are waited for.
#[derive(Clone, Copy, Debug)]
struct LedgerTimeouts {
    /// For a transaction of another process, and at the end for the file to become free.
    lock_wait: Duration,
    /// Until it is looked again whether the file is still there.
    file_check: Duration,
}

const TIMEOUTS: LedgerTimeouts =
    LedgerTimeouts { lock_wait: Duration::from_secs(2), file_check: Duration::from_secs(1) };

/// The ledger of this process. Dropping it waits until everything is written, or for two seconds.
pub struct Ledger {
    shared: Arc<LedgerState>,
    /// The thread that writes, started by the first write; none where everything is in memory.
    writer: OnceLock<LedgerWriter>,
}

impl Ledger {
    /// A ledger that ends with the process.
    pub fn in_memory() -> Self {
        Self { shared: Arc::new(LedgerState::in_memory(TIMEOUTS)), writer: OnceLock::new() }
    }

    /// The ledger in a file, which is made where it is not there. One that cannot be opened is left as it is, and
    /// everything is kept in memory.
    pub fn open(path: &Path) -> Self {
        Self::open_with(path, TIMEOUTS)
    }

    fn open_with(path: &Path, patience: LedgerTimeouts) -> Self {
        Self { shared: Arc::new(LedgerState::open(path, patience)), writer: OnceLock::new() }
    }

    /// Why nothing of this outlives the process, where something went wrong; in words.
    pub fn disabled_reason(&self) -> Option<&str> {
        self.shared.disabled_reason()
    }

    /// Has somebody told, once and when it happens, that the file cannot be used any more.
    pub fn on_disabled(&self, tell: impl Fn(&str) + Send + 'static) {
        self.shared.set_on_disabled(Box::new(tell));
    }

    /// Waits until everything is written that was posted before. Where another process holds the file for two seconds
    /// more, that is lost, and is [trouble](Self::trouble).
    pub async fn flush(&self) {
        match self.writer.get() {
            Some(writer) => writer.flush().await,
            // It was held at the beginning, so that nothing of it was read, and nobody had anything to write.
            None if self.shared.is_waiting_for_file() => self.shared.disable(sqlite_file::LOCKED_REASON),
            None => {}
        }
    }

    /// Reads rows. Never waits for a writer. What cannot be read is as if it were not there.
    pub fn read<T: Default>(&self, mut read: impl FnMut(&LedgerTables<'_>) -> SqlResult<T>) -> T {
        let mut attempt = || self.shared.with_connection(|connection| read(&LedgerTables::new(connection)));
        match attempt() {
            Some(Ok(value)) => value,
            // It is free again in a moment.
            Some(Err(why)) if sqlite_file::is_busy(&why) => T::default(),
            Some(Err(why)) => {
                self.shared.disable(&sqlite_file::describe_error(&why));
                attempt().and_then(Result::ok).unwrap_or_default()
            }
            None => T::default(),
        }
    }

    /// Changes rows in one transaction, some time soon: what is posted first is done first.
    pub fn enqueue(&self, change: impl FnMut(&LedgerTables<'_>) -> SqlResult<()> + Send + 'static) {
        self.submit(WriteJob { write: Box::new(change), done: None });
    }

    /// Changes rows in one transaction, and waits until that is done. `change` may be called more than once: where the
    /// file fails it, or is held by another process. What it said first is what counts.
    pub async fn write<T: Default + Send + 'static>(
        &self,
        change: impl FnMut(&LedgerTables<'_>) -> SqlResult<T> + Send + 'static,
    ) -> T {
        self.enqueue_with_ack(change).await.unwrap_or_default()
    }

    /// As [`post`](Self::post), with a receipt for what came of it.
    pub fn enqueue_with_ack<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&LedgerTables<'_>) -> SqlResult<T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let result = Arc::new(Mutex::new(None));
        let (filled, taken) = (Arc::clone(&result), result);
        let change = move |rows: &LedgerTables<'_>| {
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
        self.submit(WriteJob { write: Box::new(change), done: Some(Box::new(done)) });
        receiver
    }

    /// Says that changes will be posted soon: what that takes is made ready meanwhile, by the thread that writes.
    pub fn start_writer(&self) {
        if self.shared.has_file() && self.writer.get().is_none() {
            self.writer.get_or_init(|| LedgerWriter::start(Arc::clone(&self.shared))).open_early();
        }
    }

    /// Whether whoever writes has begun to.
    pub fn is_writer_started(&self) -> bool {
        self.writer.get().is_some()
    }

    fn submit(&self, mut job: WriteJob) {
        if self.shared.has_file() || self.writer.get().is_some() {
            self.writer.get_or_init(|| LedgerWriter::start(Arc::clone(&self.shared))).send(job);
        } else {
            self.shared.apply_to_memory(std::slice::from_mut(&mut job));
            job.acknowledge();
        }
    }
}

#[cfg(test)]
mod file_failure_tests;
#[cfg(test)]
mod tests;
