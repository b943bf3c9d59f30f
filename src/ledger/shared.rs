//! What the threads of a process share of its ledger, and what stands in for a file that cannot be used.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;

use super::writer::{Job, transaction};
use super::{Patience, file};

/// Told why a file cannot be used any more.
type Tell = Box<dyn Fn(&str) + Send>;

pub(super) struct Shared {
    /// Where the file is; `None` where everything is to be in memory.
    path: Option<PathBuf>,
    pub(super) patience: Patience,
    /// For reading the file.
    file: Mutex<Option<Connection>>,
    /// Which file that is.
    identity: Mutex<Option<file::Identity>>,
    /// What stands in for it: for good where it has fallen, else until whoever holds it is done.
    memory: Mutex<Option<Connection>>,
    /// Whether the file is out of use for good.
    fallen: AtomicBool,
    trouble: OnceLock<String>,
    tell: Mutex<Option<Tell>>,
}

impl Shared {
    fn new(path: Option<PathBuf>, patience: Patience) -> Self {
        Self {
            path,
            patience,
            file: Mutex::default(),
            identity: Mutex::default(),
            memory: Mutex::default(),
            fallen: AtomicBool::new(false),
            trouble: OnceLock::new(),
            tell: Mutex::default(),
        }
    }

    pub(super) fn in_memory(patience: Patience) -> Self {
        let shared = Self::new(None, patience);
        *lock(&shared.memory) = file::in_memory().ok();
        shared
    }

    pub(super) fn open(path: &Path, patience: Patience) -> Self {
        let shared = Self::new(Some(path.to_owned()), patience);
        match file::open(path, patience.busy) {
            Ok(connection) => shared.reads(connection),
            Err(why) if why.is_busy() => shared.stand_in(),
            Err(why) => shared.fall(&why.to_string()),
        }
        shared
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether there is a file that may be written.
    pub(super) fn has_file(&self) -> bool {
        self.path.is_some() && !self.has_fallen()
    }

    pub(super) fn has_fallen(&self) -> bool {
        self.fallen.load(Ordering::Relaxed)
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    pub(super) fn on_trouble(&self, tell: Tell) {
        let mut place = lock(&self.tell);
        match self.trouble() {
            Some(trouble) => tell(trouble),
            None => *place = Some(tell),
        }
    }

    /// The file is read through this connection from now on.
    pub(super) fn reads(&self, connection: Connection) {
        *lock(&self.identity) = self.path().and_then(file::identity);
        *lock(&self.file) = Some(connection);
    }

    pub(super) fn is_read(&self) -> bool {
        lock(&self.file).is_some()
    }

    /// Whether another file, or none, is where the one was that is read.
    pub(super) fn was_replaced(&self) -> bool {
        let identity = lock(&self.identity);
        identity.is_some() && *identity != self.path().and_then(file::identity)
    }

    /// Leaves the file that is read: it is not the one that other processes find.
    pub(super) fn forget_file(&self) {
        *lock(&self.file) = None;
        *lock(&self.identity) = None;
    }

    /// Goes on in memory, with what the file says where that can still be read, until it is free again.
    pub(super) fn stand_in(&self) {
        let mut memory = lock(&self.memory);
        if memory.is_none() {
            *memory = self.copy();
        }
    }

    /// Whether something stands in for a file that may be free again.
    pub(super) fn is_held(&self) -> bool {
        self.has_file() && lock(&self.memory).is_some()
    }

    /// Goes back to the file.
    pub(super) fn go_back(&self) {
        if !self.has_fallen() {
            *lock(&self.memory) = None;
        }
    }

    /// Goes on in memory for good, and says so.
    pub(super) fn fall(&self, why: &str) {
        let mut memory = lock(&self.memory);
        if memory.is_none() {
            *memory = self.copy();
        }
        self.fallen.store(true, Ordering::Relaxed);
        drop(memory);
        let place = self.path().map_or_else(String::new, |path| format!(" {}", path.display()));
        // Whoever asks to be told from here on hears it at once.
        if self.trouble.set(format!("the ledger{place} cannot be used: {why}")).is_ok() {
            let tell = lock(&self.tell).take();
            if let (Some(tell), Some(trouble)) = (tell, self.trouble()) {
                tell(trouble);
            }
        }
    }

    fn copy(&self) -> Option<Connection> {
        let connection = file::in_memory().ok()?;
        if let Some(path) = self.path() {
            file::copy_into(&connection, path);
        }
        Some(connection)
    }

    /// Works with what is to be read now.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let memory = lock(&self.memory);
        if let Some(connection) = &*memory {
            return Some(work(connection));
        }
        drop(memory);
        lock(&self.file).as_ref().map(work)
    }

    /// Makes changes in memory, as far as they can be made there.
    pub(super) fn change_memory(&self, jobs: &mut [Job]) {
        if let Some(connection) = &*lock(&self.memory) {
            let _ = transaction(connection, jobs);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
