//! Corrects ledger times that cannot be right. If a clock was set back, times written earlier lie in the
//! future and would keep a candidate unavailable for as long as the clock had been ahead. Rows are corrected
//! here when they are read: such times are ignored or replaced with the current time.

use std::ops::Range;

use super::spans::{LEASE_MS, MAX_OPEN_MS};
use super::store::HealthRow;

/// Allowed difference between the clocks of machines that share a ledger file.
const CLOCK_SKEW_MS: i64 = 2_000;

/// Maximum length of a probe's lease.
pub(super) const PROBE_LEASE_MS: i64 = 15_000;

/// Maximum length of a cooldown or a retry-after.
pub(super) const MAX_COOLDOWN_MS: i64 = 24 * 3_600_000;

/// The time, or 0 if it is more than `max_ahead` in the future.
fn drop_far_future(time: i64, now: i64, max_ahead: i64) -> i64 {
    if time > now + max_ahead + CLOCK_SKEW_MS { 0 } else { time }
}

/// For times of past events, which cannot be in the future.
fn clamp_to_now(time: i64, now: i64) -> i64 {
    if time > now + CLOCK_SKEW_MS { now } else { time }
}

/// The row with implausible times corrected.
pub(super) fn correct_health(mut row: HealthRow, now: i64) -> HealthRow {
    if drop_far_future(row.open_until, now, MAX_OPEN_MS) != row.open_until {
        // The breaker did open, so let one call probe the model.
        row.open_until = now;
    }
    row.probe_until = drop_far_future(row.probe_until, now, PROBE_LEASE_MS);
    row.not_before = drop_far_future(row.not_before, now, MAX_COOLDOWN_MS);
    for time in [&mut row.updated_at, &mut row.last_trip_at, &mut row.measured_at, &mut row.last_failed_at] {
        *time = clamp_to_now(*time, now);
    }
    row
}

/// The latest plausible end of a cooldown.
pub(crate) fn latest_cooldown_end(now: i64) -> i64 {
    now + MAX_COOLDOWN_MS + CLOCK_SKEW_MS
}

/// The latest plausible time of a past event.
pub(crate) fn latest_past_time(now: i64) -> i64 {
    now + CLOCK_SKEW_MS
}

/// End times, in milliseconds since 1970, of leases that are in use now.
pub(crate) fn live_lease_ends(now: i64) -> Range<i64> {
    now + 1..now + LEASE_MS + CLOCK_SKEW_MS
}

/// The seconds since `second` in which a call may have started.
pub(crate) fn seconds_since(second: i64, now: i64) -> Range<i64> {
    second..(now + CLOCK_SKEW_MS) / 1000 + 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::breaker::{active_trips, apply_signal, is_demoted};
    use super::super::health_signal::{AttemptRole, HealthSignal};
    use super::*;

    const START_MS: i64 = 1_700_000_000_000;

    proptest::proptest! {
        #[test]
        fn clock_jump_does_not_extend_cooldowns(
            jumps in proptest::collection::vec((-5 * MAX_COOLDOWN_MS..5 * MAX_COOLDOWN_MS, 0..4_u8, 0.0..1.0_f64), 1..40)
        ) {
            let (mut row, mut now) = (HealthRow::default(), START_MS);
            for (jump, signal, random) in jumps {
                now += jump;
                row = correct_health(row, now);
                proptest::prop_assert!(row.open_until <= now + MAX_OPEN_MS + CLOCK_SKEW_MS);
                proptest::prop_assert!(row.probe_until <= now + PROBE_LEASE_MS + CLOCK_SKEW_MS);
                proptest::prop_assert!(row.not_before <= now + MAX_COOLDOWN_MS + CLOCK_SKEW_MS);
                let role = if row.open_until == 0 { AttemptRole::Ordinary } else { AttemptRole::Probe };
                match signal {
                    0 => row.not_before = now + MAX_COOLDOWN_MS,
                    1 => row.probe_until = now + PROBE_LEASE_MS,
                    2 => drop(apply_signal(&mut row, HealthSignal::Success, role, now, random)),
                    _ => drop(apply_signal(&mut row, HealthSignal::Failure(1.0), role, now, random)),
                }
                // Six hours later, only a cooldown requested by the provider can be left.
                let later = now + Duration::from_secs(6 * 3600).as_millis() as i64;
                let row = correct_health(row.clone(), later);
                proptest::prop_assert!(row.open_until <= later && row.probe_until <= later);
                proptest::prop_assert!(!is_demoted(&row, later), "{row:?}");
                proptest::prop_assert_eq!(active_trips(&row, later), row.trips.saturating_sub(36));
            }
        }
    }

    #[test]
    fn implausible_times_are_clamped() {
        let row = HealthRow {
            open_until: START_MS + 144_000,
            probe_until: START_MS + PROBE_LEASE_MS,
            not_before: START_MS + MAX_COOLDOWN_MS,
            updated_at: START_MS,
            last_trip_at: START_MS - 1,
            measured_at: START_MS,
            last_failed_at: START_MS,
            trips: 2,
            ..HealthRow::default()
        };
        assert_eq!(correct_health(row.clone(), START_MS), row);
        let back = correct_health(row, START_MS - 2 * MAX_COOLDOWN_MS);
        let now = START_MS - 2 * MAX_COOLDOWN_MS;
        assert_eq!((back.open_until, back.probe_until, back.not_before), (now, 0, 0));
        assert_eq!(
            (back.updated_at, back.last_trip_at, back.measured_at, back.last_failed_at),
            (now, now, now, now)
        );
    }
}
