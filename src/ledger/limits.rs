//! What calls in flight hold, what was begun within the minute, and what was spent.

use rusqlite::{OptionalExtension, params};

use super::{RowResult, Rows};

/// The leases of one scope that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// How many.
    pub count: u64,
    /// When the first of them ends by itself; 0 without any.
    pub first_end: i64,
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
pub struct Pace {
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
    pub unknown: u64,
}

impl Rows<'_> {
    /// The leases of a scope that are alive at a time.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn leases(&self, scope: &str, now: i64) -> RowResult<Leases> {
        self.leases_before(scope, now, i64::MAX, "")
    }

    /// Those of them that are older than what this holder took then. Of the same age, the holder's name decides.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn leases_before(&self, scope: &str, now: i64, since: i64, holder: &str) -> RowResult<Leases> {
        self.0
            .prepare_cached(
                "SELECT count(*), ifnull(min(until), 0), ifnull(sum(nano_dollars), 0), ifnull(sum(tokens), 0) FROM lease \
                 WHERE scope = ?1 AND until > ?2 AND (since < ?3 OR since = ?3 AND holder < ?4)",
            )?
            .query_row(params![scope, now, since, holder], |row| {
                Ok(Leases {
                    count: unsigned(row.get(0)?),
                    first_end: row.get(1)?,
                    nano_dollars: unsigned(row.get(2)?),
                    tokens: unsigned(row.get(3)?),
                })
            })
    }

    /// Takes a lease, or extends one that this holder has.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_lease(&self, lease: &Lease) -> RowResult<()> {
        let Lease { scope, holder, since, until, nano_dollars, tokens } = lease;
        self.0
            .prepare_cached(
                "INSERT INTO lease VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET until = max(until, ?4)",
            )?
            .execute(params![scope, holder, since, until, signed(*nano_dollars), signed(*tokens)])?;
        Ok(())
    }

    /// Gives back everything that a holder has.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_lease(&self, scope: &str, holder: &str) -> RowResult<()> {
        self.0
            .prepare_cached("DELETE FROM lease WHERE scope = ?1 AND holder = ?2")?
            .execute([scope, holder])?;
        Ok(())
    }

    /// Forgets leases that have ended: their processes did not live to give them back.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_ended_leases(&self, now: i64) -> RowResult<()> {
        self.0.prepare_cached("DELETE FROM lease WHERE until <= ?1")?.execute([now])?;
        Ok(())
    }

    /// What was begun in a scope from a second on, the oldest first.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn pace(&self, scope: &str, from: i64) -> RowResult<Vec<Pace>> {
        self.0
            .prepare_cached(
                "SELECT second, requests, tokens FROM pace WHERE scope = ?1 AND second >= ?2 ORDER BY second",
            )?
            .query_map(params![scope, from], |row| {
                Ok(Pace { second: row.get(0)?, requests: row.get(1)?, tokens: row.get(2)? })
            })?
            .collect()
    }

    /// Adds to what was begun in a scope.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_pace(&self, scope: &str, more: Pace) -> RowResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO pace VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET requests = requests + ?3, tokens = tokens + ?4",
            )?
            .execute(params![scope, more.second, more.requests, more.tokens])?;
        Ok(())
    }

    /// Forgets what was begun before a second.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_pace(&self, before: i64) -> RowResult<()> {
        self.0.prepare_cached("DELETE FROM pace WHERE second < ?1")?.execute([before])?;
        Ok(())
    }

    /// How many calls at once a provider is given since it complained, and when it did last.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn allowed(&self, scope: &str) -> RowResult<Option<(f64, i64)>> {
        self.0
            .prepare_cached("SELECT allowed, at FROM concurrency WHERE scope = ?1")?
            .query_row([scope], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// Says how many calls at once a provider is given; `None` forgets it.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn put_allowed(&self, scope: &str, allowed: Option<(f64, i64)>) -> RowResult<()> {
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
    pub fn spend(&self, day: &str, simulated: bool) -> RowResult<Spend> {
        let found = self
            .0
            .prepare_cached("SELECT nano_dollars, unknown FROM spend WHERE day = ?1 AND simulated = ?2")?
            .query_row(params![day, simulated], |row| {
                Ok(Spend { nano_dollars: unsigned(row.get(0)?), unknown: unsigned(row.get(1)?) })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Adds to what was spent on a day.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn add_spend(&self, day: &str, simulated: bool, more: Spend) -> RowResult<()> {
        self.0
            .prepare_cached(
                "INSERT INTO spend VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET nano_dollars = nano_dollars + ?3, unknown = unknown + ?4",
            )?
            .execute(params![day, simulated, signed(more.nano_dollars), signed(more.unknown)])?;
        Ok(())
    }
}

/// SQLite's integers are signed; no count or sum of ours comes near their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
