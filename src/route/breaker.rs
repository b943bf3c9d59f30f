//! Circuit breaker, demotion, and decay of health data. Pure functions: time and random numbers are
//! arguments.

use std::time::Duration;

use super::health_signal::{AttemptRole, BreakerTransition, HealthSignal};
use super::store::{DecayedMean, HealthRow};

/// Half-life of failures and other events, in seconds.
const HEALTH_HALF_LIFE_SECS: f64 = 300.0;

/// Half-life of latencies, in seconds; longer, because interactive calls measure them only occasionally.
const LATENCY_HALF_LIFE_SECS: f64 = 3600.0;

/// A failure streak expires after this time without events, and decay stops here.
const MEMORY_MS: i64 = 3_600_000;

/// Successes assumed in advance, so that one failure does not demote a model. They do not decay, so a model
/// recovers even while it is not called.
const PRIOR_EVENTS: f64 = 8.0;

/// Maximum number of remembered events. Without it, a provider with ten thousand successes would need
/// thousands of 429s to be demoted.
const MAX_EVENTS: f64 = 100.0;

/// A model is demoted above the first error rate, and promoted again below the second.
const DEMOTE_ABOVE: f64 = 0.15;
const PROMOTE_BELOW: f64 = 0.075;

/// The breaker opens after this many consecutive failures, or at this failure rate over a minimum number of
/// events.
const TRIP_CONSECUTIVE_FAILURES: f64 = 3.0;
const TRIP_MIN_EVENTS: f64 = 5.0;
const TRIP_FAILURE_RATE: f64 = 0.5;

/// Open time after the first trip, and the maximum; it doubles with each trip and varies randomly by 20%.
const FIRST_OPEN_MS: f64 = 15_000.0;
const MAX_BASE_OPEN_MS: f64 = 120_000.0;

/// One trip is forgotten for each period of this length without another trip.
const FORGET_TRIP_MS: i64 = 600_000;

const CLOSE_AFTER_SUCCESSES: u32 = 2;

/// After recovery, concurrency doubles with each success up to this value; after that, it is unlimited.
const MAX_RECOVERY_CONCURRENCY: u32 = 64;

/// Updates the row with the result of an attempt. `random` is in 0..1.
pub(super) fn apply_signal(
    row: &mut HealthRow,
    signal: HealthSignal,
    role: AttemptRole,
    now: i64,
    random: f64,
) -> Option<BreakerTransition> {
    if role == AttemptRole::Probe {
        row.probe_until = 0;
    }
    let (failed, throttled) = match signal {
        HealthSignal::Success => (0.0, 0.0),
        HealthSignal::Failure(weight) => (weight, 0.0),
        HealthSignal::Throttled => (0.0, 1.0),
        HealthSignal::Neutral => return None,
    };
    let factor = decay_factor(now - row.updated_at, HEALTH_HALF_LIFE_SECS)
        .min((MAX_EVENTS - 1.0) / row.events.max(1.0));
    if now - row.updated_at > MEMORY_MS {
        row.consecutive_failures = 0.0;
    }
    row.failures = row.failures * factor + failed;
    row.throttled = row.throttled * factor + throttled;
    row.events = row.events * factor + 1.0;
    row.updated_at = row.updated_at.max(now);
    match signal {
        HealthSignal::Success => row.consecutive_failures = 0.0,
        _ => row.consecutive_failures += failed,
    }
    let transition = if row.open_until == 0 {
        update_closed(row, signal, now, random)
    } else {
        update_open(row, signal, role, now, random)
    };
    row.is_demoted = is_demoted(row, now);
    transition
}

fn update_closed(
    row: &mut HealthRow,
    signal: HealthSignal,
    now: i64,
    random: f64,
) -> Option<BreakerTransition> {
    let is_failure = matches!(signal, HealthSignal::Failure(_));
    let is_rate_reached = row.events >= TRIP_MIN_EVENTS && row.failures / row.events >= TRIP_FAILURE_RATE;
    if is_failure && (row.consecutive_failures >= TRIP_CONSECUTIVE_FAILURES || is_rate_reached) {
        return Some(trip(row, now, random));
    }
    if signal == HealthSignal::Success && row.recovery_concurrency > 0 {
        row.recovery_concurrency = if row.recovery_concurrency >= MAX_RECOVERY_CONCURRENCY {
            0
        } else {
            row.recovery_concurrency * 2
        };
    }
    None
}

fn update_open(
    row: &mut HealthRow,
    signal: HealthSignal,
    role: AttemptRole,
    now: i64,
    random: f64,
) -> Option<BreakerTransition> {
    match (signal, role) {
        (HealthSignal::Success, AttemptRole::Probe | AttemptRole::LastResort) => {
            row.successes_since_open = row.successes_since_open.saturating_add(1);
            if row.successes_since_open < CLOSE_AFTER_SUCCESSES {
                return None;
            }
            (row.failures, row.events, row.open_until, row.successes_since_open, row.recovery_concurrency) =
                (0.0, 0.0, 0, 0, 1);
            Some(BreakerTransition::Closed)
        }
        (HealthSignal::Failure(_), AttemptRole::Probe) => Some(trip(row, now, random)),
        // Attempts that started before the breaker opened say nothing about recovery.
        _ => None,
    }
}

fn trip(row: &mut HealthRow, now: i64, random: f64) -> BreakerTransition {
    row.trips = active_trips(row, now).saturating_add(1);
    row.last_trip_at = now;
    let open_ms =
        (FIRST_OPEN_MS * 2_f64.powi(i32::try_from(row.trips - 1).unwrap_or(i32::MAX))).min(MAX_BASE_OPEN_MS);
    let open_ms = open_ms * (0.8 + 0.4 * random);
    row.open_until = row.open_until.max(now + open_ms as i64);
    row.successes_since_open = 0;
    row.recovery_concurrency = 0;
    BreakerTransition::Opened(Duration::from_millis((row.open_until - now) as u64))
}

/// Trips that still count: one less per [`FORGET_TRIP_MS`] without a trip.
pub(super) fn active_trips(row: &HealthRow, now: i64) -> u32 {
    let forgotten = u32::try_from((now - row.last_trip_at).max(0) / FORGET_TRIP_MS).unwrap_or(u32::MAX);
    row.trips.saturating_sub(forgotten)
}

pub(super) fn is_demoted(row: &HealthRow, now: i64) -> bool {
    let bound = if row.is_demoted { PROMOTE_BELOW } else { DEMOTE_ABOVE };
    error_rate(row, now) > bound
}

/// Share of failures and 429s among recent events, including the [`PRIOR_EVENTS`].
pub(super) fn error_rate(row: &HealthRow, now: i64) -> f64 {
    let (errors, events) = decayed_counts(row, now);
    errors / (events + PRIOR_EVENTS)
}

/// Decayed numbers of failures plus 429s, and of all events.
pub(super) fn decayed_counts(row: &HealthRow, now: i64) -> (f64, f64) {
    let factor = decay_factor(now - row.updated_at, HEALTH_HALF_LIFE_SECS);
    ((row.failures + row.throttled) * factor, row.events * factor)
}

/// Adds a measured time, `elapsed_ms` after the previous measurement. The mean is taken over logarithms, so
/// its exponential is a typical time.
pub(super) fn add_measurement(trend: DecayedMean, milliseconds: f64, elapsed_ms: i64) -> DecayedMean {
    let weight = trend.weight * decay_factor(elapsed_ms, LATENCY_HALF_LIFE_SECS) + 1.0;
    let mean = trend.mean + (milliseconds.max(0.01).ln() - trend.mean) / weight;
    DecayedMean { mean, weight }
}

pub(super) fn decayed_weight(trend: DecayedMean, elapsed_ms: i64) -> f64 {
    trend.weight * decay_factor(elapsed_ms, LATENCY_HALF_LIFE_SECS)
}

fn decay_factor(elapsed_ms: i64, half_life_secs: f64) -> f64 {
    // A clock that was set back must not increase a weight.
    let seconds = elapsed_ms.clamp(0, MEMORY_MS) as f64 / 1000.0;
    2_f64.powf(-seconds / half_life_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_000_000_000;

    fn record_failure(row: &mut HealthRow, now: i64) -> Option<BreakerTransition> {
        apply_signal(row, HealthSignal::Failure(1.0), AttemptRole::Ordinary, now, 0.5)
    }

    fn record_success(row: &mut HealthRow, role: AttemptRole, now: i64) -> Option<BreakerTransition> {
        apply_signal(row, HealthSignal::Success, role, now, 0.5)
    }

    #[test]
    fn three_failures_open_until_two_probe_successes() {
        let mut row = HealthRow::default();
        assert_eq!(record_failure(&mut row, START_MS), None);
        assert_eq!(record_failure(&mut row, START_MS), None);
        assert_eq!(
            record_failure(&mut row, START_MS),
            Some(BreakerTransition::Opened(Duration::from_secs(15)))
        );
        assert_eq!(row.open_until, START_MS + 15_000);
        // Calls that started before the breaker opened do not close it.
        assert_eq!(record_success(&mut row, AttemptRole::Ordinary, START_MS + 1), None);
        assert_eq!(record_success(&mut row, AttemptRole::Ordinary, START_MS + 2), None);
        assert_eq!(record_success(&mut row, AttemptRole::Probe, START_MS + 16_000), None);
        assert_eq!(
            record_success(&mut row, AttemptRole::Probe, START_MS + 17_000),
            Some(BreakerTransition::Closed)
        );
        assert_eq!((row.open_until, row.recovery_concurrency, row.failures, row.events), (0, 1, 0.0, 0.0));
        for expected in [2, 4, 8, 16, 32, 64, 0, 0] {
            record_success(&mut row, AttemptRole::Ordinary, START_MS + 18_000);
            assert_eq!(row.recovery_concurrency, expected);
        }
    }

    #[test]
    fn failed_probes_lengthen_open_time() {
        let mut row = HealthRow::default();
        for _ in 0..3 {
            record_failure(&mut row, START_MS);
        }
        let mut now = START_MS;
        for expected in [30, 60, 120, 120] {
            now = row.open_until;
            let change = apply_signal(&mut row, HealthSignal::Failure(1.0), AttemptRole::Probe, now, 0.5);
            assert_eq!(change, Some(BreakerTransition::Opened(Duration::from_secs(expected))));
        }
        assert_eq!(
            (
                active_trips(&row, now),
                active_trips(&row, now + 1_200_000),
                active_trips(&row, now + 9_000_000)
            ),
            (5, 3, 0)
        );
        let until = row.open_until;
        apply_signal(&mut row, HealthSignal::Failure(1.0), AttemptRole::Probe, until - 100_000, 0.0);
        assert!(row.open_until >= until);
    }

    #[test]
    fn half_failure_rate_opens_breaker() {
        let mut row = HealthRow::default();
        for n in 0..3 {
            assert_eq!(record_failure(&mut row, START_MS + n), None, "{n}");
            assert_eq!(record_success(&mut row, AttemptRole::Ordinary, START_MS + n), None);
        }
        assert!(matches!(record_failure(&mut row, START_MS + 9), Some(BreakerTransition::Opened(_))));
    }

    #[test]
    fn throttling_demotes_without_opening() {
        let mut row = HealthRow::default();
        for n in 0..20 {
            assert_eq!(
                apply_signal(&mut row, HealthSignal::Throttled, AttemptRole::Ordinary, START_MS + n, 0.5),
                None
            );
        }
        assert!(row.is_demoted && is_demoted(&row, START_MS + 300_000));
        // 20 of 28: the error rate falls below 0.075 after just under five half-lives.
        assert!(!is_demoted(&row, START_MS + 5 * 300_000));
        let mut row = HealthRow::default();
        record_failure(&mut row, START_MS);
        assert!(!row.is_demoted, "one failure does not demote");
        record_failure(&mut row, START_MS);
        assert!(row.is_demoted, "two failures out of two demote");
    }

    #[test]
    fn long_success_history_does_not_prevent_demotion() {
        let mut row = HealthRow::default();
        for n in 0..10_000 {
            record_success(&mut row, AttemptRole::Ordinary, START_MS + n);
        }
        assert!((row.events - MAX_EVENTS).abs() < 1e-6);
        let throttled_calls = (0..).take_while(|n| {
            apply_signal(
                &mut row,
                HealthSignal::Throttled,
                AttemptRole::Ordinary,
                START_MS + 10_000 + n,
                0.5,
            );
            !row.is_demoted
        });
        assert_eq!(
            throttled_calls.count(),
            17,
            "about 15 of the last hundred, plus the share of the assumed successes"
        );
    }

    #[test]
    fn failure_streak_expires_after_one_hour() {
        let mut row = HealthRow::default();
        record_failure(&mut row, START_MS);
        record_failure(&mut row, START_MS);
        assert_eq!(record_failure(&mut row, START_MS + MEMORY_MS + 1), None);
        assert_eq!(
            apply_signal(
                &mut row,
                HealthSignal::Neutral,
                AttemptRole::Ordinary,
                START_MS + MEMORY_MS + 2,
                0.5
            ),
            None
        );
    }

    #[test]
    fn latency_mean_is_geometric() {
        let mut trend = DecayedMean::default();
        for milliseconds in [100.0, 10_000.0, 100.0, 10_000.0] {
            trend = add_measurement(trend, milliseconds, 0);
        }
        assert!((trend.mean.exp() - 1000.0).abs() < 1e-6, "the mean of the logarithms");
        assert!((decayed_weight(trend, 3_600_000) - 2.0).abs() < 1e-9);
    }

    proptest::proptest! {
        #[test]
        fn random_sequences_keep_invariants(steps in proptest::collection::vec((0..5_u8, 0..3_u8, -10_000..4_000_000_i64, 0.0..1.0_f64), 0..200)) {
            let (mut row, mut now) = (HealthRow::default(), START_MS);
            for (signal, role, elapsed_ms, random) in steps {
                now += elapsed_ms;
                let signal = [HealthSignal::Success, HealthSignal::Failure(1.0), HealthSignal::Failure(0.5), HealthSignal::Throttled, HealthSignal::Neutral][signal as usize];
                let role = [AttemptRole::Ordinary, AttemptRole::Probe, AttemptRole::LastResort][role as usize];
                let until = row.open_until;
                let change = apply_signal(&mut row, signal, role, now, random);
                proptest::prop_assert!(row.failures >= 0.0 && row.failures <= row.events + 1e-9 && row.events.is_finite());
                proptest::prop_assert!(row.open_until >= until || change == Some(BreakerTransition::Closed));
                if let Some(BreakerTransition::Opened(time)) = change {
                    proptest::prop_assert!(time >= Duration::from_secs(12) || until > now);
                }
                proptest::prop_assert!(error_rate(&row, now) < 1.0);
            }
        }
    }
}
