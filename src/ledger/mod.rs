//! What outlives a process: one SQLite file that every process of a user shares.
//!
//! Plain rows in, plain rows out; what they mean is decided in `route` and `eval`. Reading never waits for a writer
//! (write-ahead log). One thread writes, and gathers what has queued up into one transaction, so that nobody waits for
//! a disk; [`Ledger::write`] is for those who have to know that it is done. A ledger that cannot be used costs nobody an
//! answer: from then on everything is kept in memory, and [`Ledger::trouble`] says why.

mod file;
mod habits;
mod health;
mod limits;
mod rows;
mod runs;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

pub use habits::{RouteRow, ScoreRow};
pub use health::{HealthKey, HealthRow, Trend};
pub use limits::{Lease, Leases, Pace, Spend};
pub use rows::Rows;
pub use runs::{AnswerRow, ResultRow, RunRow};
use writer::{Job, Writer};

/// What rows are read and written with.
pub type RowResult<T> = rusqlite::Result<T>;

/// The ledger of this process. Dropping it waits until everything is written.
pub struct Ledger {
    shared: Arc<Shared>,
    /// The thread that writes, started by the first write; none where everything is in memory.
    writer: OnceLock<Writer>,
    path: Option<PathBuf>,
}

/// What the process's threads share.
struct Shared {
    /// For reading the file; in memory, for everything. `None` where the file could not be opened.
    connection: Option<Mutex<Connection>>,
    /// What stands in for a file that can no longer be used.
    memory: OnceLock<Mutex<Connection>>,
    /// Why it cannot.
    trouble: OnceLock<String>,
}

impl Shared {
    /// Goes on in memory, with what the file says of health, limits and money where that can still be read.
    fn fall(&self, path: Option<&Path>, why: &rusqlite::Error) {
        let place = path.map_or_else(String::new, |path| format!(" {}", path.display()));
        let _ = self.trouble.set(format!("the ledger{place} cannot be used: {}", file::explained(why)));
        self.fall_silently(path);
    }

    fn fall_silently(&self, path: Option<&Path>) {
        if self.memory.get().is_none()
            && let Ok(connection) = file::in_memory()
        {
            if let Some(path) = path {
                // What cannot be copied is begun anew.
                let _ = file::copy_what_holds(&connection, path);
            }
            let _ = self.memory.set(Mutex::new(connection));
        }
    }

    /// What is read from and, in memory, written to.
    fn connection(&self) -> Option<MutexGuard<'_, Connection>> {
        let connection = self.memory.get().or(self.connection.as_ref())?;
        Some(connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger {
    /// A ledger that ends with the process.
    pub fn in_memory() -> Self {
        let shared = Shared { connection: None, memory: OnceLock::new(), trouble: OnceLock::new() };
        shared.fall_silently(None);
        Self { shared: Arc::new(shared), writer: OnceLock::new(), path: None }
    }

    /// The ledger in a file, which is made where it is not there. One that cannot be opened is left as it is, and
    /// everything is kept in memory.
    pub fn open(path: &Path) -> Self {
        let (connection, why) = match file::open(path) {
            Ok(connection) => (Some(Mutex::new(connection)), None),
            Err(why) => (None, Some(why)),
        };
        let shared = Shared { connection, memory: OnceLock::new(), trouble: OnceLock::new() };
        if let Some(why) = why {
            shared.fall_silently(None);
            let _ = shared.trouble.set(format!("the ledger {} cannot be used: {why}", path.display()));
        }
        Self { shared: Arc::new(shared), writer: OnceLock::new(), path: Some(path.to_owned()) }
    }

    /// Why nothing of this outlives the process, where something went wrong; in words.
    pub fn trouble(&self) -> Option<&str> {
        self.shared.trouble.get().map(String::as_str)
    }

    /// Reads rows. Never waits for a writer. What cannot be read is as if it were not there.
    pub fn read<T: Default>(&self, mut read: impl FnMut(&Rows<'_>) -> RowResult<T>) -> T {
        let mut attempt = || {
            let connection = self.shared.connection()?;
            Some(read(&Rows::new(&connection)))
        };
        match attempt() {
            Some(Ok(value)) => value,
            Some(Err(why)) => {
                self.shared.fall(self.path.as_deref(), &why);
                attempt().and_then(Result::ok).unwrap_or_default()
            }
            None => T::default(),
        }
    }

    /// Changes rows in one transaction, some time soon: what is posted first is done first.
    pub fn post(&self, change: impl FnMut(&Rows<'_>) -> RowResult<()> + Send + 'static) {
        self.send(Job { change: Box::new(change), done: Box::new(|| ()) });
    }

    /// Changes rows in one transaction, and waits until that is done. `change` may be called a second time, where the
    /// file fails it.
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
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        let done = move || {
            if let Some(value) = taken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Whoever no longer waits for it does not need it.
                let _ = sender.send(value);
            }
        };
        self.send(Job { change: Box::new(change), done: Box::new(done) });
        receiver
    }

    fn send(&self, mut job: Job) {
        match (&self.path, self.shared.memory.get()) {
            (Some(path), None) => {
                self.writer.get_or_init(|| Writer::start(path.clone(), Arc::clone(&self.shared))).send(job);
            }
            _ => {
                if let Some(connection) = self.shared.connection() {
                    let _ = writer::transaction(&connection, std::slice::from_mut(&mut job));
                }
                (job.done)();
            }
        }
    }
}

#[cfg(test)]
mod tests;
