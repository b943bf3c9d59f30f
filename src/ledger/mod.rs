//! The ledger: data that outlives a process, in one SQLite file shared by all processes of a user. It
//! implements the stores that `route` and `eval` define; no other module knows about SQLite.
//!
//! Reads never wait for a writer (write-ahead log). One thread writes and batches queued changes into one
//! transaction, so that callers do not wait for the disk, unless they need the result.
//!
//! A ledger that cannot be used never fails a call. While another process holds the file, changes go to a
//! copy in memory and are written once the file is free. A file that fails for another reason is disabled for
//! the rest of the process: everything stays in memory, starting from what could be read, and
//! [`Ledger::disabled_reason`] says why.

mod call_store;
mod health_rows;
mod ledger_state;
mod limit_rows;
mod process_identity;
mod route_stats;
mod run_history;
mod run_rows;
mod run_store;
mod sanitize;
mod schema;
mod snapshot_cache;
mod sqlite_file;
mod tables;
mod weight_rows;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::route::store::{StoreError, StoreFuture};
use ledger_state::{LedgerState, lock};
use snapshot_cache::SnapshotCache;
#[cfg(test)]
pub(crate) use tables::LedgerTables;
#[cfg(not(test))]
use tables::LedgerTables;
use writer::{LedgerWriter, WriteJob};

type SqlResult<T> = rusqlite::Result<T>;

/// A statement that inserts or replaces a row, with a parameter named after each column.
fn replace_statement(table: &str, columns: &str) -> String {
    let parameters: Vec<String> = columns.split(',').map(|column| format!(":{}", column.trim())).collect();
    format!("INSERT OR REPLACE INTO {table} ({columns}) VALUES ({})", parameters.join(", "))
}

#[derive(Clone, Copy, Debug)]
struct LedgerTimeouts {
    /// Maximum wait for another process's transaction and, when flushing, for a locked file.
    lock_wait: Duration,
    /// Interval for checking whether the file still exists.
    file_check: Duration,
}

const TIMEOUTS: LedgerTimeouts =
    LedgerTimeouts { lock_wait: Duration::from_secs(2), file_check: Duration::from_secs(1) };

/// The ledger of this process. Dropping it waits until everything is written, for at most two seconds.
pub struct Ledger {
    shared: Arc<LedgerState>,
    /// The thread that writes, started by the first write; empty if everything is in memory.
    writer: OnceLock<LedgerWriter>,
    snapshots: Mutex<SnapshotCache>,
}

impl Ledger {
    /// A ledger that is discarded at the end of the process.
    pub fn in_memory() -> Self {
        Self::new(LedgerState::in_memory(TIMEOUTS))
    }

    /// Opens the ledger file, or creates it. A file that cannot be opened is left unchanged, and everything
    /// is kept in memory.
    pub fn open(path: &Path) -> Self {
        Self::open_with(path, TIMEOUTS)
    }

    fn open_with(path: &Path, timeouts: LedgerTimeouts) -> Self {
        Self::new(LedgerState::open(path, timeouts))
    }

    fn new(state: LedgerState) -> Self {
        Self { shared: Arc::new(state), writer: OnceLock::new(), snapshots: Mutex::default() }
    }

    /// Why nothing is saved; `None` if the ledger is not disabled.
    pub fn disabled_reason(&self) -> Option<&str> {
        self.shared.disabled_reason()
    }

    /// Sets a callback that runs once, when the file is disabled. It receives the reason, and whether everything
    /// in the file could be read before.
    pub fn on_disabled(&self, callback: impl Fn(&str, bool) + Send + 'static) {
        self.shared.set_on_disabled(Box::new(callback));
    }

    /// Waits until all queued changes are written. If another process holds the file for two more seconds,
    /// the changes are lost and the ledger is disabled.
    pub async fn flush(&self) {
        match self.writer.get() {
            Some(writer) => writer.flush().await,
            // The file was locked from the start, so nothing was read from it, and nothing had to be written.
            None if self.shared.is_waiting_for_file() => self.shared.disable(sqlite_file::LOCKED_REASON),
            None => {}
        }
    }

    /// Reads rows without waiting for a writer. A row that cannot be read counts as missing.
    fn read_tables<T>(
        &self,
        mut read: impl FnMut(&LedgerTables<'_>) -> SqlResult<T>,
    ) -> Result<T, StoreError> {
        let error = |why: &rusqlite::Error| StoreError(sqlite_file::describe_error(why));
        let mut attempt = || self.shared.with_tables(&mut read).ok_or_else(|| StoreError("not open".into()));
        match attempt()? {
            Ok(value) => Ok(value),
            // A lock is temporary, so the ledger stays enabled.
            Err(why) if sqlite_file::is_busy(&why) => Err(error(&why)),
            Err(why) => {
                self.shared.disable(&sqlite_file::describe_error(&why));
                attempt()?.map_err(|why| error(&why))
            }
        }
    }

    /// Queues a change for a transaction. Changes are applied in the order in which they were queued.
    fn enqueue_change(&self, change: impl FnMut(&LedgerTables<'_>) -> SqlResult<()> + Send + 'static) {
        self.submit(WriteJob { write: Box::new(change), done: None });
    }

    /// Queues a change for a transaction; the future resolves to its result. `change` may run more than once,
    /// if the file fails or is locked; the result of the first run counts.
    fn write_tables<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&LedgerTables<'_>) -> SqlResult<T> + Send + 'static,
    ) -> StoreFuture<T> {
        let (sender, receiver) = oneshot::channel();
        let slot = Arc::new(Mutex::new(None));
        let (writer_slot, reader_slot) = (Arc::clone(&slot), slot);
        let change = move |rows: &LedgerTables<'_>| {
            let value = change(rows)?;
            *lock(&writer_slot) = Some(value);
            Ok(())
        };
        let done = move || {
            if let Some(value) = lock(&reader_slot).take() {
                // The caller may no longer be waiting.
                let _ = sender.send(value);
            }
        };
        self.submit(WriteJob { write: Box::new(change), done: Some(Box::new(done)) });
        Box::pin(async move { receiver.await.map_err(|_| StoreError("a change was not applied".into())) })
    }

    /// Starts the writer thread and lets it open the file before there is anything to write.
    fn open_writer(&self) {
        if self.shared.has_file() && self.writer.get().is_none() {
            self.writer.get_or_init(|| LedgerWriter::start(Arc::clone(&self.shared))).open_early();
        }
    }

    fn has_writer(&self) -> bool {
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

/// Direct access to the rows.
#[cfg(test)]
impl Ledger {
    pub(crate) fn read<T>(&self, read: impl FnMut(&LedgerTables<'_>) -> SqlResult<T>) -> T {
        self.read_tables(read).unwrap()
    }

    pub(crate) fn enqueue(&self, change: impl FnMut(&LedgerTables<'_>) -> SqlResult<()> + Send + 'static) {
        self.enqueue_change(change);
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnMut(&LedgerTables<'_>) -> SqlResult<T> + Send + 'static,
    ) -> T {
        self.write_tables(change).await.unwrap()
    }
}

#[cfg(test)]
mod file_failure_tests;
#[cfg(test)]
mod tests;
