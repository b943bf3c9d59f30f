//! Running statistics of routes, and pass rates on golden sets.

use rusqlite::named_params;

use super::sanitize::{clamp_time, in_range, skip_unreadable};
use super::{LedgerTables, SqlResult};
use crate::route::store::{PassRateRow, RouteStatsRow};

/// Drops the means if one is out of range.
fn sanitize_stats(row: RouteStatsRow) -> RouteStatsRow {
    let is_valid = in_range(row.output_tokens, 0.0..=1e9).is_some()
        && in_range(row.cached_share, 0.0..=1.0).is_some()
        && in_range(row.calls, 0.0..=RouteStatsRow::MAX_CALLS).is_some();
    if is_valid { row } else { RouteStatsRow { leader: row.leader, ..RouteStatsRow::default() } }
}

impl LedgerTables<'_> {
    /// A route's statistics; the default for a route without calls.
    pub(crate) fn route_stats(&self, name: &str) -> SqlResult<RouteStatsRow> {
        let changed =
            self.changed.as_ref().and_then(|changed| changed.borrow().route_stats.get(name).cloned());
        if let Some(row) = changed {
            return Ok(row);
        }
        let row = self
            .connection
            .prepare_cached("SELECT output_tokens, cached_share, calls, leader FROM route WHERE name = ?1")?
            .query_row([name], |row| {
                Ok(sanitize_stats(RouteStatsRow {
                    output_tokens: row.get(0)?,
                    cached_share: row.get(1)?,
                    calls: row.get(2)?,
                    leader: row.get(3)?,
                }))
            });
        Ok(skip_unreadable(row)?.unwrap_or_default())
    }

    pub(crate) fn update_route_stats(
        &self,
        name: &str,
        change: impl FnOnce(&mut RouteStatsRow),
    ) -> SqlResult<()> {
        let mut row = self.route_stats(name)?;
        change(&mut row);
        match &self.changed {
            Some(changed) => drop(changed.borrow_mut().route_stats.insert(name.to_owned(), row)),
            None => self.put_route_stats(name, &row)?,
        }
        Ok(())
    }

    pub(super) fn put_route_stats(&self, name: &str, row: &RouteStatsRow) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO route (name, output_tokens, cached_share, calls, leader) \
                 VALUES (:name, :output_tokens, :cached_share, :calls, :leader)",
            )?
            .execute(named_params! {
                ":name": name,
                ":output_tokens": row.output_tokens,
                ":cached_share": row.cached_share,
                ":calls": row.calls,
                ":leader": row.leader,
            })?;
        Ok(())
    }

    /// The pass rate of a model (`provider/model`) on the set at a path.
    pub(crate) fn pass_rate(&self, set_path: &str, model: &str) -> SqlResult<Option<PassRateRow>> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT at, passed, scored, digest FROM score WHERE set_path = ?1 AND model = ?2",
            )?
            .query_row([set_path, model], |row| {
                Ok(PassRateRow {
                    measured_at: clamp_time(row.get(0)?),
                    passed: row.get(1)?,
                    scored: row.get(2)?,
                    set_digest: row.get(3)?,
                })
            });
        skip_unreadable(row)
    }

    /// Stores a pass rate. An older run never replaces a newer one, unless the newer one claims to be later
    /// than `latest`.
    pub(crate) fn put_pass_rate(
        &self,
        set_path: &str,
        model: &str,
        score: &PassRateRow,
        latest: i64,
    ) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO score (set_path, model, at, passed, scored, digest) \
                 VALUES (:set_path, :model, :at, :passed, :scored, :digest) ON CONFLICT DO UPDATE \
                 SET at = :at, passed = :passed, scored = :scored, digest = :digest \
                 WHERE at <= :at OR at > :latest",
            )?
            .execute(named_params! {
                ":set_path": set_path,
                ":model": model,
                ":at": score.measured_at,
                ":passed": score.passed,
                ":scored": score.scored,
                ":digest": score.set_digest,
                ":latest": latest,
            })?;
        Ok(())
    }

    pub(crate) fn remove_pass_rates_before(&self, before: i64) -> SqlResult<()> {
        self.connection.execute("DELETE FROM score WHERE at < ?1", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[tokio::test]
    async fn newest_score_is_kept() {
        let ledger = Ledger::in_memory();
        let row = |at| PassRateRow { measured_at: at, passed: 3, scored: 4, set_digest: "d".into() };
        for at in [2, 1] {
            ledger.write(move |rows| rows.put_pass_rate("s", "a/b", &row(at), 2)).await;
        }
        assert_eq!(ledger.read(|rows| rows.pass_rate("s", "a/b")), Some(row(2)));
        assert_eq!(ledger.read(|rows| rows.pass_rate("s", "a/c")), None);
        ledger.write(move |rows| rows.put_pass_rate("s", "a/b", &row(1), 1)).await;
        assert_eq!(
            ledger.read(|rows| rows.pass_rate("s", "a/b")),
            Some(row(1)),
            "a stored time after `latest` is replaced"
        );
        ledger.write(|rows| rows.remove_pass_rates_before(2)).await;
        assert_eq!(ledger.read(|rows| rows.pass_rate("s", "a/b")), None);
        ledger.write(|rows| rows.update_route_stats("r", |row| row.leader = "a/b".into())).await;
        assert_eq!(ledger.read(|rows| rows.route_stats("r")).leader, "a/b");
    }
}
