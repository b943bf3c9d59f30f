//! The tables, and how older ones become these.

use rusqlite::{Connection, Error, Transaction, TransactionBehavior};

/// Each step brings a ledger from the version of its place to the next one.
const STEPS: [&str; 1] = [include_str!("schema_1.sql")];

const VERSION: u32 = STEPS.len() as u32;

/// Why a file is no ledger for this program.
pub(super) enum Unfit {
    /// SQLite says no.
    Failed(Error),
    /// A later version wrote it.
    Newer(u32),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Brings a database to the version of this program.
pub(super) fn prepare(connection: &Connection) -> Result<(), Unfit> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    // Another process may be at it: who comes second finds it done.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let version = self::version(&transaction)?;
    let Some(steps) = STEPS.get(version as usize..) else { return Err(Unfit::Newer(version)) };
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<u32, Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
