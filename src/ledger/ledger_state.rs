//! State that the threads of a process share, including the memory copy that replaces an unusable file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;

use super::tables::{LedgerTables, TableSource};
use super::writer::{WriteJob, run_transaction};
use super::{LedgerTimeouts, sqlite_file};

/// Called when the file is disabled, with the reason and whether the memory copy is complete.
type DisabledCallback = Box<dyn Fn(&str, bool) + Send>;

pub(super) struct LedgerState {
    /// `None` if everything is in memory.
    path: Option<PathBuf>,
    pub(super) timeouts: LedgerTimeouts,
    read_connection: Mutex<Option<Connection>>,
    /// Identity of the open file.
    file_id: Mutex<Option<sqlite_file::FileId>>,
    /// Number of times that the file was opened for reading.
    generation: AtomicU64,
    /// Replaces the file: permanently if it is disabled, otherwise until it is free again.
    memory_copy: Mutex<Option<MemoryCopy>>,
    is_disabled: AtomicBool,
    disabled_reason: OnceLock<String>,
    on_disabled: Mutex<Option<DisabledCallback>>,
}

/// Replaces the file in memory.
struct MemoryCopy {
    connection: Connection,
    /// Whether it started with everything that is in the file.
    is_complete: bool,
}

impl MemoryCopy {
    fn source(&self) -> TableSource {
        TableSource::Memory { is_complete: self.is_complete }
    }
}

impl LedgerState {
    fn new(path: Option<PathBuf>, timeouts: LedgerTimeouts) -> Self {
        Self {
            path,
            timeouts,
            read_connection: Mutex::default(),
            file_id: Mutex::default(),
            generation: AtomicU64::new(0),
            memory_copy: Mutex::default(),
            is_disabled: AtomicBool::new(false),
            disabled_reason: OnceLock::new(),
            on_disabled: Mutex::default(),
        }
    }

    pub(super) fn in_memory(timeouts: LedgerTimeouts) -> Self {
        let state = Self::new(None, timeouts);
        *lock(&state.memory_copy) = state.copy_to_memory();
        state
    }

    pub(super) fn open(path: &Path, timeouts: LedgerTimeouts) -> Self {
        let state = Self::new(Some(path.to_owned()), timeouts);
        tracing::info!(path = %path.display(), "ledger");
        match sqlite_file::open_file(path, timeouts.lock_wait) {
            Ok(connection) => state.set_read_connection(connection),
            Err(error) if error.is_busy() => state.use_memory_copy(),
            Err(error) => state.disable(&error.to_string()),
        }
        state
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether there is a file to write to.
    pub(super) fn has_file(&self) -> bool {
        self.path.is_some() && !self.is_disabled()
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    pub(super) fn disabled_reason(&self) -> Option<&str> {
        self.disabled_reason.get().map(String::as_str)
    }

    pub(super) fn set_on_disabled(&self, callback: DisabledCallback) {
        let mut slot = lock(&self.on_disabled);
        match self.disabled_reason() {
            Some(reason) => callback(reason, self.has_complete_copy()),
            None => *slot = Some(callback),
        }
    }

    /// Uses this connection for reads from now on.
    pub(super) fn set_read_connection(&self, connection: Connection) {
        *lock(&self.file_id) = self.path().and_then(sqlite_file::file_id);
        self.generation.fetch_add(1, Ordering::Relaxed);
        *lock(&self.read_connection) = Some(connection);
    }

    pub(super) fn has_read_connection(&self) -> bool {
        lock(&self.read_connection).is_some()
    }

    /// Whether the path now refers to another file or to none.
    pub(super) fn is_file_replaced(&self) -> bool {
        let file_id = lock(&self.file_id);
        file_id.is_some() && *file_id != self.path().and_then(sqlite_file::file_id)
    }

    /// Closes the file, because other processes no longer find it at the path.
    pub(super) fn close_file(&self) {
        *lock(&self.read_connection) = None;
        *lock(&self.file_id) = None;
    }

    /// Continues in memory, with a copy of what can be read from the file, until the file is free again.
    pub(super) fn use_memory_copy(&self) {
        let mut memory = lock(&self.memory_copy);
        if memory.is_none() {
            *memory = self.copy_to_memory();
        }
    }

    /// Whether a memory copy replaces a file that may become free again.
    pub(super) fn is_waiting_for_file(&self) -> bool {
        self.has_file() && lock(&self.memory_copy).is_some()
    }

    pub(super) fn return_to_file(&self) {
        if !self.is_disabled() {
            *lock(&self.memory_copy) = None;
        }
    }

    /// Continues in memory permanently, and reports why.
    pub(super) fn disable(&self, why: &str) {
        let mut memory = lock(&self.memory_copy);
        if memory.is_none() {
            *memory = self.copy_to_memory();
        }
        self.is_disabled.store(true, Ordering::Relaxed);
        drop(memory);
        let path = self.path().map_or_else(String::new, |path| format!(" {}", path.display()));
        // A callback that is set after this is called immediately.
        if self.disabled_reason.set(format!("cannot use the ledger{path}: {why}")).is_ok() {
            let callback = lock(&self.on_disabled).take();
            if let (Some(callback), Some(reason)) = (callback, self.disabled_reason()) {
                callback(reason, self.has_complete_copy());
            }
        }
    }

    fn has_complete_copy(&self) -> bool {
        lock(&self.memory_copy).as_ref().is_some_and(|copy| copy.is_complete)
    }

    fn copy_to_memory(&self) -> Option<MemoryCopy> {
        let connection = sqlite_file::open_in_memory().ok()?;
        let is_complete = self.path().is_none_or(|path| sqlite_file::copy_file_to_memory(&connection, path));
        Some(MemoryCopy { connection, is_complete })
    }

    /// Reads from the memory copy if there is one, else from the file; `None` if neither is open.
    pub(super) fn with_tables<T>(&self, read: impl FnOnce(&LedgerTables<'_>) -> T) -> Option<T> {
        let memory = lock(&self.memory_copy);
        if let Some(copy) = &*memory {
            return Some(read(&LedgerTables::new(&copy.connection, copy.source())));
        }
        drop(memory);
        let connection = lock(&self.read_connection);
        let source = TableSource::File(self.generation.load(Ordering::Relaxed));
        connection.as_ref().map(|connection| read(&LedgerTables::new(connection, source)))
    }

    /// Applies changes to the memory copy, ignoring errors.
    pub(super) fn apply_to_memory(&self, jobs: &mut [WriteJob]) {
        if let Some(copy) = &*lock(&self.memory_copy) {
            let _ = run_transaction(&copy.connection, copy.source(), jobs);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
