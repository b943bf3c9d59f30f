//! Opening the file.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode};

use super::RowResult;
use super::schema::{Unfit, prepare};

/// How long a process waits for another one's transaction.
const PATIENCE: Duration = Duration::from_secs(2);

/// The tables that calls go by.
const HELD: [&str; 6] = ["health", "block", "lease", "pace", "concurrency", "spend"];

/// How often a file is tried that other processes are just making.
const TRIES: u32 = 40;

/// Opens a ledger, and makes it where it is not there. The error is in words.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    keep_to_its_owner(path).map_err(|error| error.to_string())?;
    let mut tries = 0;
    loop {
        let opened = connect(path).map_err(Unfit::from).and_then(|c| prepare(&c).map(|()| c));
        match opened {
            Ok(connection) => return Ok(connection),
            // Whoever makes the file holds it for a moment, and making it does not wait for its turn by itself.
            Err(Unfit::Failed(error)) if is_busy(&error) && tries < TRIES => {
                tries += 1;
                std::thread::sleep(PATIENCE / TRIES);
            }
            Err(Unfit::Failed(error)) => return Err(explained(&error)),
            Err(Unfit::Newer(version)) => {
                return Err(format!(
                    "it is of version {version}, which a newer slalom writes; use that one, or name another file with --ledger"
                ));
            }
        }
    }
}

/// A connection to a file that is there.
pub(super) fn connect(path: &Path) -> RowResult<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the process loses nothing; one of the machine may lose the last moments.
    connection.pragma_update(None, "synchronous", "normal")?;
    // Tidying up takes longer than a short-lived process lasts; SQLite does it while writing, when it is due.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

pub(super) fn in_memory() -> Result<Connection, Unfit> {
    let connection = Connection::open_in_memory()?;
    prepare(&connection)?;
    Ok(connection)
}

/// Copies what a file says of health, limits and money: a budget is not new because a disk is full.
pub(super) fn copy_what_holds(memory: &Connection, path: &Path) -> RowResult<()> {
    memory.execute("ATTACH DATABASE ?1 AS file", [path.to_string_lossy()])?;
    let copy = |table: &str| format!("INSERT INTO main.{table} SELECT * FROM file.{table};");
    let copied = memory.execute_batch(&HELD.map(copy).concat());
    memory.execute_batch("DETACH DATABASE file")?;
    copied
}

fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What went wrong, and what to do, in words.
pub(super) fn explained(error: &Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "; nothing of it was changed: move it away, and a new one is made"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "; another process holds it",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "; name a file that you may write with --ledger"
        }
        Some(ErrorCode::DiskFull) => "; make room on its disk",
        _ => "",
    };
    format!("{error}{hint}")
}

/// Makes the file for its owner's eyes alone: it may come to hold prompts.
#[cfg(unix)]
fn keep_to_its_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn keep_to_its_owner(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
