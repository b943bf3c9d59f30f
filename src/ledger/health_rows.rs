//! Health rows: the state of one model at one base URL, as learned from its calls.

use std::sync::LazyLock;

use rusqlite::{Row, named_params};

use super::replace_statement;
use super::sanitize::{clamp_time, in_range, skip_unreadable};
use super::{LedgerTables, SqlResult};
use crate::route::store::{DecayedMean, HealthKey, HealthRow};

const HEALTH_COLUMNS: &str = "sick, throttled, events, consecutive, at, demoted, open_until, trips, tripped, recovered, \
    probe_until, probe_by, not_before, ramp, first_token_log, first_token_weight, token_log, token_weight, measured, \
    failed, failed_as";

/// Far above any real decayed sum.
const MAX_DECAYED_SUM: f64 = 1e6;

/// Range of logarithms of milliseconds: from a hundredth of a millisecond to several months.
const LOG_MS_RANGE: std::ops::RangeInclusive<f64> = -5.0..=24.0;

/// Drops a mean that is out of range.
fn sanitize_mean(mean: DecayedMean) -> DecayedMean {
    let is_valid =
        in_range(mean.mean, LOG_MS_RANGE).is_some() && in_range(mean.weight, 0.0..=MAX_DECAYED_SUM).is_some();
    if is_valid { mean } else { DecayedMean::default() }
}

/// Replaces values that are out of range.
fn sanitize_health(mut row: HealthRow) -> HealthRow {
    for sum in [&mut row.failures, &mut row.throttled, &mut row.events, &mut row.consecutive_failures] {
        *sum = in_range(*sum, 0.0..=MAX_DECAYED_SUM).unwrap_or_default();
    }
    for at in [
        &mut row.updated_at,
        &mut row.open_until,
        &mut row.last_trip_at,
        &mut row.probe_until,
        &mut row.not_before,
        &mut row.measured_at,
        &mut row.last_failed_at,
    ] {
        *at = clamp_time(*at);
    }
    (row.first_token, row.token) = (sanitize_mean(row.first_token), sanitize_mean(row.token));
    row
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
    Ok(sanitize_health(row))
}

impl LedgerTables<'_> {
    /// A model's row; the default for an unknown model.
    pub(crate) fn health(&self, key: &HealthKey) -> SqlResult<HealthRow> {
        let changed = self.changed.as_ref().and_then(|changed| changed.borrow().health.get(key).cloned());
        if let Some(row) = changed {
            return Ok(row);
        }
        let found = self
            .connection
            .prepare_cached(&format!(
                "SELECT {HEALTH_COLUMNS} FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3"
            ))?
            .query_row([&key.provider, &key.base_url, &key.model], health_from_row);
        Ok(skip_unreadable(found)?.unwrap_or_default())
    }

    /// Changes a model's row, and returns the result of `change`.
    pub(crate) fn update_health<T>(
        &self,
        key: &HealthKey,
        change: impl FnOnce(&mut HealthRow) -> T,
    ) -> SqlResult<T> {
        let mut row = self.health(key)?;
        let result = change(&mut row);
        match &self.changed {
            Some(changed) => drop(changed.borrow_mut().health.insert(key.clone(), row)),
            None => self.put_health(key, &row)?,
        }
        Ok(result)
    }

    pub(super) fn put_health(&self, key: &HealthKey, row: &HealthRow) -> SqlResult<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            replace_statement("health", &format!("provider, base_url, model, {HEALTH_COLUMNS}"))
        });
        self.connection.prepare_cached(&SQL)?.execute(named_params! {
            ":provider": key.provider,
            ":base_url": key.base_url,
            ":model": key.model,
            ":sick": row.failures,
            ":throttled": row.throttled,
            ":events": row.events,
            ":consecutive": row.consecutive_failures,
            ":at": row.updated_at,
            ":demoted": row.is_demoted,
            ":open_until": row.open_until,
            ":trips": row.trips,
            ":tripped": row.last_trip_at,
            ":recovered": row.successes_since_open,
            ":probe_until": row.probe_until,
            ":probe_by": row.probe_call_id,
            ":not_before": row.not_before,
            ":ramp": row.recovery_concurrency,
            ":first_token_log": row.first_token.mean,
            ":first_token_weight": row.first_token.weight,
            ":token_log": row.token.mean,
            ":token_weight": row.token.weight,
            ":measured": row.measured_at,
            ":failed": row.last_failed_at,
            ":failed_as": row.last_failure_class,
        })?;
        Ok(())
    }

    pub(crate) fn remove_health(&self, key: &HealthKey) -> SqlResult<()> {
        if let Some(changed) = &self.changed {
            changed.borrow_mut().health.remove(key);
        }
        self.connection.execute(
            "DELETE FROM health WHERE provider = ?1 AND base_url = ?2 AND model = ?3",
            [&key.provider, &key.base_url, &key.model],
        )?;
        Ok(())
    }
}
