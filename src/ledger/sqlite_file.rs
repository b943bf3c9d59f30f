//! Opens, copies, and identifies the ledger file.

use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode};

use super::SqlResult;
use super::schema::{self, migrate};

/// Retry interval for a file that another process is creating, and the busy timeout for copying a locked
/// file.
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Reason for disabling a ledger file that is valid but locked.
pub(super) const LOCKED_REASON: &str = "locked by another process";

#[derive(Debug)]
pub(super) enum LedgerFileError {
    Sqlite(Error),
    /// The file is not a usable ledger; the text says why.
    Other(String),
}

impl LedgerFileError {
    /// Whether the file can be used once another process releases it.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_busy(error))
    }
}

impl From<Error> for LedgerFileError {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for LedgerFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => f.write_str(&describe_error(error)),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// Opens or creates a ledger file. Waits up to `wait` while another process holds it.
pub(super) fn open_file(path: &Path, wait: Duration) -> Result<Connection, LedgerFileError> {
    let other = |error: std::io::Error| LedgerFileError::Other(error.to_string());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(other)?;
    }
    create_private_file(path).map_err(other)?;
    if let Ok(metadata) = std::fs::metadata(path)
        && !metadata.is_file()
    {
        let kind = if metadata.is_dir() { "a directory" } else { "a device or a pipe" };
        return Err(LedgerFileError::Other(format!(
            "expected a file, found {kind}; choose a file with --ledger"
        )));
    }
    let deadline = Instant::now() + wait;
    loop {
        match connect(path, wait) {
            // The process that creates the file holds it briefly, and creation does not honor the busy
            // timeout.
            Err(why) if why.is_busy() && Instant::now() + OPEN_RETRY_INTERVAL < deadline => {
                std::thread::sleep(OPEN_RETRY_INTERVAL);
            }
            result => return result,
        }
    }
}

fn connect(path: &Path, wait: Duration) -> Result<Connection, LedgerFileError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(wait)?;
    // Check first, so that another program's database is not switched to WAL mode.
    schema::schema_version(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the process loses nothing; a crash of the machine may lose the last transactions.
    connection.pragma_update(None, "synchronous", "normal")?;
    // A checkpoint takes too long for a short-lived process; the writer runs it when it is due.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    migrate(&connection)?;
    Ok(connection)
}

/// The WAL is truncated above this size. SQLite's own checkpoints need a thousand pages within one
/// connection, so many short processes would let the WAL grow, and each of them has to read all of it on
/// opening.
const MAX_WAL_BYTES: u64 = 100 * 4096;

/// Truncates a long WAL, unless another process is using it.
pub(super) fn truncate_wal(connection: &Connection, path: &Path) {
    if std::fs::metadata(wal_path(path)).is_ok_and(|wal| wal.len() > MAX_WAL_BYTES)
        && connection.busy_timeout(Duration::ZERO).is_ok()
    {
        // If this fails, a later write tries again.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

pub(super) fn open_in_memory() -> Result<Connection, LedgerFileError> {
    let connection = Connection::open_in_memory()?;
    // The file to be copied may be locked even for reads, and the caller has already waited for it.
    connection.busy_timeout(OPEN_RETRY_INTERVAL)?;
    migrate(&connection)?;
    Ok(connection)
}

/// Copies the tables of a file that can be read, so that budgets survive a full disk. The other tables start
/// empty. Returns whether everything was copied; without a file, there is nothing to copy.
pub(super) fn copy_file_to_memory(memory: &Connection, path: &Path) -> bool {
    // A file that was just created is empty, and so is one that could not be created.
    if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return true;
    }
    match copy_with_mode(memory, path, "mode=ro") {
        Ok(is_complete) => is_complete,
        // In a directory that is not writable, SQLite may be able to read the file only as immutable. It then
        // ignores the WAL, which has the latest changes.
        Err(_) => {
            let has_wal = std::fs::metadata(wal_path(path)).is_ok_and(|wal| wal.len() > 0);
            copy_with_mode(memory, path, "immutable=1").unwrap_or(false) && !has_wal
        }
    }
}

fn wal_path(path: &Path) -> OsString {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    wal
}

fn copy_with_mode(memory: &Connection, path: &Path, mode: &str) -> SqlResult<bool> {
    memory.execute("ATTACH DATABASE ?1 AS file", [sqlite_uri(path, mode)])?;
    let copied = copy_tables(memory);
    memory.execute_batch("DETACH DATABASE file")?;
    copied
}

/// Returns whether every table was copied.
fn copy_tables(memory: &Connection) -> SqlResult<bool> {
    let version = |database: &str| {
        memory.pragma_query_value(Some(database), "user_version", |row| row.get::<_, i64>(0))
    };
    if version("main")? < version("file")? {
        return Ok(false);
    }
    let tables = "SELECT m.name FROM main.sqlite_master m JOIN file.sqlite_master f USING (type, name) WHERE type = 'table'";
    let tables: Vec<String> =
        memory.prepare(tables)?.query_map([], |row| row.get(0))?.collect::<SqlResult<_>>()?;
    // One damaged table does not prevent copying the others.
    Ok(tables.iter().filter(|table| copy_table(memory, table).is_err()).count() == 0)
}

/// Copies one table. Columns that an older ledger lacks get their defaults.
fn copy_table(memory: &Connection, table: &str) -> SqlResult<()> {
    let columns: Vec<String> = memory
        .prepare("SELECT name FROM pragma_table_info(?1, 'file')")?
        .query_map([table], |row| row.get(0))?
        .collect::<SqlResult<_>>()?;
    let columns = columns.join(", ");
    memory.execute_batch(&format!(
        "INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM file.{table}"
    ))
}

/// A path as an SQLite URI with one parameter.
fn sqlite_uri(path: &Path, parameter: &str) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?{parameter}")
}

/// Device and inode.
pub(super) type FileId = (u64, u64);

pub(super) fn file_id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().as_ref().map(device_and_inode)
}

#[cfg(unix)]
fn device_and_inode(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// On other platforms, an open file cannot be removed, so it need not be identified.
#[cfg(not(unix))]
fn device_and_inode(_metadata: &Metadata) -> FileId {
    (0, 0)
}

pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The error message of a SQLite error, with a hint.
pub(super) fn describe_error(error: &Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "; move the file away to start a new ledger (it was not changed)"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return LOCKED_REASON.to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "; choose a writable file with --ledger"
        }
        Some(ErrorCode::DiskFull) => "; free up disk space",
        _ => "",
    };
    // The full message of a failed statement would include its SQL text.
    let message = match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    format!("{message}{hint}")
}

/// Creates the file readable only by its owner, because it may contain prompts.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {
            // A WAL without its file belongs to a removed ledger, and SQLite would restore its data.
            for suffix in ["-wal", "-shm"] {
                let mut leftover = path.as_os_str().to_owned();
                leftover.push(suffix);
                match std::fs::remove_file(&leftover) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
