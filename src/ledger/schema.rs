//! Schema and migrations.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::sqlite_file::LedgerFileError;

/// Each step migrates from the version that equals its index to the next one.
const MIGRATIONS: [&str; 5] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
];

/// `slal` in ASCII.
const APPLICATION_ID: i64 = 0x736c_616c;

pub(super) fn migrate(connection: &Connection) -> Result<(), LedgerFileError> {
    if schema_version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    // If another process is migrating too, the second one finds the work done.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for step in &MIGRATIONS[schema_version(&transaction)?..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(transaction.commit()?)
}

/// The schema version, if this program knows it; 0 for an empty file. Changes nothing.
pub(super) fn schema_version(connection: &Connection) -> Result<usize, LedgerFileError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION_ID && !is_unmarked_ledger(connection, application, version)? {
        let message = "the file is another program's database; choose another file with --ledger";
        return Err(LedgerFileError::Other(message.to_owned()));
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        Ok(version) => Err(LedgerFileError::Other(format!(
            "version {version} was written by a newer slalom; update slalom, or choose another file with --ledger"
        ))),
        Err(_) => Err(LedgerFileError::Other(format!(
            "invalid version {version}; move the file away to start a new ledger"
        ))),
    }
}

/// Whether a file without an application id can be a ledger: it is empty, or it was written before ledgers
/// had one.
fn is_unmarked_ledger(
    connection: &Connection,
    application: i64,
    version: i64,
) -> Result<bool, LedgerFileError> {
    if application != 0 {
        return Ok(false);
    }
    let (all, known): (i64, i64) = connection.query_row(
        "SELECT count(*), count(*) FILTER (WHERE type = 'table' AND name IN ('health', 'lease', 'spend')) FROM sqlite_master",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(known == 3 || all == 0 && version == 0)
}
