//! Leases of calls in flight, rate buckets, adaptive concurrency, and spending.

use std::ops::Range;

use rusqlite::params;

use super::sanitize::{clamp_time, skip_unreadable};
use super::{LedgerTables, SqlResult};

/// Totals of a scope's leases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseTotals {
    pub count: u64,
    /// When the first of them expires, in milliseconds since 1970; 0 if there are none.
    pub earliest_expiry: i64,
    /// Reserved money.
    pub nano_dollars: u64,
    /// Expected tokens.
    pub tokens: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    pub scope: String,
    pub holder: String,
    /// When it was first acquired, in milliseconds since 1970.
    pub since: i64,
    /// When it expires, in milliseconds since 1970.
    pub until: i64,
    /// Reserved money.
    pub nano_dollars: u64,
    /// Expected tokens.
    pub tokens: u64,
}

/// Requests started within one second, and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateBucket {
    /// Seconds since 1970.
    pub second: i64,
    pub requests: i64,
    pub tokens: i64,
}

/// Spending on one UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// Sum of the known costs.
    pub nano_dollars: u64,
    /// Number of calls with an unknown cost.
    pub unpriced_calls: u64,
}

impl LedgerTables<'_> {
    /// Totals of a scope's leases that expire within a time range.
    pub fn lease_totals(&self, scope: &str, ends: Range<i64>) -> SqlResult<LeaseTotals> {
        self.lease_totals_before(scope, ends, i64::MAX, "")
    }

    /// Like [`lease_totals`](Self::lease_totals), only for leases older than `since`; the holder breaks ties.
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

    /// Acquires a lease, or extends the one that this holder has.
    pub fn acquire_lease(&self, lease: &Lease) -> SqlResult<()> {
        let Lease { scope, holder, since, until, nano_dollars, tokens } = lease;
        self.0
            .prepare_cached(
                "INSERT INTO lease VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET until = ?4",
            )?
            .execute(params![scope, holder, since, until, signed(*nano_dollars), signed(*tokens)])?;
        Ok(())
    }

    /// Extends a lease if this holder has it; returns whether it does.
    pub fn extend_lease(&self, scope: &str, holder: &str, until: i64) -> SqlResult<bool> {
        let extended = self
            .0
            .prepare_cached("UPDATE lease SET until = ?3 WHERE scope = ?1 AND holder = ?2")?
            .execute(params![scope, holder, until])?;
        Ok(extended > 0)
    }

    /// Releases a holder's lease; returns whether there was one.
    pub fn release_lease(&self, scope: &str, holder: &str) -> SqlResult<bool> {
        let removed = self
            .0
            .prepare_cached("DELETE FROM lease WHERE scope = ?1 AND holder = ?2")?
            .execute([scope, holder])?;
        Ok(removed > 0)
    }

    /// Removes all leases and rate buckets of a scope.
    pub fn clear_scope(&self, scope: &str) -> SqlResult<()> {
        self.0.execute("DELETE FROM lease WHERE scope = ?1", [scope])?;
        self.0.execute("DELETE FROM pace WHERE scope = ?1", [scope])?;
        Ok(())
    }

    /// The leases of a scope that do not end within the range: expired ones, and ones with an implausible
    /// end. Their processes died or stalled before they released them.
    pub fn expired_leases(&self, scope: &str, live: Range<i64>) -> SqlResult<Vec<Lease>> {
        let mut statement = self.0.prepare_cached(
            "SELECT scope, holder, since, until, nano_dollars, tokens FROM lease \
             WHERE scope = ?1 AND NOT (until >= ?2 AND until < ?3)",
        )?;
        let rows = statement.query_map(params![scope, live.start, live.end], |row| {
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

    pub fn remove_expired_leases(&self, live: Range<i64>) -> SqlResult<()> {
        self.0
            .prepare_cached("DELETE FROM lease WHERE NOT (until >= ?1 AND until < ?2)")?
            .execute([live.start, live.end])?;
        Ok(())
    }

    /// The rate buckets of a scope within a range of seconds, oldest first.
    pub fn rate_buckets(&self, scope: &str, seconds: Range<i64>) -> SqlResult<Vec<RateBucket>> {
        let mut statement = self.0.prepare_cached(
            "SELECT second, requests, tokens FROM pace WHERE scope = ?1 AND second >= ?2 AND second < ?3 \
             ORDER BY second",
        )?;
        let rows = statement.query_map(params![scope, seconds.start, seconds.end], |row| {
            let count = |n: i64| n.clamp(-MAX_BUCKET_COUNT, MAX_BUCKET_COUNT);
            Ok(RateBucket { second: row.get(0)?, requests: count(row.get(1)?), tokens: count(row.get(2)?) })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    pub fn add_to_rate_bucket(&self, scope: &str, amount: RateBucket) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO pace VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                 SET requests = CAST(requests + ?3 AS INTEGER), tokens = CAST(tokens + ?4 AS INTEGER)",
            )?
            .execute(params![scope, amount.second, amount.requests, amount.tokens])?;
        Ok(())
    }

    /// Removes the rate buckets of all scopes outside the range.
    pub fn retain_rate_buckets(&self, range: Range<i64>) -> SqlResult<()> {
        self.0
            .prepare_cached("DELETE FROM pace WHERE NOT (second >= ?1 AND second < ?2)")?
            .execute([range.start, range.end])?;
        Ok(())
    }

    /// The adaptive concurrency limit, and the time of the last 429 in milliseconds since 1970.
    pub fn adaptive_concurrency(&self, scope: &str) -> SqlResult<Option<(f64, i64)>> {
        let row = self
            .0
            .prepare_cached("SELECT allowed, at FROM concurrency WHERE scope = ?1")?
            .query_row([scope], |row| Ok((row.get(0)?, clamp_time(row.get(1)?))));
        Ok(skip_unreadable(row)?.filter(|(allowed, _): &(f64, i64)| allowed.is_finite()))
    }

    /// Stores the adaptive concurrency limit; `None` removes it.
    pub fn put_adaptive_concurrency(&self, scope: &str, limit: Option<(f64, i64)>) -> SqlResult<()> {
        match limit {
            Some((limit, at)) => self
                .0
                .prepare_cached("INSERT OR REPLACE INTO concurrency VALUES (?1, ?2, ?3)")?
                .execute(params![scope, limit, at])?,
            None => self.0.prepare_cached("DELETE FROM concurrency WHERE scope = ?1")?.execute([scope])?,
        };
        Ok(())
    }

    /// Spending on a UTC day, real or simulated.
    pub fn spend(&self, day: &str, simulated: bool) -> SqlResult<Spend> {
        let row = self
            .0
            .prepare_cached("SELECT nano_dollars, unknown FROM spend WHERE day = ?1 AND simulated = ?2")?
            .query_row(params![day, simulated], |row| {
                Ok(Spend { nano_dollars: unsigned(row.get(0)?), unpriced_calls: unsigned(row.get(1)?) })
            });
        Ok(skip_unreadable(row)?.unwrap_or_default())
    }

    pub fn add_spend(&self, day: &str, simulated: bool, amount: Spend) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO spend VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                 SET nano_dollars = CAST(nano_dollars + ?3 AS INTEGER), unknown = CAST(unknown + ?4 AS INTEGER)",
            )?
            .execute(params![day, simulated, signed(amount.nano_dollars), signed(amount.unpriced_calls)])?;
        Ok(())
    }

    /// Subtracts from a day's spending, down to 0.
    pub fn subtract_spend(&self, day: &str, simulated: bool, nano_dollars: u64) -> SqlResult<()> {
        self.0
            .prepare_cached(
                "UPDATE spend SET nano_dollars = max(0, nano_dollars - ?3) WHERE day = ?1 AND simulated = ?2",
            )?
            .execute(params![day, simulated, signed(nano_dollars)])?;
        Ok(())
    }
}

/// Rate bucket counts are clamped to this, so that sums cannot overflow.
const MAX_BUCKET_COUNT: i64 = 1_000_000_000_000_000;

/// Converts a number for SQLite, whose integers are signed; no real count or sum reaches the maximum.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
