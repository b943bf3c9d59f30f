//! Opening the file.

use std::fmt;
use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode};

use super::SqlResult;
use super::schema::{self, migrate};

/// A file that other processes are just making is tried again after so long, and one that is held is read within it.
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Why a file was given up that is a ledger.
pub(super) const LOCKED_REASON: &str = "another process holds it";

/// Why a file is no ledger for this program.
#[derive(Debug)]
pub(super) enum LedgerFileError {
    /// SQLite says no.
    Sqlite(Error),
    /// It is not what a ledger is; in words.
    Other(String),
}

impl LedgerFileError {
    /// Whether it can be used once another process is done with it.
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
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// Opens a ledger, and makes it where it is not there. Waits so long for whoever holds it.
pub(super) fn open_file(path: &Path, wait: Duration) -> Result<Connection, LedgerFileError> {
    let other = |error: std::io::Error| LedgerFileError::Other(error.to_string());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(other)?;
    }
    create_private_file(path).map_err(other)?;
    if let Ok(found) = std::fs::metadata(path)
        && !found.is_file()
    {
        let what = if found.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(LedgerFileError::Other(format!("it is {what}; name a file with --ledger")));
    }
    let end = Instant::now() + wait;
    loop {
        match connect(path, wait) {
            // Whoever makes the file holds it for a moment, and making it does not wait for its turn by itself.
            Err(why) if why.is_busy() && Instant::now() + OPEN_RETRY_INTERVAL < end => {
                std::thread::sleep(OPEN_RETRY_INTERVAL);
            }
            done => return done,
        }
    }
}

fn connect(path: &Path, wait: Duration) -> Result<Connection, LedgerFileError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(wait)?;
    // What is somebody else's is not even set to another mode.
    schema::schema_version(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the process loses nothing; one of the machine may lose the last moments.
    connection.pragma_update(None, "synchronous", "normal")?;
    // Tidying up takes longer than a short-lived process lasts; SQLite does it while writing, when it is due.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    migrate(&connection)?;
    Ok(connection)
}

/// The log is emptied into the file when it has so many bytes. Whoever opens a ledger that nobody else has open reads all of
/// its log, and forgets how much of it is in the file already: SQLite's own way, which waits for a thousand pages and a
/// longer life, would let it grow with every short call.
const MAX_WAL_BYTES: u64 = 100 * 4096;

/// Empties the log into the file where it has become long and nobody is in the way.
pub(super) fn truncate_wal(connection: &Connection, path: &Path) {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if std::fs::metadata(log).is_ok_and(|log| log.len() > MAX_WAL_BYTES)
        && connection.busy_timeout(Duration::ZERO).is_ok()
    {
        // Another time, where it does not work now.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

pub(super) fn open_in_memory() -> Result<Connection, LedgerFileError> {
    let connection = Connection::open_in_memory()?;
    // A file is copied into it that somebody may hold, even from reading. That was waited for already.
    connection.busy_timeout(OPEN_RETRY_INTERVAL)?;
    migrate(&connection)?;
    Ok(connection)
}

/// Copies what can be read of a file: a budget is not new because a disk is full. What cannot be is begun anew.
pub(super) fn copy_file_to_memory(memory: &Connection, path: &Path) {
    // A file in a folder that cannot be written may have to be read as one that nobody changes.
    let _ = ["mode=ro", "immutable=1"].iter().any(|how| copy_with_mode(memory, path, how).is_ok());
}

fn copy_with_mode(memory: &Connection, path: &Path, how: &str) -> SqlResult<()> {
    memory.execute("ATTACH DATABASE ?1 AS file", [sqlite_uri(path, how)])?;
    let copied = copy_tables(memory);
    memory.execute_batch("DETACH DATABASE file")?;
    copied
}

fn copy_tables(memory: &Connection) -> SqlResult<()> {
    let version = |of: &str| memory.pragma_query_value(Some(of), "user_version", |row| row.get::<_, i64>(0));
    if version("main")? < version("file")? {
        return Ok(());
    }
    let tables = "SELECT m.name FROM main.sqlite_master m JOIN file.sqlite_master f USING (type, name) WHERE type = 'table'";
    let tables: Vec<String> =
        memory.prepare(tables)?.query_map([], |row| row.get(0))?.collect::<SqlResult<_>>()?;
    for table in tables {
        // One that is broken keeps none of the others back.
        let _ = copy_table(memory, &table);
    }
    Ok(())
}

/// Copies the rows of one table; what an older ledger does not have yet is as in a new row.
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

/// A path as SQLite reads it with parameters.
fn sqlite_uri(path: &Path, how: &str) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?{how}")
}

/// Which file is at a path.
pub(super) type FileId = (u64, u64);

/// Which file is there; `None` without one.
pub(super) fn file_id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().as_ref().map(device_and_inode)
}

#[cfg(unix)]
fn device_and_inode(found: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

/// Where files have no numbers, one that is open cannot be removed either.
#[cfg(not(unix))]
fn numbers(_found: &Metadata) -> FileId {
    (0, 0)
}

pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What went wrong, and what to do, in words.
pub(super) fn describe_error(error: &Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "; nothing of it was changed: move it away, and a new one is made"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => return LOCKED_REASON.to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "; name a file that you may write with --ledger"
        }
        Some(ErrorCode::DiskFull) => "; make room on its disk",
        _ => "",
    };
    // A statement that fails is told with all of its text, which nobody asked for.
    let words = match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    format!("{words}{hint}")
}

/// Makes the file for its owner's eyes alone: it may come to hold prompts.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => {
            // A log without its file is of one that was removed, and SQLite would bring that back.
            for end in ["-wal", "-shm"] {
                let mut log = path.as_os_str().to_owned();
                log.push(end);
                match std::fs::remove_file(&log) {
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
