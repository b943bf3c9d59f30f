//! What calls in flight hold, what was begun within the minute, and what was spent.

use std::ops::Range;

use rusqlite::params;

use super::sanitize::{clamp_time, skip_unreadable};
use super::{LedgerTables, SqlResult};

/// The leases of one scope that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTotals {
    /// How many.
    pub count: u64,
    /// When the first of them ends by itself; 0 without any.
    pub earliest_expiry: i64,
    /// What all of them may cost together.
    pub nano_dollars: u64,
    /// The tokens that all of them may use together.
    pub tokens: u64,
}

/// A lease to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What it counts against.
    pub scope: String,
    /// Whose it is.
    pub holder: String,
    /// When it was taken first.
    pub since: i64,
    /// When it ends by itself.
    pub until: i64,
    /// What the call may cost.
    pub nano_dollars: u64,
    /// The tokens that it may use.
    pub tokens: u64,
}

/// What was begun within one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// The second since 1970.
    pub second: i64,
    /// Requests.
    pub requests: i64,
    /// Tokens.
    pub tokens: i64,
}

/// What was spent on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// What is known of it.
    pub nano_dollars: u64,
    /// Calls whose cost nobody knows.
    pub unpriced_calls: u64,
}

impl LedgerTables<'_> {
    /// The leases of a scope that end within a span of time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn lease_totals(&self, scope: &str, ends: Range<i64>) -> SqlResult<LeaseTotals> {
        self.lease_totals_before(scope, ends, i64::MAX, "")
    }

    /// Those of them that are older than what this holder took then. Of the same age, the holder's name decides.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn lease_totals_before(
        &self,
        scope: &str,
        ends: Range<i64>,
        since: i64,
        holder: &str,
    ) -> SqlResult<LeaseTotals> {
        let row = self
            .0
            .prepare_cached(
                "SELECT count(*), ifnull(min(until), 0), CAST(total(nano_dollars) AS INTEGER), \
                 CAST(total(tokens) AS INTEGER) FROM lease \
                 WHERE scope = ?1 AND until >= ?2 AND until < ?3 AND (since < ?4 OR since = ?4 AND holder < ?5)",
            )?
            .query_row(params![scope, ends.start, ends.end, since, holder], |row| {
                Ok(LeaseTotals {
                    count: unsigned(row.get(0)?),
                    earliest_expiry: row.get(1)?,
                    nano_dollars: unsigned(row.get(2)?),
                    tokens: unsigned(row.get(3)?),
                })
            });
        Ok(skip_unreadable(row)?.unwrap_or_default())
    }

    /// Takes a lease, or extends one that this holder has.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn acquire_lease(&self, lease: &Lease) -> SqlResult<()> {
        let Lease { scope, holder, since, until, nano_dollars, tokens } = lease;
        self.0
            .prepare_cached(
                "INSERT INTO lease VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET until = ?4",
            )?
            .execute(params![scope, holder, since, until, signed(*nano_dollars), signed(*tokens)])?;
        Ok(())
    }

    /// Extends a lease, where this holder has it; says whether it does.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn extend_lease(&self, scope: &str, holder: &str, until: i64) -> SqlResult<bool> {
        let extended = self
            .0
            .prepare_cached("UPDATE lease SET until = ?3 WHERE scope = ?1 AND holder = ?2")?
            .execute(params![scope, holder, until])?;
        Ok(extended > 0)
    }

    /// Gives back what a holder has in a scope; says whether it had something.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn release_lease(&self, scope: &str, holder: &str) -> SqlResult<bool> {
        let removed = self
            .0
            .prepare_cached("DELETE FROM lease WHERE scope = ?1 AND holder = ?2")?
            .execute([scope, holder])?;
        Ok(removed > 0)
    }

    /// Forgets everything that counts against a scope: its leases, and what was begun within the minute.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn clear_scope(&self, scope: &str) -> SqlResult<()> {
        self.0.execute("DELETE FROM lease WHERE scope = ?1", [scope])?;
        self.0.execute("DELETE FROM pace WHERE scope = ?1", [scope])?;
        Ok(())
    }

    /// The leases of a scope that do not end within a span of time, but before it, or so late that nobody can have meant
    /// it. Their processes did not live to give them back.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn expired_leases(&self, scope: &str, alive: Range<i64>) -> SqlResult<Vec<Lease>> {
        let mut found = self.0.prepare_cached(
            "SELECT scope, holder, since, until, nano_dollars, tokens FROM lease \
             WHERE scope = ?1 AND NOT (until >= ?2 AND until < ?3)",
        )?;
        let rows = found.query_map(params![scope, alive.start, alive.end], |row| {
            Ok(Lease {
                scope: row.get(0)?,
                holder: row.get(1)?,
                since: clamp_time(row.get(2)?),
                until: clamp_time(row.get(3)?),
                nano_dollars: unsigned(row.get(4)?),
                tokens: unsigned(row.get(5)?),
            })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    /// Forgets leases that do not end within a span of time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_expired_leases(&self, alive: Range<i64>) -> SqlResult<()> {
        self.0
            .prepare_cached("DELETE FROM lease WHERE NOT (until >= ?1 AND until < ?2)")?
            .execute([alive.start, alive.end])?;
        Ok(())
    }

    /// What was begun in a scope within these seconds, the oldest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn rate_buckets(&self, scope: &str, seconds: Range<i64>) -> SqlResult<Vec<RateBucket>> {
        let mut found = self.0.prepare_cached(
            "SELECT second, requests, tokens FROM pace WHERE scope = ?1 AND second >= ?2 AND second < ?3 \
             ORDER BY second",
        )?;
        let rows = found.query_map(params![scope, seconds.start, seconds.end], |row| {
            let count = |n: i64| n.clamp(-MAX_BUCKET_COUNT, MAX_BUCKET_COUNT);
            Ok(RateBucket { second: row.get(0)?, requests: count(row.get(1)?), tokens: count(row.get(2)?) })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    /// Adds to what was begun in a scope.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_to_rate_bucket(&self, scope: &str, more: RateBucket) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO pace VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                 SET requests = CAST(requests + ?3 AS INTEGER), tokens = CAST(tokens + ?4 AS INTEGER)",
            )?
            .execute(params![scope, more.second, more.requests, more.tokens])?;
        Ok(())
    }

    /// Forgets what was begun in other seconds than these.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn retain_rate_buckets(&self, but: Range<i64>) -> SqlResult<()> {
        self.0
            .prepare_cached("DELETE FROM pace WHERE NOT (second >= ?1 AND second < ?2)")?
            .execute([but.start, but.end])?;
        Ok(())
    }

    /// How many calls at once a provider is given since it complained, and when it did last.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn adaptive_concurrency(&self, scope: &str) -> SqlResult<Option<(f64, i64)>> {
        let row = self
            .0
            .prepare_cached("SELECT allowed, at FROM concurrency WHERE scope = ?1")?
            .query_row([scope], |row| Ok((row.get(0)?, clamp_time(row.get(1)?))));
        Ok(skip_unreadable(row)?.filter(|(allowed, _): &(f64, i64)| allowed.is_finite()))
    }

    /// Says how many calls at once a provider is given; `None` forgets it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_adaptive_concurrency(&self, scope: &str, allowed: Option<(f64, i64)>) -> SqlResult<()> {
        match allowed {
            Some((allowed, at)) => self
                .0
                .prepare_cached("INSERT OR REPLACE INTO concurrency VALUES (?1, ?2, ?3)")?
                .execute(params![scope, allowed, at])?,
            None => self.0.prepare_cached("DELETE FROM concurrency WHERE scope = ?1")?.execute([scope])?,
        };
        Ok(())
    }

    /// What was spent on a day, of real money or of the simulator's.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn spend(&self, day: &str, simulated: bool) -> SqlResult<Spend> {
        let found = self
            .0
            .prepare_cached("SELECT nano_dollars, unknown FROM spend WHERE day = ?1 AND simulated = ?2")?
            .query_row(params![day, simulated], |row| {
                Ok(Spend { nano_dollars: unsigned(row.get(0)?), unpriced_calls: unsigned(row.get(1)?) })
            });
        Ok(skip_unreadable(found)?.unwrap_or_default())
    }

    /// Adds to what was spent on a day.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_spend(&self, day: &str, simulated: bool, more: Spend) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO spend VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                 SET nano_dollars = CAST(nano_dollars + ?3 AS INTEGER), unknown = CAST(unknown + ?4 AS INTEGER)",
            )?
            .execute(params![day, simulated, signed(more.nano_dollars), signed(more.unpriced_calls)])?;
        Ok(())
    }

    /// Takes back some of what was spent on a day.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn subtract_spend(&self, day: &str, simulated: bool, nano_dollars: u64) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "UPDATE spend SET nano_dollars = max(0, nano_dollars - ?3) WHERE day = ?1 AND simulated = ?2",
            )?
            .execute(params![day, simulated, signed(nano_dollars)])?;
        Ok(())
    }
}

/// No second of ours has begun more: what says so is believed only this far, so that sums stay sums.
const MAX_BUCKET_COUNT: i64 = 1_000_000_000_000_000;

/// SQLite's integers are signed; no count or sum of ours comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
