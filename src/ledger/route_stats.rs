//! Running statistics of routes, and pass rates on golden sets.

use rusqlite::params;

use super::sanitize::{clamp_time, in_range, skip_unreadable};
use super::{LedgerTables, SqlResult};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteStatsRow {
    /// Decayed mean of output tokens.
    pub output_tokens: f64,
    /// Decayed mean of the cached share of the input tokens.
    pub cached_share: f64,
    /// Number of calls behind the means, at most [`Self::MAX_CALLS`].
    pub calls: f64,
    /// The route's first choice, as `provider/model`; empty if there is none.
    pub leader: String,
}

impl RouteStatsRow {
    /// Beyond this many calls, older ones count less and less.
    pub const MAX_CALLS: f64 = 50.0;

    /// Drops the means if one is out of range.
    fn sanitized(self) -> Self {
        let is_valid = in_range(self.output_tokens, 0.0..=1e9).is_some()
            && in_range(self.cached_share, 0.0..=1.0).is_some()
            && in_range(self.calls, 0.0..=Self::MAX_CALLS).is_some();
        if is_valid { self } else { Self { leader: self.leader, ..Self::default() } }
    }

    pub fn record_call(&mut self, output_tokens: u64, cached_share: f64) {
        self.calls = (self.calls + 1.0).min(Self::MAX_CALLS);
        self.output_tokens += (output_tokens as f64 - self.output_tokens) / self.calls;
        self.cached_share += (cached_share - self.cached_share) / self.calls;
    }
}

/// The latest full run of a model on a golden set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassRateRow {
    /// Milliseconds since 1970.
    pub measured_at: i64,
    pub passed: u32,
    pub scored: u32,
    /// Digest of the set at that time.
    pub set_digest: String,
}

impl LedgerTables<'_> {
    /// A route's statistics; the default for a route without calls.
    pub fn route_stats(&self, name: &str) -> SqlResult<RouteStatsRow> {
        let row = self
            .0
            .prepare_cached("SELECT output_tokens, cached_share, calls, leader FROM route WHERE name = ?1")?
            .query_row([name], |row| {
                Ok(RouteStatsRow {
                    output_tokens: row.get(0)?,
                    cached_share: row.get(1)?,
                    calls: row.get(2)?,
                    leader: row.get(3)?,
                }
                .sanitized())
            });
        Ok(skip_unreadable(row)?.unwrap_or_default())
    }

    pub fn update_route_stats(&self, name: &str, change: impl FnOnce(&mut RouteStatsRow)) -> SqlResult<()> {
        let mut row = self.route_stats(name)?;
        change(&mut row);
        self.0
            .prepare_cached("INSERT OR REPLACE INTO route VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![name, row.output_tokens, row.cached_share, row.calls, row.leader])?;
        Ok(())
    }

    /// The pass rate of a model (`provider/model`) on the set at a path.
    pub fn pass_rate(&self, set_path: &str, model: &str) -> SqlResult<Option<PassRateRow>> {
        let row = self
            .0
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
    pub fn put_pass_rate(
        &self,
        set_path: &str,
        model: &str,
        score: &PassRateRow,
        latest: i64,
    ) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO score VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT \
                 DO UPDATE SET at = ?3, passed = ?4, scored = ?5, digest = ?6 WHERE at <= ?3 OR at > ?7",
            )?
            .execute(params![
                set_path,
                model,
                score.measured_at,
                score.passed,
                score.scored,
                score.set_digest,
                latest
            ])?;
        Ok(())
    }

    pub fn remove_pass_rates_before(&self, before: i64) -> SqlResult<()> {
        self.0.execute("DELETE FROM score WHERE at < ?1", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn means_follow_recent_calls() {
        let mut row = RouteStatsRow::default();
        row.record_call(100, 0.0);
        row.record_call(300, 1.0);
        assert_eq!((row.output_tokens, row.cached_share, row.calls), (200.0, 0.5, 2.0));
        for _ in 0..1000 {
            row.record_call(10, 0.0);
        }
        assert!((row.output_tokens - 10.0).abs() < 1.0 && row.calls == RouteStatsRow::MAX_CALLS);
    }

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
