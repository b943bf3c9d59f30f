use rusqlite::{Connection, params};

use super::SqlResult;
use super::sanitize::skip_unreadable;

/// Typed access to the tables, within one read or one transaction.
pub struct LedgerTables<'a>(pub(super) &'a Connection);

impl<'a> LedgerTables<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    /// End and reason of the longest cooldown of a key or of this model behind it. Cooldowns that end after
    /// `latest` are implausible and ignored.
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

    /// Sets a cooldown for a key, or for one model behind it (an empty model means all). A cooldown is never
    /// shortened, unless it ends after `latest`.
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

    /// Removes the cooldowns of a key that affect this model: the model's own and the key's.
    pub fn remove_cooldowns(&self, key: &str, model: &str) -> SqlResult<()> {
        self.0.execute("DELETE FROM block WHERE key = ?1 AND model IN ('', ?2)", [key, model])?;
        Ok(())
    }

    /// Removes cooldowns that ended by `ended`, and rows that were last used before `unseen`.
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
