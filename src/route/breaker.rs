//! The arithmetic of health: decay, demotion, and the breaker. Pure: rows in, rows out, time and chance by argument.

use std::time::Duration;

use crate::ledger::{DecayedMean, HealthRow};

/// Seconds in which what was learnt counts half.
const HEALTH_HALF_LIFE_SECS: f64 = 300.0;

/// The same for measured times, which calls of one person at a shell renew only now and then.
const LATENCY_HALF_LIFE_SECS: f64 = 3600.0;

/// Events in a row are forgotten after this long without one; nothing decays for longer.
const MEMORY_MS: i64 = 3_600_000;

/// Events that are thought good before any was seen. They do not decay: silence heals, and one failure does not demote.
const PRIOR_EVENTS: f64 = 8.0;

/// At most so many events are remembered, however many came: a provider that was called ten thousand times in good health
/// is not to need thousands of refusals before it stands behind the others.
const MAX_EVENTS: f64 = 100.0;

/// Above this share of troubled events a model stands behind the others, until it is below the second one.
const DEMOTE_ABOVE: f64 = 0.15;
const PROMOTE_BELOW: f64 = 0.075;

/// The breaker opens at so many sick events in a row, or at this share of so many events.
const TRIP_CONSECUTIVE_FAILURES: f64 = 3.0;
const TRIP_MIN_EVENTS: f64 = 5.0;
const TRIP_FAILURE_RATE: f64 = 0.5;

/// How long it stays open the first time, and at most. Doubles with each trip; give or take a fifth.
const FIRST_OPEN_MS: f64 = 15_000.0;
const MAX_BASE_OPEN_MS: f64 = 120_000.0;

/// It is never open for longer than so many milliseconds.
pub(super) const MAX_OPEN_MS: i64 = 144_000;

/// A trip is forgotten after so long without another.
const FORGET_TRIP_MS: i64 = 600_000;

/// It closes after so many successes.
const CLOSE_AFTER_SUCCESSES: u32 = 2;

/// A model that came back is given so many calls at once in the end, and then as many as there are.
const MAX_RECOVERY_CONCURRENCY: u32 = 64;

/// What an attempt says of a model's health.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HealthSignal {
    /// It answered to the end.
    Success,
    /// It failed in a way that speaks of sickness, by this weight.
    Failure(f64),
    /// It asked for less: back-pressure, no sickness.
    Throttled,
    /// Nothing: the failure was not its own.
    Neutral,
}

/// How a model came to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptRole {
    /// It was ready.
    Ordinary,
    /// Its breaker is half-open, and this is the only probe.
    Probe,
    /// It wanted to be left alone, and nobody else was ready.
    LastResort,
}

/// What became of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BreakerTransition {
    /// It opened, for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

/// Takes in what an attempt says. `draw` is a number between 0 and 1.
pub(super) fn apply_signal(
    row: &mut HealthRow,
    sign: HealthSignal,
    role: AttemptRole,
    now: i64,
    draw: f64,
) -> Option<BreakerTransition> {
    if role == AttemptRole::Probe {
        row.probe_until = 0;
    }
    let (sick, throttled) = match sign {
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
    row.failures = row.failures * factor + sick;
    row.throttled = row.throttled * factor + throttled;
    row.events = row.events * factor + 1.0;
    row.updated_at = row.updated_at.max(now);
    match sign {
        HealthSignal::Success => row.consecutive_failures = 0.0,
        _ => row.consecutive_failures += sick,
    }
    let change = if row.open_until == 0 {
        update_closed(row, sign, now, draw)
    } else {
        update_open(row, sign, role, now, draw)
    };
    row.is_demoted = is_demoted(row, now);
    change
}

fn update_closed(row: &mut HealthRow, sign: HealthSignal, now: i64, draw: f64) -> Option<BreakerTransition> {
    let sick = matches!(sign, HealthSignal::Failure(_));
    let share = row.events >= TRIP_MIN_EVENTS && row.failures / row.events >= TRIP_FAILURE_RATE;
    if sick && (row.consecutive_failures >= TRIP_CONSECUTIVE_FAILURES || share) {
        return Some(trip(row, now, draw));
    }
    if sign == HealthSignal::Success && row.recovery_concurrency > 0 {
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
    sign: HealthSignal,
    role: AttemptRole,
    now: i64,
    draw: f64,
) -> Option<BreakerTransition> {
    match (sign, role) {
        (HealthSignal::Success, AttemptRole::Probe | AttemptRole::LastResort) => {
            row.successes_since_open = row.successes_since_open.saturating_add(1);
            if row.successes_since_open < CLOSE_AFTER_SUCCESSES {
                return None;
            }
            (row.failures, row.events, row.open_until, row.successes_since_open, row.recovery_concurrency) =
                (0.0, 0.0, 0, 0, 1);
            Some(BreakerTransition::Closed)
        }
        (HealthSignal::Failure(_), AttemptRole::Probe) => Some(trip(row, now, draw)),
        // What began before the breaker opened says nothing of the time after.
        _ => None,
    }
}

fn trip(row: &mut HealthRow, now: i64, draw: f64) -> BreakerTransition {
    row.trips = active_trips(row, now).saturating_add(1);
    row.last_trip_at = now;
    let length =
        (FIRST_OPEN_MS * 2_f64.powi(i32::try_from(row.trips - 1).unwrap_or(i32::MAX))).min(MAX_BASE_OPEN_MS);
    let length = length * (0.8 + 0.4 * draw);
    row.open_until = row.open_until.max(now + length as i64);
    row.successes_since_open = 0;
    row.recovery_concurrency = 0;
    BreakerTransition::Opened(Duration::from_millis((row.open_until - now) as u64))
}

/// The trips that still count: one less for each quiet ten minutes.
pub(super) fn active_trips(row: &HealthRow, now: i64) -> u32 {
    let quiet = u32::try_from((now - row.last_trip_at).max(0) / FORGET_TRIP_MS).unwrap_or(u32::MAX);
    row.trips.saturating_sub(quiet)
}

/// Whether it stands behind the others now.
pub(super) fn is_demoted(row: &HealthRow, now: i64) -> bool {
    let bound = if row.is_demoted { PROMOTE_BELOW } else { DEMOTE_ABOVE };
    error_rate(row, now) > bound
}

/// The share of events that were troubled, with the prior ones.
pub(super) fn error_rate(row: &HealthRow, now: i64) -> f64 {
    let (troubled, events) = decayed_counts(row, now);
    troubled / (events + PRIOR_EVENTS)
}

/// What is left of the troubled events, and of all events.
pub(super) fn decayed_counts(row: &HealthRow, now: i64) -> (f64, f64) {
    let factor = decay_factor(now - row.updated_at, HEALTH_HALF_LIFE_SECS);
    ((row.failures + row.throttled) * factor, row.events * factor)
}

/// Takes in a measured time: its logarithm, whose mean is the logarithm of a typical time.
pub(super) fn add_measurement(trend: DecayedMean, milliseconds: f64, since: i64) -> DecayedMean {
    let weight = trend.weight * decay_factor(since, LATENCY_HALF_LIFE_SECS) + 1.0;
    let mean = trend.mean + (milliseconds.max(0.01).ln() - trend.mean) / weight;
    DecayedMean { mean, weight }
}

/// How much of a measurement is left.
pub(super) fn decayed_weight(trend: DecayedMean, since: i64) -> f64 {
    trend.weight * decay_factor(since, LATENCY_HALF_LIFE_SECS)
}

fn decay_factor(milliseconds: i64, half_life: f64) -> f64 {
    // A clock that was set back does not bring anything back.
    let seconds = milliseconds.clamp(0, MEMORY_MS) as f64 / 1000.0;
    2_f64.powf(-seconds / half_life)
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
        // Late successes of calls from before close nothing.
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
        // An open time is never shortened.
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
        // 20 of 28: silence heals it below 0.075 after a little more than four half-lives.
        assert!(!is_demoted(&row, START_MS + 5 * 300_000));
        let mut row = HealthRow::default();
        record_failure(&mut row, START_MS);
        assert!(!row.is_demoted, "one failure does not demote");
        record_failure(&mut row, START_MS);
        assert!(row.is_demoted, "two of two do");
    }

    #[test]
    fn long_success_history_does_not_prevent_demotion() {
        let mut row = HealthRow::default();
        for n in 0..10_000 {
            record_success(&mut row, AttemptRole::Ordinary, START_MS + n);
        }
        assert!((row.events - MAX_EVENTS).abs() < 1e-6);
        let refusals = (0..).take_while(|n| {
            apply_signal(
                &mut row,
                HealthSignal::Throttled,
                AttemptRole::Ordinary,
                START_MS + 10_000 + n,
                0.5,
            );
            !row.is_demoted
        });
        assert_eq!(refusals.count(), 17, "about 15 of the last hundred, and the prior ones' share");
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
        assert!((trend.mean.exp() - 1000.0).abs() < 1e-6, "the logarithms' middle");
        assert!((decayed_weight(trend, 3_600_000) - 2.0).abs() < 1e-9);
    }

    proptest::proptest! {
        #[test]
        fn random_sequences_keep_invariants(steps in proptest::collection::vec((0..5_u8, 0..3_u8, -10_000..4_000_000_i64, 0.0..1.0_f64), 0..200)) {
            let (mut row, mut now) = (HealthRow::default(), START_MS);
            for (sign, role, later, draw) in steps {
                now += later;
                let sign = [HealthSignal::Success, HealthSignal::Failure(1.0), HealthSignal::Failure(0.5), HealthSignal::Throttled, HealthSignal::Neutral][sign as usize];
                let role = [AttemptRole::Ordinary, AttemptRole::Probe, AttemptRole::LastResort][role as usize];
                let until = row.open_until;
                let change = apply_signal(&mut row, sign, role, now, draw);
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
