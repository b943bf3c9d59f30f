//! The thread that writes to the ledger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::sqlite_file::{self, LedgerFileError};
use super::tables::TableSource;
use super::{LedgerState, LedgerTables, SqlResult};

/// Maximum number of changes per transaction, so that other processes get a turn.
const MAX_BATCH: usize = 256;

/// Changes without a waiting caller are collected for this long after a transaction, because a transaction
/// costs about the same for one change and for fifty.
const BATCH_WINDOW: Duration = Duration::from_millis(5);

/// Maximum number of changes kept for a file that another process holds.
const MAX_PENDING: usize = 20_000;

/// Minimum and maximum pause between retries on a locked file, and the busy timeout of each retry.
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(20);
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(500);
const RETRY_BUSY_TIMEOUT: Duration = Duration::from_millis(50);

/// Applies a change. Runs again on the memory copy if the file fails, and once more on the file.
pub(super) type WriteFn = Box<dyn FnMut(&LedgerTables<'_>) -> SqlResult<()> + Send>;

pub(super) struct WriteJob {
    pub(super) write: WriteFn,
    /// Called once, after the change was applied or abandoned.
    pub(super) done: Option<Box<dyn FnOnce() + Send>>,
}

impl WriteJob {
    pub(super) fn acknowledge(&mut self) {
        if let Some(done) = self.done.take() {
            done();
        }
    }
}

enum WriterMessage {
    Write(WriteJob),
    /// Open the file; changes will follow.
    OpenFile,
    /// Write everything queued so far, or give up at this time.
    Flush(Instant, oneshot::Sender<()>),
}

impl WriterMessage {
    fn is_fire_and_forget(&self) -> bool {
        matches!(self, Self::Write(WriteJob { done: None, .. }))
    }
}

/// Handle to the thread. Dropping it waits until everything is written or abandoned.
pub(super) struct LedgerWriter {
    shared: Arc<LedgerState>,
    messages: Option<Sender<WriterMessage>>,
    thread: Option<JoinHandle<()>>,
}

impl LedgerWriter {
    pub(super) fn start(shared: Arc<LedgerState>) -> Self {
        let (messages, received) = channel();
        let worker = WriterThread {
            shared: Arc::clone(&shared),
            connection: None,
            last_write_at: None,
            file_checked_at: None,
            pending: VecDeque::new(),
            retry_pause: MIN_RETRY_PAUSE,
            retry_at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || worker.run(&received))
            // Without a thread, the receiver is dropped along with every job: nothing is saved, but nothing
            // blocks.
            .ok();
        Self { shared, messages: Some(messages), thread }
    }

    pub(super) fn send(&self, job: WriteJob) {
        if let Err(WriterMessage::Write(mut job)) = self.send_message(WriterMessage::Write(job)) {
            job.acknowledge();
        }
    }

    /// Sends a message to the thread; returns it if the thread could not be started.
    fn send_message(&self, message: WriterMessage) -> Result<(), WriterMessage> {
        let Some(messages) = &self.messages else { return Err(message) };
        let is_awaited = !message.is_fire_and_forget();
        messages.send(message).map_err(|unsent| unsent.0)?;
        if is_awaited {
            self.wake();
        }
        Ok(())
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Opens the file before there is anything to write.
    pub(super) fn open_early(&self) {
        // Without a thread, nothing will be written either.
        let _ = self.send_message(WriterMessage::OpenFile);
    }

    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        let message = WriterMessage::Flush(Instant::now() + self.shared.timeouts.lock_wait, done);
        if self.send_message(message).is_ok() {
            let _ = flushed.await;
        }
    }
}

impl Drop for LedgerWriter {
    fn drop(&mut self) {
        drop(self.messages.take());
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct WriterThread {
    shared: Arc<LedgerState>,
    connection: Option<Connection>,
    last_write_at: Option<Instant>,
    /// When the file's identity was last checked.
    file_checked_at: Option<Instant>,
    /// Changes applied to the memory copy that wait for the file to be free.
    pending: VecDeque<WriteJob>,
    retry_pause: Duration,
    retry_at: Instant,
}

impl WriterThread {
    fn run(mut self, received: &Receiver<WriterMessage>) {
        loop {
            let message = if self.pending.is_empty() {
                received.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                received.recv_timeout(self.retry_at.saturating_duration_since(Instant::now()))
            };
            match message {
                Ok(first) => {
                    let messages = self.collect_batch(first, received);
                    self.process_batch(messages);
                }
                Err(RecvTimeoutError::Timeout) => self.retry_pending(RETRY_BUSY_TIMEOUT),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.flush_pending(Instant::now() + self.shared.timeouts.lock_wait);
                }
            }
        }
    }

    /// Collects the messages for one transaction: everything queued, and, while no caller is waiting, what
    /// arrives within [`BATCH_WINDOW`].
    fn collect_batch(&self, first: WriterMessage, received: &Receiver<WriterMessage>) -> Vec<WriterMessage> {
        let mut messages = vec![first];
        messages.extend(received.try_iter().take(MAX_BATCH - messages.len()));
        let can_wait = messages.len() < MAX_BATCH && messages.iter().all(WriterMessage::is_fire_and_forget);
        let left = self.last_write_at.map(|written| BATCH_WINDOW.saturating_sub(written.elapsed()));
        if let Some(left) = left.filter(|left| can_wait && !left.is_zero()) {
            // A message with a waiting caller wakes the thread, and so does dropping the handle.
            std::thread::park_timeout(left);
            messages.extend(received.try_iter().take(MAX_BATCH - messages.len()));
        }
        messages
    }

    fn process_batch(&mut self, messages: Vec<WriterMessage>) {
        let (mut jobs, mut flushes) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                WriterMessage::Write(job) => jobs.push(job),
                WriterMessage::OpenFile => self.open_early(),
                WriterMessage::Flush(until, done) => flushes.push((until, done)),
            }
        }
        if !jobs.is_empty() {
            self.apply_jobs(jobs);
            self.last_write_at = Some(Instant::now());
        }
        for (until, done) in flushes {
            self.flush_pending(until);
            // The caller may no longer be waiting.
            let _ = done.send(());
        }
    }

    fn apply_jobs(&mut self, mut jobs: Vec<WriteJob>) {
        if self.pending.is_empty() && !self.shared.is_disabled() {
            match self.write_batch(&mut jobs, self.shared.timeouts.lock_wait) {
                Ok(()) => {
                    self.shared.return_to_file();
                    jobs.iter_mut().for_each(WriteJob::acknowledge);
                    return self.truncate_wal();
                }
                Err(error) if error.is_busy() => {
                    self.shared.use_memory_copy();
                    self.schedule_retry();
                }
                Err(error) => self.shared.disable(&error.to_string()),
            }
        }
        self.shared.apply_to_memory(&mut jobs);
        jobs.iter_mut().for_each(WriteJob::acknowledge);
        if self.shared.is_disabled() {
            self.pending.clear();
            return;
        }
        self.pending.extend(jobs);
        if self.pending.len() > MAX_PENDING {
            self.abandon_pending();
        } else if self.retry_at <= Instant::now() {
            self.retry_pending(RETRY_BUSY_TIMEOUT);
        }
    }

    /// Opens the file if that works immediately; otherwise, the first change reports the error.
    fn open_early(&mut self) {
        if let Some(path) =
            self.shared.path().filter(|_| self.connection.is_none() && self.shared.has_read_connection())
        {
            self.connection = sqlite_file::open_file(path, Duration::ZERO).ok().filter(|connection| {
                // SQLite reads the schema at the first access.
                connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).is_ok()
            });
        }
    }

    fn truncate_wal(&self) {
        if let (Some(connection), Some(path)) = (&self.connection, self.shared.path()) {
            sqlite_file::truncate_wal(connection, path);
        }
    }

    /// Writes pending changes to the file, until it is locked again.
    fn retry_pending(&mut self, wait: Duration) {
        let mut pending = std::mem::take(&mut self.pending);
        while !pending.is_empty() && !self.shared.is_disabled() {
            let batch = pending.len().min(MAX_BATCH);
            match self.write_batch(&mut pending.make_contiguous()[..batch], wait) {
                Ok(()) => drop(pending.drain(..batch)),
                Err(error) if error.is_busy() => {
                    self.pending = pending;
                    return self.schedule_retry();
                }
                Err(error) => self.shared.disable(&error.to_string()),
            }
        }
        self.retry_pause = MIN_RETRY_PAUSE;
        self.shared.return_to_file();
    }

    fn schedule_retry(&mut self) {
        self.retry_at = Instant::now() + self.retry_pause;
        self.retry_pause = (self.retry_pause * 2).min(MAX_RETRY_PAUSE);
    }

    /// Writes pending changes, or gives up if the file is not free in time.
    fn flush_pending(&mut self, until: Instant) {
        while !self.pending.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            self.retry_pending(left);
            if left.is_zero() && !self.pending.is_empty() {
                self.abandon_pending();
            }
        }
    }

    fn abandon_pending(&mut self) {
        self.pending.clear();
        self.shared.disable(sqlite_file::LOCKED_REASON);
    }

    fn write_batch(&mut self, jobs: &mut [WriteJob], wait: Duration) -> Result<(), LedgerFileError> {
        let Some(path) = self.shared.path() else { return Ok(()) };
        if self.file_checked_at.is_none_or(|at| at.elapsed() >= self.shared.timeouts.file_check) {
            self.file_checked_at = Some(Instant::now());
            // Other processes use the new file at the path. With the old one, this process would have
            // separate limits and budgets.
            if self.shared.is_file_replaced() {
                self.connection = None;
                self.shared.close_file();
            }
        }
        if !self.shared.has_read_connection() {
            self.shared.set_read_connection(sqlite_file::open_file(path, wait)?);
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => sqlite_file::open_file(path, wait)?,
        };
        connection.busy_timeout(wait)?;
        let started = Instant::now();
        let written = run_transaction(&connection, TableSource::File(0), jobs);
        tracing::debug!(
            changes = jobs.len(),
            duration_us = started.elapsed().as_micros(),
            "ledger transaction"
        );
        self.connection = Some(connection);
        Ok(written?)
    }
}

/// Applies all changes or none.
pub(super) fn run_transaction(
    connection: &Connection,
    source: TableSource,
    jobs: &mut [WriteJob],
) -> SqlResult<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let tables = LedgerTables::in_transaction(&transaction, source);
    for job in jobs {
        (job.write)(&tables)?;
    }
    tables.write_changed()?;
    drop(tables);
    transaction.commit()
}
