//! What calls taught of one model at one address.

use rusqlite::{Row, params};

use super::readable::{readable, time, within};
use super::{RowResult, Rows};

/// One model at one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthKey {
    /// The provider's name.
    pub provider: String,
    /// Where it is.
    pub base_url: String,
    /// The model there.
    pub model: String,
}

/// What calls taught of it. Times are milliseconds since 1970; 0 is never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthRow {
    /// Decayed sum of the weights of failures that speak of sickness.
    pub sick: f64,
    /// Decayed number of times that it asked for less.
    pub throttled: f64,
    /// Decayed number of all events.
    pub events: f64,
    /// Weights of sick events since the last success.
    pub consecutive: f64,
    /// When these held.
    pub at: i64,
    /// Whether it stands behind the others.
    pub demoted: bool,
    /// Until when the breaker is open; past that, until it closes, it is half-open; 0 when it is closed.
    pub open_until: i64,
    /// How often the breaker tripped; falls with quiet time.
    pub trips: u32,
    /// When it tripped last.
    pub tripped: i64,
    /// Successes since the breaker opened.
    pub recovered: u32,
    /// Until when a process has the only probe.
    pub probe_until: i64,
    /// Which call that is.
    pub probe_by: String,
    /// It asked not to be called before.
    pub not_before: i64,
    /// How many calls at once it is given while it comes back; 0 is no limit.
    pub ramp: u32,
    /// The logarithm of the milliseconds until the first token.
    pub first_token: Trend,
    /// The logarithm of the milliseconds for each token after it.
    pub token: Trend,
    /// When these two were last measured.
    pub measured: i64,
    /// When it failed last.
    pub failed: i64,
    /// The class of that failure.
    pub failed_as: String,
}

/// A decayed mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trend {
    /// The mean.
    pub mean: f64,
    /// The decayed number of measurements behind it; 0 when nothing was measured.
    pub weight: f64,
}

const COLUMNS: &str = "sick, throttled, events, consecutive, at, demoted, open_until, trips, tripped, recovered, \
    probe_until, probe_by, not_before, ramp, first_token_log, first_token_weight, token_log, token_weight, measured, \
    failed, failed_as";

/// No decayed sum of ours comes near this.
const MOST: f64 = 1e6;

/// Logarithms of milliseconds lie here: from a hundredth of one to some months.
const LOGS: std::ops::RangeInclusive<f64> = -5.0..=24.0;

impl Trend {
    fn sane(self) -> Self {
        let sane = within(self.mean, LOGS).is_some() && within(self.weight, 0.0..=MOST).is_some();
        if sane { self } else { Self::default() }
    }
}

impl HealthRow {
    /// The row, without figures that nothing can be reckoned with.
    fn sane(mut self) -> Self {
        for sum in [&mut self.sick, &mut self.throttled, &mut self.events, &mut self.consecutive] {
            *sum = within(*sum, 0.0..=MOST).unwrap_or_default();
        }
        for at in [
            &mut self.at,
            &mut self.open_until,
            &mut self.tripped,
            &mut self.probe_until,
            &mut self.not_before,
            &mut self.measured,
            &mut self.failed,
        ] {
            *at = time(*at);
        }
        (self.first_token, self.token) = (self.first_token.sane(), self.token.sane());
        self
    }
}

fn read(row: &Row<'_>) -> RowResult<HealthRow> {
    let row = HealthRow {
        sick: row.get(0)?,
        throttled: row.get(1)?,
        events: row.get(2)?,
        consecutive: row.get(3)?,
        at: row.get(4)?,
        demoted: row.get(5)?,
        open_until: row.get(6)?,
        trips: row.get(7)?,
        tripped: row.get(8)?,
        recovered: row.get(9)?,
        probe_until: row.get(10)?,
        probe_by: row.get(11)?,
        not_before: row.get(12)?,
        ramp: row.get(13)?,
        first_token: Trend { mean: row.get(14)?, weight: row.get(15)? },
        token: Trend { mean: row.get(16)?, weight: row.get(17)? },
        measured: row.get(18)?,
        failed: row.get(19)?,
        failed_as: row.get(20)?,
    };
    Ok(row.sane())
}

impl Rows<'_> {
    /// What is known of a model; nothing, if nothing is.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn health(&self, key: &HealthKey) -> RowResult<HealthRow> {
        let found = self
            .0
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3"
            ))?
            .query_row([&key.provider, &key.base_url, &key.model], read);
        Ok(readable(found)?.unwrap_or_default())
    }

    /// Changes what is known of a model, and hands on what `change` says.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn update_health<T>(
        &self,
        key: &HealthKey,
        change: impl FnOnce(&mut HealthRow) -> T,
    ) -> RowResult<T> {
        let mut row = self.health(key)?;
        let said = change(&mut row);
        self.put_health(key, &row)?;
        Ok(said)
    }

    fn put_health(&self, key: &HealthKey, row: &HealthRow) -> RowResult<()> {
        self.0
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO health (provider, base_url, model, {COLUMNS}) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
                 ?22, ?23, ?24)"
            ))?
            .execute(params![
                key.provider,
                key.base_url,
                key.model,
                row.sick,
                row.throttled,
                row.events,
                row.consecutive,
                row.at,
                row.demoted,
                row.open_until,
                row.trips,
                row.tripped,
                row.recovered,
                row.probe_until,
                row.probe_by,
                row.not_before,
                row.ramp,
                row.first_token.mean,
                row.first_token.weight,
                row.token.mean,
                row.token.weight,
                row.measured,
                row.failed,
                row.failed_as,
            ])?;
        Ok(())
    }

    /// Forgets what is known of a model.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn remove_health(&self, key: &HealthKey) -> RowResult<()> {
        self.0.execute(
            "DELETE FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3",
            [&key.provider, &key.base_url, &key.model],
        )?;
        Ok(())
    }
}
