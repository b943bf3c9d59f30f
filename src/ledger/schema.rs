//! The tables, and how older ones become these.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::sqlite_file::LedgerFileError;

/// Each step brings a ledger from the version of its place to the next one.
const MIGRATIONS: [&str; 4] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// What the file says to be: `slal`.
const APPLICATION_ID: i64 = 0x736c_616c;

/// Brings a database to the version of this program.
pub(super) fn migrate(connection: &Connection) -> Result<(), LedgerFileError> {
    if schema_version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another process may be at it: who comes second finds it done.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for step in &MIGRATIONS[schema_version(&transaction)?..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(transaction.commit()?)
}

/// The version of a ledger, of those that this program knows; 0 for an empty file. Changes nothing.
pub(super) fn schema_version(connection: &Connection) -> Result<usize, LedgerFileError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application != APPLICATION_ID && !is_unmarked_ledger(connection, application, version)? {
        let words = "it is another program's database; name another file with --ledger";
        return Err(LedgerFileError::Other(words.to_owned()));
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        Ok(version) => Err(LedgerFileError::Other(format!(
            "it is of version {version}, which a newer slalom writes; use that one, or name another file with --ledger"
        ))),
        Err(_) => Err(LedgerFileError::Other(format!(
            "it says to be of version {version}, which no slalom writes; move it away, and a new one is made"
        ))),
    }
}

/// Whether a file that does not say whose it is may be a ledger: an empty one, or one from before ledgers said it.
fn is_unmarked_ledger(
    connection: &Connection,
    application: i64,
    version: i64,
) -> Result<bool, LedgerFileError> {
    if application != 0 {
        return Ok(false);
    }
    let (all, own): (i64, i64) = connection.query_row(
        "SELECT count(*), count(*) FILTER (WHERE type = 'table' AND name IN ('health', 'lease', 'spend')) FROM sqlite_master",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(own == 3 || all == 0 && version == 0)
}
