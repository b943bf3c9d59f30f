//! Tables as typed rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::RowResult;

/// The tables, within one read or one transaction.
pub struct Rows<'a>(pub(super) &'a Connection);

impl<'a> Rows<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    /// Until when a key, or a model behind it, is blocked, and why.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn block(&self, key: &str, model: &str) -> RowResult<Option<(i64, String)>> {
        self.0
            .prepare_cached(
                "SELECT until, why FROM block WHERE key = ?1 AND model IN ('', ?2) ORDER BY until DESC LIMIT 1",
            )?
            .query_row([key, model], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// Blocks a key, or a model behind it (the empty one is all of them). A block is extended, never shortened.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn extend_block(&self, key: &str, model: &str, until: i64, why: &str) -> RowResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO block VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET until = ?3, why = ?4 WHERE until < ?3",
            )?
            .execute(params![key, model, until, why])?;
        Ok(())
    }

    /// Forgets the blocks of a key that concern this model: its own, and that of the key as a whole.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_blocks(&self, key: &str, model: &str) -> RowResult<()> {
        self.0.execute("DELETE FROM block WHERE key = ?1 AND model IN ('', ?2)", [key, model])?;
        Ok(())
    }
}
