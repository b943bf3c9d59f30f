//! Tables as typed rows.

use rusqlite::{Connection, params};

use super::SqlResult;
use super::sanitize::skip_unreadable;

/// The tables, within one read or one transaction.
pub struct LedgerTables<'a>(pub(super) &'a Connection);

impl<'a> LedgerTables<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    /// Until when a key, or a model behind it, is blocked, and why. A block that ends later than that does not count.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn cooldown(&self, key: &str, model: &str, latest: i64) -> SqlResult<Option<(i64, String)>> {
        let row = self
            .0
            .prepare_cached(
                "SELECT until, why FROM block WHERE key = ?1 AND model IN ('', ?2) AND until <= ?3 \
                 ORDER BY until DESC LIMIT 1",
            )?
            .query_row(params![key, model, latest], |row| Ok((row.get(0)?, row.get(1)?)));
        skip_unreadable(row)
    }

    /// Blocks a key, or a model behind it (the empty one is all of them). A block is extended, never shortened, unless it
    /// is one that does not count.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn extend_cooldown(
        &self,
        key: &str,
        model: &str,
        until: i64,
        why: &str,
        latest: i64,
    ) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO block VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET until = ?3, why = ?4 WHERE until < ?3 OR until > ?5",
            )?
            .execute(params![key, model, until, why, latest])?;
        Ok(())
    }

    /// Forgets the blocks of a key that concern this model: its own, and that of the key as a whole.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_cooldowns(&self, key: &str, model: &str) -> SqlResult<()> {
        self.0.execute("DELETE FROM block WHERE key = ?1 AND model IN ('', ?2)", [key, model])?;
        Ok(())
    }

    /// Forgets what has ended by then, and everything of models that nobody called since another time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_stale_rows(&self, ended: i64, unseen: i64) -> SqlResult<()> {
        self.0.execute("DELETE FROM block WHERE until <= ?1", [ended])?;
        self.0.execute(
            "DELETE FROM health WHERE max(at, failed, measured, tripped, open_until, not_before) <= ?1",
            [unseen],
        )?;
        self.0.execute("DELETE FROM concurrency WHERE at <= ?1", [unseen])?;
        self.0.execute("DELETE FROM pace WHERE second * 1000 <= ?1", [unseen])?;
        self.0.execute("DELETE FROM lease WHERE until <= ?1", [unseen])?;
        Ok(())
    }
}
