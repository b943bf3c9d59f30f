//! Leases of calls in flight, rate buckets, adaptive concurrency, and spending.

use std::ops::Range;

use rusqlite::{Error, named_params, params};

use super::sanitize::{clamp_time, skip_unreadable};
use super::{LedgerTables, SqlResult, process_identity};
use crate::chat::{NanoDollars, TokenCount};
use crate::route::store::{Lease, LeaseTotals, RateBucket, Spend};

impl LedgerTables<'_> {
    /// Totals of a scope's leases that expire within a time range.
    pub(crate) fn lease_totals(&self, scope: &str, ends: Range<i64>) -> SqlResult<LeaseTotals> {
        self.lease_totals_before(scope, ends, i64::MAX, "")
    }

    /// Like [`lease_totals`](Self::lease_totals), only for leases older than `since`; the holder breaks ties.
    pub(crate) fn lease_totals_before(
        &self,
        scope: &str,
        ends: Range<i64>,
        since: i64,
        holder: &str,
    ) -> SqlResult<LeaseTotals> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT count(*), ifnull(min(until), 0), CAST(total(nano_dollars) AS INTEGER), \
                 CAST(total(tokens) AS INTEGER) FROM lease \
                 WHERE scope = ?1 AND until >= ?2 AND until < ?3 AND (since < ?4 OR since = ?4 AND holder < ?5)",
            )?
            .query_row(params![scope, ends.start, ends.end, since, holder], |row| {
                Ok(LeaseTotals {
                    count: unsigned(row.get(0)?),
                    earliest_expiry: row.get(1)?,
                    nano_dollars: NanoDollars::new(unsigned(row.get(2)?)),
                    tokens: TokenCount::new(unsigned(row.get(3)?)),
                })
            });
        Ok(skip_unreadable(row)?.unwrap_or_default())
    }

    /// Acquires a lease, or extends the one that this holder has.
    pub(crate) fn acquire_lease(&self, lease: &Lease) -> SqlResult<()> {
        let Lease { scope, holder, since, until, nano_dollars, tokens } = lease;
        self.connection
            .prepare_cached(
                "INSERT INTO lease (scope, holder, since, until, nano_dollars, tokens, owner) \
                 VALUES (:scope, :holder, :since, :until, :nano_dollars, :tokens, :owner) \
                 ON CONFLICT DO UPDATE SET until = :until",
            )?
            .execute(named_params! {
                ":scope": scope,
                ":holder": holder,
                ":since": since,
                ":until": until,
                ":nano_dollars": signed(nano_dollars.get()),
                ":tokens": signed(tokens.get()),
                ":owner": process_identity::own_identity(),
            })?;
        Ok(())
    }

    /// Extends a lease if this holder has it; returns whether it does.
    pub(crate) fn extend_lease(&self, scope: &str, holder: &str, until: i64) -> SqlResult<bool> {
        let extended = self
            .connection
            .prepare_cached("UPDATE lease SET until = ?3 WHERE scope = ?1 AND holder = ?2")?
            .execute(params![scope, holder, until])?;
        Ok(extended > 0)
    }

    /// Releases a holder's lease; returns whether there was one.
    pub(crate) fn release_lease(&self, scope: &str, holder: &str) -> SqlResult<bool> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM lease WHERE scope = ?1 AND holder = ?2")?
            .execute([scope, holder])?;
        Ok(removed > 0)
    }

    /// Removes all leases and rate buckets of a scope.
    pub(crate) fn clear_scope(&self, scope: &str) -> SqlResult<()> {
        self.connection.execute("DELETE FROM lease WHERE scope = ?1", [scope])?;
        self.connection.execute("DELETE FROM pace WHERE scope = ?1", [scope])?;
        Ok(())
    }

    /// The leases of a scope that do not end within the range: expired ones, and ones with an implausible
    /// end. Their processes died or stalled before they released them.
    pub(crate) fn expired_leases(&self, scope: &str, live: Range<i64>) -> SqlResult<Vec<Lease>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT scope, holder, since, until, nano_dollars, tokens FROM lease \
             WHERE scope = ?1 AND NOT (until >= ?2 AND until < ?3)",
        )?;
        let rows = statement.query_map(params![scope, live.start, live.end], |row| {
            Ok(Lease {
                scope: row.get(0)?,
                holder: row.get(1)?,
                since: clamp_time(row.get(2)?),
                until: clamp_time(row.get(3)?),
                nano_dollars: NanoDollars::new(unsigned(row.get(4)?)),
                tokens: TokenCount::new(unsigned(row.get(5)?)),
            })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    /// Ends the leases of processes that died, as if they had expired.
    pub(crate) fn release_dead_leases(&self) -> SqlResult<()> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT DISTINCT owner FROM lease WHERE until > 0 AND owner NOT IN ('', ?1)")?;
        let owners =
            statement.query_map([process_identity::own_identity()], |row| row.get::<_, String>(0))?;
        for owner in owners {
            let owner = owner?;
            if process_identity::has_ended(&owner) {
                self.connection
                    .prepare_cached("UPDATE lease SET until = 0 WHERE owner = ?1")?
                    .execute([&owner])?;
            }
        }
        Ok(())
    }

    pub(crate) fn remove_expired_leases(&self, live: Range<i64>) -> SqlResult<()> {
        self.connection
            .prepare_cached("DELETE FROM lease WHERE NOT (until >= ?1 AND until < ?2)")?
            .execute([live.start, live.end])?;
        Ok(())
    }

    /// The rate buckets of a scope within a range of seconds, oldest first.
    pub(crate) fn rate_buckets(&self, scope: &str, seconds: Range<i64>) -> SqlResult<Vec<RateBucket>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT second, requests, tokens FROM pace WHERE scope = ?1 AND second >= ?2 AND second < ?3 \
             ORDER BY second",
        )?;
        let rows = statement.query_map(params![scope, seconds.start, seconds.end], |row| {
            let count = |n: i64| n.clamp(-MAX_BUCKET_COUNT, MAX_BUCKET_COUNT);
            Ok(RateBucket { second: row.get(0)?, requests: count(row.get(1)?), tokens: count(row.get(2)?) })
        })?;
        rows.filter_map(|row| skip_unreadable(row).transpose()).collect()
    }

    pub(crate) fn add_to_rate_bucket(&self, scope: &str, amount: RateBucket) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO pace (scope, second, requests, tokens) VALUES (:scope, :second, :requests, :tokens) \
                 ON CONFLICT DO UPDATE SET requests = CAST(requests + :requests AS INTEGER), \
                 tokens = CAST(tokens + :tokens AS INTEGER)",
            )?
            .execute(named_params! {
                ":scope": scope,
                ":second": amount.second,
                ":requests": amount.requests,
                ":tokens": amount.tokens,
            })?;
        Ok(())
    }

    /// Removes the rate buckets of all scopes outside the range.
    pub(crate) fn retain_rate_buckets(&self, range: Range<i64>) -> SqlResult<()> {
        self.connection
            .prepare_cached("DELETE FROM pace WHERE NOT (second >= ?1 AND second < ?2)")?
            .execute([range.start, range.end])?;
        Ok(())
    }

    /// The adaptive concurrency limit, and the time of the last 429 in milliseconds since 1970.
    pub(crate) fn adaptive_concurrency(&self, scope: &str) -> SqlResult<Option<(f64, i64)>> {
        let row = self
            .connection
            .prepare_cached("SELECT allowed, at FROM concurrency WHERE scope = ?1")?
            .query_row([scope], |row| Ok((row.get(0)?, clamp_time(row.get(1)?))));
        Ok(skip_unreadable(row)?.filter(|(allowed, _): &(f64, i64)| allowed.is_finite()))
    }

    /// Stores the adaptive concurrency limit; `None` removes it.
    pub(crate) fn put_adaptive_concurrency(&self, scope: &str, limit: Option<(f64, i64)>) -> SqlResult<()> {
        match limit {
            Some((limit, at)) => self
                .connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO concurrency (scope, allowed, at) VALUES (:scope, :allowed, :at)",
                )?
                .execute(named_params! { ":scope": scope, ":allowed": limit, ":at": at })?,
            None => self
                .connection
                .prepare_cached("DELETE FROM concurrency WHERE scope = ?1")?
                .execute([scope])?,
        };
        Ok(())
    }

    /// All spending on a UTC day, real or simulated; `None` if it is unknown, because the row or the file that
    /// has it cannot be read.
    pub(crate) fn known_spend(&self, day: &str, simulated: bool) -> SqlResult<Option<Spend>> {
        if self.is_complete() { self.spend(day, simulated) } else { Ok(None) }
    }

    /// Spending on a UTC day according to the tables; `None` if the row cannot be read.
    pub(crate) fn spend(&self, day: &str, simulated: bool) -> SqlResult<Option<Spend>> {
        let row = self
            .connection
            .prepare_cached("SELECT nano_dollars, unknown FROM spend WHERE day = ?1 AND simulated = ?2")?
            .query_row(params![day, simulated], |row| {
                let nano_dollars = NanoDollars::new(unsigned(row.get(0)?));
                Ok(Spend { nano_dollars, unpriced_calls: unsigned(row.get(1)?) })
            });
        match row {
            Err(Error::QueryReturnedNoRows) => Ok(Some(Spend::NONE)),
            row => skip_unreadable(row),
        }
    }

    pub(crate) fn add_spend(&self, day: &str, simulated: bool, amount: Spend) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO spend (day, simulated, nano_dollars, unknown) \
                 VALUES (:day, :simulated, :nano_dollars, :unknown) ON CONFLICT DO UPDATE \
                 SET nano_dollars = CAST(nano_dollars + :nano_dollars AS INTEGER), \
                 unknown = CAST(unknown + :unknown AS INTEGER)",
            )?
            .execute(named_params! {
                ":day": day,
                ":simulated": simulated,
                ":nano_dollars": signed(amount.nano_dollars.get()),
                ":unknown": signed(amount.unpriced_calls),
            })?;
        Ok(())
    }

    /// Subtracts from a day's spending, down to 0.
    pub(crate) fn subtract_spend(&self, day: &str, simulated: bool, amount: NanoDollars) -> SqlResult<()> {
        self.connection
            .prepare_cached(
                "UPDATE spend SET nano_dollars = max(0, nano_dollars - ?3) WHERE day = ?1 AND simulated = ?2",
            )?
            .execute(params![day, simulated, signed(amount.get())])?;
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
