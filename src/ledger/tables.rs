use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, named_params, params};

use super::SqlResult;
use super::sanitize::skip_unreadable;
use crate::route::store::{CooldownRow, HealthKey, HealthRow, RouteStatsRow};

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableSource {
    /// The file; the number changes when it is opened again.
    File(u64),
    /// A copy in memory, of the whole file or of a file that could not be read.
    Memory { is_complete: bool },
}

/// Typed access to the tables, within one read or one transaction.
pub(crate) struct LedgerTables<'a> {
    pub(super) connection: &'a Connection,
    source: TableSource,
    /// Rows that a transaction has changed and not written yet; `None` outside of a transaction. Many changes
    /// of one transaction often concern the same row.
    pub(super) changed: Option<RefCell<ChangedRows>>,
}

#[derive(Default)]
pub(super) struct ChangedRows {
    pub(super) health: HashMap<HealthKey, HealthRow>,
    pub(super) route_stats: HashMap<String, RouteStatsRow>,
}

impl<'a> LedgerTables<'a> {
    pub(super) fn new(connection: &'a Connection, source: TableSource) -> Self {
        Self { connection, source, changed: None }
    }

    /// For a transaction, which must end with [`write_changed`](Self::write_changed).
    pub(super) fn in_transaction(connection: &'a Connection, source: TableSource) -> Self {
        Self { connection, source, changed: Some(RefCell::default()) }
    }

    /// Writes the rows that the transaction has changed.
    pub(super) fn write_changed(&self) -> SqlResult<()> {
        let Some(changed) = &self.changed else { return Ok(()) };
        let ChangedRows { health, route_stats } = changed.take();
        health.iter().try_for_each(|(key, row)| self.put_health(key, row))?;
        route_stats.iter().try_for_each(|(name, row)| self.put_route_stats(name, row))
    }

    /// Whether everything that processes have stored is in the tables.
    pub(super) fn is_complete(&self) -> bool {
        self.source != TableSource::Memory { is_complete: false }
    }

    /// A value that differs if another connection has written to the file since; `None` if that cannot be
    /// told.
    pub(super) fn data_version(&self) -> SqlResult<Option<(u64, i64)>> {
        let TableSource::File(generation) = self.source else { return Ok(None) };
        let version =
            self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        Ok(Some((generation, version)))
    }

    /// Runs several reads on one state of the file.
    pub(super) fn in_one_read<T>(&self, read: impl FnOnce(&Self) -> SqlResult<T>) -> SqlResult<T> {
        let transaction = self.connection.unchecked_transaction()?;
        let value = read(self)?;
        transaction.finish()?;
        Ok(value)
    }

    /// The cooldowns of a key, and of this model behind it.
    pub(super) fn cooldowns(&self, key: &str, model: &str) -> SqlResult<Vec<CooldownRow>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT until, why FROM block WHERE key = ?1 AND model IN ('', ?2)")?;
        let rows = statement.query_map(params![key, model], |row| {
            Ok(CooldownRow { until: row.get(0)?, reason: row.get(1)? })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    /// Sets a cooldown for a key, or for one model behind it (an empty model means all). A cooldown is never
    /// shortened, unless it ends after `latest`.
    pub(crate) fn extend_cooldown(
        &self,
        key: &str,
        model: &str,
        until: i64,
        why: &str,
        latest: i64,
    ) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO block (key, model, until, why) VALUES (:key, :model, :until, :why) \
                 ON CONFLICT DO UPDATE SET until = :until, why = :why WHERE until < :until OR until > :latest",
            )?
            .execute(named_params! {
                ":key": key, ":model": model, ":until": until, ":why": why, ":latest": latest,
            })?;
        Ok(())
    }

    /// Removes the cooldowns of a key that affect this model: the model's own and the key's.
    pub(crate) fn remove_cooldowns(&self, key: &str, model: &str) -> SqlResult<()> {
        self.connection.execute("DELETE FROM block WHERE key = ?1 AND model IN ('', ?2)", [key, model])?;
        Ok(())
    }

    /// Removes cooldowns that ended by `ended`, and rows that were last used before `unseen`.
    pub(crate) fn remove_stale_rows(&self, ended: i64, unseen: i64) -> SqlResult<()> {
        self.write_changed()?;
        self.connection.execute("DELETE FROM block WHERE until <= ?1", [ended])?;
        self.connection.execute(
            "DELETE FROM health WHERE max(at, failed, measured, tripped, open_until, not_before) <= ?1",
            [unseen],
        )?;
        self.connection.execute("DELETE FROM concurrency WHERE at <= ?1", [unseen])?;
        self.connection.execute("DELETE FROM pace WHERE second * 1000 <= ?1", [unseen])?;
        self.connection.execute("DELETE FROM lease WHERE until <= ?1", [unseen])?;
        Ok(())
    }
}
