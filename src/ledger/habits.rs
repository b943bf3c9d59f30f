//! What the calls of a route are like, and how models did on golden sets.

use rusqlite::{OptionalExtension, params};

use super::{RowResult, Rows};

/// What the calls of a route are like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteRow {
    /// The decayed mean of an answer's tokens.
    pub output_tokens: f64,
    /// The decayed mean of the share of the input that came from a prompt cache.
    pub cached_share: f64,
    /// How many calls these means rest on, at most [`RouteRow::MOST_CALLS`].
    pub calls: f64,
    /// Who was its first choice, as `provider/model`; empty where nobody was.
    pub leader: String,
}

impl RouteRow {
    /// Older calls than so many count for less and less.
    pub const MOST_CALLS: f64 = 50.0;

    /// Takes a call in.
    pub fn take(&mut self, output_tokens: u64, cached_share: f64) {
        self.calls = (self.calls + 1.0).min(Self::MOST_CALLS);
        self.output_tokens += (output_tokens as f64 - self.output_tokens) / self.calls;
        self.cached_share += (cached_share - self.cached_share) / self.calls;
    }
}

/// The newest full run of a golden set against a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScoreRow {
    /// When it was, in milliseconds since 1970.
    pub at: i64,
    /// The cases that passed.
    pub passed: u32,
    /// The cases that could be scored.
    pub scored: u32,
    /// The digest of the set as it was then.
    pub digest: String,
}

impl Rows<'_> {
    /// What is known of a route's calls.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn route(&self, name: &str) -> RowResult<RouteRow> {
        let row = self
            .0
            .prepare_cached("SELECT output_tokens, cached_share, calls, leader FROM route WHERE name = ?1")?
            .query_row([name], |row| {
                Ok(RouteRow {
                    output_tokens: row.get(0)?,
                    cached_share: row.get(1)?,
                    calls: row.get(2)?,
                    leader: row.get(3)?,
                })
            })
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// Changes what is known of a route's calls.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn update_route(&self, name: &str, change: impl FnOnce(&mut RouteRow)) -> RowResult<()> {
        let mut row = self.route(name)?;
        change(&mut row);
        self.0
            .prepare_cached("INSERT OR REPLACE INTO route VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![name, row.output_tokens, row.cached_share, row.calls, row.leader])?;
        Ok(())
    }

    /// How a model (`provider/model`) did on the set at a path, where that was measured.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn score(&self, set_path: &str, model: &str) -> RowResult<Option<ScoreRow>> {
        self.0
            .prepare_cached(
                "SELECT at, passed, scored, digest FROM score WHERE set_path = ?1 AND model = ?2",
            )?
            .query_row([set_path, model], |row| {
                Ok(ScoreRow {
                    at: row.get(0)?,
                    passed: row.get(1)?,
                    scored: row.get(2)?,
                    digest: row.get(3)?,
                })
            })
            .optional()
    }

    /// Keeps how a model did on a set. A newer run is never replaced by an older one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_score(&self, set_path: &str, model: &str, score: &ScoreRow) -> RowResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO score VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET at = ?3, passed = ?4, scored = ?5, digest = ?6 WHERE at <= ?3",
            )?
            .execute(params![set_path, model, score.at, score.passed, score.scored, score.digest])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn means_follow_the_newest_calls() {
        let mut row = RouteRow::default();
        row.take(100, 0.0);
        row.take(300, 1.0);
        assert_eq!((row.output_tokens, row.cached_share, row.calls), (200.0, 0.5, 2.0));
        for _ in 0..1000 {
            row.take(10, 0.0);
        }
        assert!((row.output_tokens - 10.0).abs() < 1.0 && row.calls == RouteRow::MOST_CALLS);
    }

    #[tokio::test]
    async fn the_newest_score_stays() {
        let ledger = Ledger::in_memory();
        let row = |at| ScoreRow { at, passed: 3, scored: 4, digest: "d".into() };
        for at in [2, 1] {
            ledger.write(move |rows| rows.put_score("s", "a/b", &row(at))).await;
        }
        assert_eq!(ledger.read(|rows| rows.score("s", "a/b")), Some(row(2)));
        assert_eq!(ledger.read(|rows| rows.score("s", "a/c")), None);
        ledger.write(|rows| rows.update_route("r", |row| row.leader = "a/b".into())).await;
        assert_eq!(ledger.read(|rows| rows.route("r")).leader, "a/b");
    }
}
