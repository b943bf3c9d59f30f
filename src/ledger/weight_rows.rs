//! Weight shares of route candidates, set from eval scores.

use rusqlite::named_params;

use super::sanitize::{clamp_time, in_range};
use super::{LedgerTables, SqlResult};
use crate::route::store::WeightRow;

impl LedgerTables<'_> {
    /// The stored shares of a route; candidates with their full weight have none.
    pub(crate) fn weights(&self, route: &str) -> SqlResult<Vec<WeightRow>> {
        let mut rows: Vec<WeightRow> = self
            .connection
            .prepare_cached("SELECT model, share, at, set_path FROM weight WHERE route = ?1")?
            .query_map([route], |row| {
                Ok(WeightRow {
                    model: row.get(0)?,
                    share: row.get(1)?,
                    at: clamp_time(row.get(2)?),
                    set_path: row.get(3)?,
                })
            })?
            .collect::<SqlResult<_>>()?;
        rows.retain(|row| in_range(row.share, 0.0..=1.0).is_some());
        Ok(rows)
    }

    /// Inserts or replaces a candidate's share.
    pub(crate) fn put_weight(&self, route: &str, row: &WeightRow) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO weight (route, model, share, at, set_path) \
                 VALUES (:route, :model, :share, :at, :set_path)",
            )?
            .execute(named_params! {
                ":route": route,
                ":model": row.model,
                ":share": row.share,
                ":at": row.at,
                ":set_path": row.set_path,
            })?;
        Ok(())
    }

    /// Restores the full weights of a route; returns the number of removed shares.
    pub(crate) fn remove_weights(&self, route: &str) -> SqlResult<usize> {
        self.connection.execute("DELETE FROM weight WHERE route = ?1", [route])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[tokio::test]
    async fn weights_are_scoped_to_route() {
        let ledger = Ledger::in_memory();
        let row = |share| WeightRow { model: "a/b".into(), share, at: 3, set_path: "/s".into() };
        for share in [0.2, 0.5] {
            ledger.write(move |rows| rows.put_weight("r", &row(share))).await;
        }
        ledger.write(move |rows| rows.put_weight("broken", &row(7.0))).await;
        assert_eq!(ledger.read(|rows| rows.weights("r")), [row(0.5)]);
        assert!(ledger.read(|rows| rows.weights("broken")).is_empty(), "a share above 1 is invalid");
        assert_eq!(ledger.write(|rows| rows.remove_weights("r")).await, 1);
        assert!(ledger.read(|rows| rows.weights("r")).is_empty());
    }
}
