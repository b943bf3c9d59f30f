//! The thread that writes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{RowResult, Rows, Shared, file};

/// At most so many changes go into one transaction, so that other processes get their turn.
const BATCH: usize = 256;

/// Makes a change. Called again, on what stands in for the file, where the file fails it.
pub(super) type Change = Box<dyn FnMut(&Rows<'_>) -> RowResult<()> + Send>;

/// A change to be made.
pub(super) struct Job {
    /// Makes it.
    pub(super) change: Change,
    /// Called when it is made, or cannot be.
    pub(super) done: Box<dyn FnOnce() + Send>,
}

/// A handle to the thread. Dropping it waits until everything is written.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(path: PathBuf, shared: Arc<Shared>) -> Self {
        let (jobs, received) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || write(&path, &shared, &received))
            // Without a thread the receiver is gone, and with it every job: nothing is kept, nobody waits.
            .ok();
        Self { jobs: Some(jobs), thread }
    }

    pub(super) fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && let Err(unsent) = jobs.send(job)
        {
            (unsent.0.done)();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(path: &Path, shared: &Shared, received: &Receiver<Job>) {
    let mut file: Option<Connection> = None;
    while let Ok(first) = received.recv() {
        let mut jobs = vec![first];
        jobs.extend(received.try_iter().take(BATCH - 1));
        if shared.memory.get().is_none() {
            let written = match file.take().map_or_else(|| file::connect(path), Ok) {
                Ok(connection) => {
                    let written = transaction(&connection, &mut jobs);
                    file = Some(connection);
                    written
                }
                Err(error) => Err(error),
            };
            if let Err(why) = written {
                shared.fall(Some(path), &why);
                in_memory(shared, &mut jobs);
            }
        } else {
            in_memory(shared, &mut jobs);
        }
        jobs.into_iter().for_each(|job| (job.done)());
    }
}

fn in_memory(shared: &Shared, jobs: &mut [Job]) {
    if let Some(memory) = shared.memory.get() {
        let connection = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = transaction(&connection, jobs);
    }
}

/// Makes all changes, or none.
pub(super) fn transaction(connection: &Connection, jobs: &mut [Job]) -> RowResult<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for job in jobs {
        (job.change)(&Rows::new(&transaction))?;
    }
    transaction.commit()
}
