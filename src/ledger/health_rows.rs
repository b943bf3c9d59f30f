//! Health rows: the state of one model at one base URL, as learned from its calls.

use rusqlite::{Row, params};

use super::sanitize::{clamp_time, in_range, skip_unreadable};
use super::{LedgerTables, SqlResult};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthKey {
    pub provider: String,
    pub base_url: String,
    pub model: String,
}

/// Times are milliseconds since 1970; 0 means never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthRow {
    /// Decayed sum of the weights of failures.
    pub failures: f64,
    /// Decayed number of 429s.
    pub throttled: f64,
    /// Decayed number of all events.
    pub events: f64,
    /// Sum of the weights of failures since the last success.
    pub consecutive_failures: f64,
    /// Time of the last event, for decay.
    pub updated_at: i64,
    pub is_demoted: bool,
    /// When the breaker becomes half-open; 0 if it is closed.
    pub open_until: i64,
    /// Number of breaker trips, as of the last one; older trips are forgotten over time.
    pub trips: u32,
    pub last_trip_at: i64,
    pub successes_since_open: u32,
    /// End of the lease of the current probe.
    pub probe_until: i64,
    /// The call that holds the probe.
    pub probe_call_id: String,
    /// Earliest next call, as requested by the provider.
    pub not_before: i64,
    /// Maximum number of calls in flight during recovery; 0 means no limit.
    pub recovery_concurrency: u32,
    /// Mean of the logarithm of the milliseconds to the first token.
    pub first_token: DecayedMean,
    /// Mean of the logarithm of the milliseconds per token after the first.
    pub token: DecayedMean,
    /// Time of the last measurement of these two.
    pub measured_at: i64,
    pub last_failed_at: i64,
    pub last_failure_class: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DecayedMean {
    pub mean: f64,
    /// Decayed number of measurements; 0 if there are none.
    pub weight: f64,
}

const HEALTH_COLUMNS: &str = "sick, throttled, events, consecutive, at, demoted, open_until, trips, tripped, recovered, \
    probe_until, probe_by, not_before, ramp, first_token_log, first_token_weight, token_log, token_weight, measured, \
    failed, failed_as";

/// Far above any real decayed sum.
const MAX_DECAYED_SUM: f64 = 1e6;

/// Range of logarithms of milliseconds: from a hundredth of a millisecond to several months.
const LOG_MS_RANGE: std::ops::RangeInclusive<f64> = -5.0..=24.0;

impl DecayedMean {
    fn sanitized(self) -> Self {
        let is_valid = in_range(self.mean, LOG_MS_RANGE).is_some()
            && in_range(self.weight, 0.0..=MAX_DECAYED_SUM).is_some();
        if is_valid { self } else { Self::default() }
    }
}

impl HealthRow {
    /// Replaces values that are out of range.
    fn sanitized(mut self) -> Self {
        for sum in [&mut self.failures, &mut self.throttled, &mut self.events, &mut self.consecutive_failures]
        {
            *sum = in_range(*sum, 0.0..=MAX_DECAYED_SUM).unwrap_or_default();
        }
        for at in [
            &mut self.updated_at,
            &mut self.open_until,
            &mut self.last_trip_at,
            &mut self.probe_until,
            &mut self.not_before,
            &mut self.measured_at,
            &mut self.last_failed_at,
        ] {
            *at = clamp_time(*at);
        }
        (self.first_token, self.token) = (self.first_token.sanitized(), self.token.sanitized());
        self
    }
}

fn health_from_row(row: &Row<'_>) -> SqlResult<HealthRow> {
    let row = HealthRow {
        failures: row.get(0)?,
        throttled: row.get(1)?,
        events: row.get(2)?,
        consecutive_failures: row.get(3)?,
        updated_at: row.get(4)?,
        is_demoted: row.get(5)?,
        open_until: row.get(6)?,
        trips: row.get(7)?,
        last_trip_at: row.get(8)?,
        successes_since_open: row.get(9)?,
        probe_until: row.get(10)?,
        probe_call_id: row.get(11)?,
        not_before: row.get(12)?,
        recovery_concurrency: row.get(13)?,
        first_token: DecayedMean { mean: row.get(14)?, weight: row.get(15)? },
        token: DecayedMean { mean: row.get(16)?, weight: row.get(17)? },
        measured_at: row.get(18)?,
        last_failed_at: row.get(19)?,
        last_failure_class: row.get(20)?,
    };
    Ok(row.sanitized())
}

impl LedgerTables<'_> {
    /// A model's row; the default for an unknown model.
    pub fn health(&self, key: &HealthKey) -> SqlResult<HealthRow> {
        let found = self
            .0
            .prepare_cached(&format!(
                "SELECT {HEALTH_COLUMNS} FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3"
            ))?
            .query_row([&key.provider, &key.base_url, &key.model], health_from_row);
        Ok(skip_unreadable(found)?.unwrap_or_default())
    }

    /// Changes a model's row, and returns the result of `change`.
    pub fn update_health<T>(
        &self,
        key: &HealthKey,
        change: impl FnOnce(&mut HealthRow) -> T,
    ) -> SqlResult<T> {
        let mut row = self.health(key)?;
        let result = change(&mut row);
        self.put_health(key, &row)?;
        Ok(result)
    }

    fn put_health(&self, key: &HealthKey, row: &HealthRow) -> SqlResult<()> {
        self.0
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO health (provider, base_url, model, {HEALTH_COLUMNS}) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
                 ?22, ?23, ?24)"
            ))?
            .execute(params![
                key.provider,
                key.base_url,
                key.model,
                row.failures,
                row.throttled,
                row.events,
                row.consecutive_failures,
                row.updated_at,
                row.is_demoted,
                row.open_until,
                row.trips,
                row.last_trip_at,
                row.successes_since_open,
                row.probe_until,
                row.probe_call_id,
                row.not_before,
                row.recovery_concurrency,
                row.first_token.mean,
                row.first_token.weight,
                row.token.mean,
                row.token.weight,
                row.measured_at,
                row.last_failed_at,
                row.last_failure_class,
            ])?;
        Ok(())
    }

    pub fn remove_health(&self, key: &HealthKey) -> SqlResult<()> {
        self.0.execute(
            "DELETE FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3",
            [&key.provider, &key.base_url, &key.model],
        )?;
        Ok(())
    }
}
