//! The thread that writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::sqlite_file::{self, LedgerFileError};
use super::{LedgerState, LedgerTables, SqlResult};

/// At most so many changes go into one transaction, so that other processes get their turn.
const MAX_BATCH: usize = 256;

/// Changes that nobody waits for are gathered for so long after a transaction before the next one begins: the work of one is
/// much the same for one change and for fifty.
const BATCH_WINDOW: Duration = Duration::from_millis(5);

/// At most so many changes are kept for a file that another process holds.
const MAX_PENDING: usize = 20_000;

/// How soon, and how late at most, a file that was held is tried again; and how long each of these tries waits.
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(20);
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(500);
const RETRY_BUSY_TIMEOUT: Duration = Duration::from_millis(50);

/// Makes a change. Called again, on what stands in for the file, where the file fails it, and once more on the file.
pub(super) type WriteFn = Box<dyn FnMut(&LedgerTables<'_>) -> SqlResult<()> + Send>;

/// A change to be made.
pub(super) struct WriteJob {
    /// Makes it.
    pub(super) write: WriteFn,
    /// Called once, when it is made or cannot be.
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
    /// Changes will come soon.
    OpenFile,
    /// Everything before this is to be written by then, or given up.
    Flush(Instant, oneshot::Sender<()>),
}

impl WriterMessage {
    /// Whether nobody waits for it.
    fn is_fire_and_forget(&self) -> bool {
        matches!(self, Self::Write(WriteJob { done: None, .. }))
    }
}

/// A handle to the thread. Dropping it waits until everything is written, or given up.
pub(super) struct LedgerWriter {
    shared: Arc<LedgerState>,
    messages: Option<Sender<WriterMessage>>,
    thread: Option<JoinHandle<()>>,
}

impl LedgerWriter {
    pub(super) fn start(shared: Arc<LedgerState>) -> Self {
        let (messages, received) = channel();
        let work = WriterThread {
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
            .spawn(move || work.run(&received))
            // Without a thread the receiver is gone, and with it every job: nothing is kept, nobody waits.
            .ok();
        Self { shared, messages: Some(messages), thread }
    }

    pub(super) fn send(&self, job: WriteJob) {
        if let Err(WriterMessage::Write(mut job)) = self.send_message(WriterMessage::Write(job)) {
            job.acknowledge();
        }
    }

    /// Hands a message to the thread, or back where there is none.
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

    /// Has the file opened before there is anything to write.
    pub(super) fn open_early(&self) {
        // Without a thread nothing will be written either.
        let _ = self.send_message(WriterMessage::OpenFile);
    }

    pub(super) async fn flush(&self) {
        let (done, settled) = oneshot::channel();
        let message = WriterMessage::Flush(Instant::now() + self.shared.timeouts.lock_wait, done);
        if self.send_message(message).is_ok() {
            let _ = settled.await;
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

/// What the thread works with.
struct WriterThread {
    shared: Arc<LedgerState>,
    connection: Option<Connection>,
    /// When a transaction ended last.
    last_write_at: Option<Instant>,
    /// When it was looked whether the file is still there.
    file_checked_at: Option<Instant>,
    /// What was answered in memory, and waits for the file to be free.
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

    /// What goes into one transaction: all that is there, and, while nobody waits, what comes in a moment.
    fn collect_batch(&self, first: WriterMessage, received: &Receiver<WriterMessage>) -> Vec<WriterMessage> {
        let mut messages = vec![first];
        messages.extend(received.try_iter().take(MAX_BATCH - messages.len()));
        let has_room = messages.len() < MAX_BATCH && messages.iter().all(WriterMessage::is_fire_and_forget);
        let left = self.last_write_at.map(|written| BATCH_WINDOW.saturating_sub(written.elapsed()));
        if let Some(left) = left.filter(|left| has_room && !left.is_zero()) {
            // Whoever waits wakes it, and so does the end.
            std::thread::park_timeout(left);
            messages.extend(received.try_iter().take(MAX_BATCH - messages.len()));
        }
        messages
    }

    fn process_batch(&mut self, messages: Vec<WriterMessage>) {
        let (mut jobs, mut settled) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                WriterMessage::Write(job) => jobs.push(job),
                WriterMessage::OpenFile => self.open_early(),
                WriterMessage::Flush(until, done) => settled.push((until, done)),
            }
        }
        if !jobs.is_empty() {
            self.apply_jobs(jobs);
            self.last_write_at = Some(Instant::now());
        }
        for (until, done) in settled {
            self.flush_pending(until);
            // Whoever went away does not wait.
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
                Err(why) if why.is_busy() => {
                    self.shared.use_memory_copy();
                    self.schedule_retry();
                }
                Err(why) => self.shared.disable(&why.to_string()),
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

    /// Opens the file, where that works at once; the first change says what is wrong with it.
    fn open_early(&mut self) {
        if let Some(path) =
            self.shared.path().filter(|_| self.connection.is_none() && self.shared.has_read_connection())
        {
            self.connection = sqlite_file::open_file(path, Duration::ZERO).ok().filter(|connection| {
                // SQLite reads what tables there are when it is first asked for something in them.
                connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).is_ok()
            });
        }
    }

    fn truncate_wal(&self) {
        if let (Some(connection), Some(path)) = (&self.connection, self.shared.path()) {
            sqlite_file::truncate_wal(connection, path);
        }
    }

    /// Makes in the file what was put off, as far as it lets that happen.
    fn retry_pending(&mut self, wait: Duration) {
        let mut pending = std::mem::take(&mut self.pending);
        while !pending.is_empty() && !self.shared.is_disabled() {
            let batch = pending.len().min(MAX_BATCH);
            match self.write_batch(&mut pending.make_contiguous()[..batch], wait) {
                Ok(()) => drop(pending.drain(..batch)),
                Err(why) if why.is_busy() => {
                    self.pending = pending;
                    return self.schedule_retry();
                }
                Err(why) => self.shared.disable(&why.to_string()),
            }
        }
        self.retry_pause = MIN_RETRY_PAUSE;
        self.shared.return_to_file();
    }

    fn schedule_retry(&mut self) {
        self.retry_at = Instant::now() + self.retry_pause;
        self.retry_pause = (self.retry_pause * 2).min(MAX_RETRY_PAUSE);
    }

    /// Writes what is pending, or gives it up where the file is not free by then.
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
            // Other processes find another file there, or make one: whoever went on with this one would have limits and
            // a budget of its own.
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
        let written = run_transaction(&connection, jobs);
        self.connection = Some(connection);
        Ok(written?)
    }
}

/// Makes all changes, or none.
pub(super) fn run_transaction(connection: &Connection, jobs: &mut [WriteJob]) -> SqlResult<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for job in jobs {
        (job.write)(&LedgerTables::new(&transaction))?;
    }
    transaction.commit()
}
