//! The thread that writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::file::{self, Unusable};
use super::{RowResult, Rows, Shared};

/// At most so many changes go into one transaction, so that other processes get their turn.
const BATCH: usize = 256;

/// Changes that nobody waits for are gathered for so long after a transaction before the next one begins: the work of one is
/// much the same for one change and for fifty.
const GATHERED: Duration = Duration::from_millis(5);

/// At most so many changes are kept for a file that another process holds.
const MOST_PENDING: usize = 20_000;

/// How soon, and how late at most, a file that was held is tried again; and how long each of these tries waits.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
const SHORT_WAIT: Duration = Duration::from_millis(50);

/// Makes a change. Called again, on what stands in for the file, where the file fails it, and once more on the file.
pub(super) type Change = Box<dyn FnMut(&Rows<'_>) -> RowResult<()> + Send>;

/// A change to be made.
pub(super) struct Job {
    /// Makes it.
    pub(super) change: Change,
    /// Called once, when it is made or cannot be.
    pub(super) done: Option<Box<dyn FnOnce() + Send>>,
}

impl Job {
    pub(super) fn answer(&mut self) {
        if let Some(done) = self.done.take() {
            done();
        }
    }
}

enum Message {
    Change(Job),
    /// Changes will come soon.
    Open,
    /// Everything before this is to be written by then, or given up.
    Settle(Instant, oneshot::Sender<()>),
}

impl Message {
    /// Whether nobody waits for it.
    fn is_unawaited(&self) -> bool {
        matches!(self, Self::Change(Job { done: None, .. }))
    }
}

/// A handle to the thread. Dropping it waits until everything is written, or given up.
pub(super) struct Writer {
    shared: Arc<Shared>,
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let (messages, received) = channel();
        let work = Work {
            shared: Arc::clone(&shared),
            connection: None,
            written: None,
            looked: None,
            pending: VecDeque::new(),
            pause: FIRST_PAUSE,
            again_at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || work.run(&received))
            // Without a thread the receiver is gone, and with it every job: nothing is kept, nobody waits.
            .ok();
        Self { shared, messages: Some(messages), thread }
    }

    pub(super) fn send(&self, job: Job) {
        if let Err(Message::Change(mut job)) = self.tell(Message::Change(job)) {
            job.answer();
        }
    }

    /// Hands a message to the thread, or back where there is none.
    fn tell(&self, message: Message) -> Result<(), Message> {
        let Some(messages) = &self.messages else { return Err(message) };
        let is_awaited = !message.is_unawaited();
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
    pub(super) fn open(&self) {
        // Without a thread nothing will be written either.
        let _ = self.tell(Message::Open);
    }

    pub(super) async fn settle(&self) {
        let (done, settled) = oneshot::channel();
        let message = Message::Settle(Instant::now() + self.shared.patience.busy, done);
        if self.tell(message).is_ok() {
            let _ = settled.await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.messages.take());
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Work {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// When a transaction ended last.
    written: Option<Instant>,
    /// When it was looked whether the file is still there.
    looked: Option<Instant>,
    /// What was answered in memory, and waits for the file to be free.
    pending: VecDeque<Job>,
    pause: Duration,
    again_at: Instant,
}

impl Work {
    fn run(mut self, received: &Receiver<Message>) {
        loop {
            let message = if self.pending.is_empty() {
                received.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                received.recv_timeout(self.again_at.saturating_duration_since(Instant::now()))
            };
            match message {
                Ok(first) => {
                    let messages = self.gather(first, received);
                    self.take(messages);
                }
                Err(RecvTimeoutError::Timeout) => self.retry(SHORT_WAIT),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.settle(Instant::now() + self.shared.patience.busy);
                }
            }
        }
    }

    /// What goes into one transaction: all that is there, and, while nobody waits, what comes in a moment.
    fn gather(&self, first: Message, received: &Receiver<Message>) -> Vec<Message> {
        let mut messages = vec![first];
        messages.extend(received.try_iter().take(BATCH - messages.len()));
        let has_room = messages.len() < BATCH && messages.iter().all(Message::is_unawaited);
        let left = self.written.map(|written| GATHERED.saturating_sub(written.elapsed()));
        if let Some(left) = left.filter(|left| has_room && !left.is_zero()) {
            // Whoever waits wakes it, and so does the end.
            std::thread::park_timeout(left);
            messages.extend(received.try_iter().take(BATCH - messages.len()));
        }
        messages
    }

    fn take(&mut self, messages: Vec<Message>) {
        let (mut jobs, mut settled) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                Message::Change(job) => jobs.push(job),
                Message::Open => self.open(),
                Message::Settle(until, done) => settled.push((until, done)),
            }
        }
        if !jobs.is_empty() {
            self.make(jobs);
            self.written = Some(Instant::now());
        }
        for (until, done) in settled {
            self.settle(until);
            // Whoever went away does not wait.
            let _ = done.send(());
        }
    }

    fn make(&mut self, mut jobs: Vec<Job>) {
        if self.pending.is_empty() && !self.shared.has_fallen() {
            match self.write(&mut jobs, self.shared.patience.busy) {
                Ok(()) => {
                    self.shared.go_back();
                    jobs.iter_mut().for_each(Job::answer);
                    return self.shorten_log();
                }
                Err(why) if why.is_busy() => {
                    self.shared.stand_in();
                    self.put_off();
                }
                Err(why) => self.shared.fall(&why.to_string()),
            }
        }
        self.shared.change_memory(&mut jobs);
        jobs.iter_mut().for_each(Job::answer);
        if self.shared.has_fallen() {
            self.pending.clear();
            return;
        }
        self.pending.extend(jobs);
        if self.pending.len() > MOST_PENDING {
            self.give_up();
        } else if self.again_at <= Instant::now() {
            self.retry(SHORT_WAIT);
        }
    }

    /// Opens the file, where that works at once; the first change says what is wrong with it.
    fn open(&mut self) {
        if let Some(path) = self.shared.path().filter(|_| self.connection.is_none() && self.shared.is_read())
        {
            self.connection = file::open(path, Duration::ZERO).ok().filter(|connection| {
                // SQLite reads what tables there are when it is first asked for something in them.
                connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).is_ok()
            });
        }
    }

    fn shorten_log(&self) {
        if let (Some(connection), Some(path)) = (&self.connection, self.shared.path()) {
            file::shorten_log(connection, path);
        }
    }

    /// Makes in the file what was put off, as far as it lets that happen.
    fn retry(&mut self, wait: Duration) {
        let mut pending = std::mem::take(&mut self.pending);
        while !pending.is_empty() && !self.shared.has_fallen() {
            let batch = pending.len().min(BATCH);
            match self.write(&mut pending.make_contiguous()[..batch], wait) {
                Ok(()) => drop(pending.drain(..batch)),
                Err(why) if why.is_busy() => {
                    self.pending = pending;
                    return self.put_off();
                }
                Err(why) => self.shared.fall(&why.to_string()),
            }
        }
        self.pause = FIRST_PAUSE;
        self.shared.go_back();
    }

    fn put_off(&mut self) {
        self.again_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Writes what is pending, or gives it up where the file is not free by then.
    fn settle(&mut self, until: Instant) {
        while !self.pending.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            self.retry(left);
            if left.is_zero() && !self.pending.is_empty() {
                self.give_up();
            }
        }
    }

    fn give_up(&mut self) {
        self.pending.clear();
        self.shared.fall(file::HELD);
    }

    fn write(&mut self, jobs: &mut [Job], wait: Duration) -> Result<(), Unusable> {
        let Some(path) = self.shared.path() else { return Ok(()) };
        if self.looked.is_none_or(|at| at.elapsed() >= self.shared.patience.look) {
            self.looked = Some(Instant::now());
            // Other processes find another file there, or make one: whoever went on with this one would have limits and
            // a budget of its own.
            if self.shared.was_replaced() {
                self.connection = None;
                self.shared.forget_file();
            }
        }
        if !self.shared.is_read() {
            self.shared.reads(file::open(path, wait)?);
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => file::open(path, wait)?,
        };
        connection.busy_timeout(wait)?;
        let written = transaction(&connection, jobs);
        self.connection = Some(connection);
        Ok(written?)
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
