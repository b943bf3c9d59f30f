//! What the threads of a process share of its ledger, and what stands in for a file that cannot be used.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;

use super::writer::{WriteJob, run_transaction};
use super::{LedgerTimeouts, sqlite_file};

/// Told why a file cannot be used any more.
type DisabledCallback = Box<dyn Fn(&str) + Send>;

pub(super) struct LedgerState {
    /// Where the file is; `None` where everything is to be in memory.
    path: Option<PathBuf>,
    pub(super) timeouts: LedgerTimeouts,
    /// For reading the file.
    read_connection: Mutex<Option<Connection>>,
    /// Which file that is.
    file_id: Mutex<Option<sqlite_file::FileId>>,
    /// What stands in for it: for good where it has fallen, else until whoever holds it is done.
    memory_copy: Mutex<Option<Connection>>,
    /// Whether the file is out of use for good.
    is_disabled: AtomicBool,
    disabled_reason: OnceLock<String>,
    on_disabled: Mutex<Option<DisabledCallback>>,
}

impl LedgerState {
    fn new(path: Option<PathBuf>, timeouts: LedgerTimeouts) -> Self {
        Self {
            path,
            timeouts,
            read_connection: Mutex::default(),
            file_id: Mutex::default(),
            memory_copy: Mutex::default(),
            is_disabled: AtomicBool::new(false),
            disabled_reason: OnceLock::new(),
            on_disabled: Mutex::default(),
        }
    }

    pub(super) fn in_memory(patience: LedgerTimeouts) -> Self {
        let shared = Self::new(None, patience);
        *lock(&shared.memory_copy) = sqlite_file::open_in_memory().ok();
        shared
    }

    pub(super) fn open(path: &Path, patience: LedgerTimeouts) -> Self {
        let shared = Self::new(Some(path.to_owned()), patience);
        match sqlite_file::open_file(path, patience.lock_wait) {
            Ok(connection) => shared.set_read_connection(connection),
            Err(why) if why.is_busy() => shared.use_memory_copy(),
            Err(why) => shared.disable(&why.to_string()),
        }
        shared
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether there is a file that may be written.
    pub(super) fn has_file(&self) -> bool {
        self.path.is_some() && !self.is_disabled()
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    pub(super) fn disabled_reason(&self) -> Option<&str> {
        self.disabled_reason.get().map(String::as_str)
    }

    pub(super) fn set_on_disabled(&self, tell: DisabledCallback) {
        let mut place = lock(&self.on_disabled);
        match self.disabled_reason() {
            Some(trouble) => tell(trouble),
            None => *place = Some(tell),
        }
    }

    /// The file is read through this connection from now on.
    pub(super) fn set_read_connection(&self, connection: Connection) {
        *lock(&self.file_id) = self.path().and_then(sqlite_file::file_id);
        *lock(&self.read_connection) = Some(connection);
    }

    pub(super) fn has_read_connection(&self) -> bool {
        lock(&self.read_connection).is_some()
    }

    /// Whether another file, or none, is where the one was that is read.
    pub(super) fn is_file_replaced(&self) -> bool {
        let identity = lock(&self.file_id);
        identity.is_some() && *identity != self.path().and_then(sqlite_file::file_id)
    }

    /// Leaves the file that is read: it is not the one that other processes find.
    pub(super) fn close_file(&self) {
        *lock(&self.read_connection) = None;
        *lock(&self.file_id) = None;
    }

    /// Goes on in memory, with what the file says where that can still be read, until it is free again.
    pub(super) fn use_memory_copy(&self) {
        let mut memory = lock(&self.memory_copy);
        if memory.is_none() {
            *memory = self.copy_to_memory();
        }
    }

    /// Whether something stands in for a file that may be free again.
    pub(super) fn is_waiting_for_file(&self) -> bool {
        self.has_file() && lock(&self.memory_copy).is_some()
    }

    /// Goes back to the file.
    pub(super) fn return_to_file(&self) {
        if !self.is_disabled() {
            *lock(&self.memory_copy) = None;
        }
    }

    /// Goes on in memory for good, and says so.
    pub(super) fn disable(&self, why: &str) {
        let mut memory = lock(&self.memory_copy);
        if memory.is_none() {
            *memory = self.copy_to_memory();
        }
        self.is_disabled.store(true, Ordering::Relaxed);
        drop(memory);
        let place = self.path().map_or_else(String::new, |path| format!(" {}", path.display()));
        // Whoever asks to be told from here on hears it at once.
        if self.disabled_reason.set(format!("the ledger{place} cannot be used: {why}")).is_ok() {
            let tell = lock(&self.on_disabled).take();
            if let (Some(tell), Some(trouble)) = (tell, self.disabled_reason()) {
                tell(trouble);
            }
        }
    }

    fn copy_to_memory(&self) -> Option<Connection> {
        let connection = sqlite_file::open_in_memory().ok()?;
        if let Some(path) = self.path() {
            sqlite_file::copy_file_to_memory(&connection, path);
        }
        Some(connection)
    }

    /// Works with what is to be read now.
    pub(super) fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let memory = lock(&self.memory_copy);
        if let Some(connection) = &*memory {
            return Some(work(connection));
        }
        drop(memory);
        lock(&self.read_connection).as_ref().map(work)
    }

    /// Makes changes in memory, as far as they can be made there.
    pub(super) fn apply_to_memory(&self, jobs: &mut [WriteJob]) {
        if let Some(connection) = &*lock(&self.memory_copy) {
            let _ = run_transaction(connection, jobs);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
