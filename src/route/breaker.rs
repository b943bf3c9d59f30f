//! The arithmetic of health: decay, demotion, and the breaker. Pure: rows in, rows out, time and chance by argument.

use std::time::Duration;

use crate::ledger::{HealthRow, Trend};

/// Seconds in which what was learnt counts half.
const HALF_LIFE: f64 = 300.0;

/// The same for measured times, which calls of one person at a shell renew only now and then.
const HALF_LIFE_OF_TIMES: f64 = 3600.0;

/// Events in a row are forgotten after this long without one; nothing decays for longer.
const MEMORY: i64 = 3_600_000;

/// Events that are thought good before any was seen. They do not decay: silence heals, and one failure does not demote.
const PRIOR: f64 = 8.0;

/// At most so many events are remembered, however many came: a provider that was called ten thousand times in good health
/// is not to need thousands of refusals before it stands behind the others.
const MOST_EVENTS: f64 = 100.0;

/// Above this share of troubled events a model stands behind the others, until it is below the second one.
const DEMOTE: f64 = 0.15;
const PROMOTE: f64 = 0.075;

/// The breaker opens at so many sick events in a row, or at this share of so many events.
const IN_A_ROW: f64 = 3.0;
const LEAST_EVENTS: f64 = 5.0;
const SICK_SHARE: f64 = 0.5;

/// How long it stays open the first time, and at most. Doubles with each trip; give or take a fifth.
const OPEN: f64 = 15_000.0;
const OPEN_CAP: f64 = 120_000.0;

/// It is never open for longer than so many milliseconds.
pub(super) const OPEN_LONGEST: i64 = 144_000;

/// A trip is forgotten after so long without another.
const QUIET: i64 = 600_000;

/// It closes after so many successes.
const RECOVERED: u32 = 2;

/// A model that came back is given so many calls at once in the end, and then as many as there are.
const RAMP_END: u32 = 64;

/// What an attempt says of a model's health.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    /// It answered to the end.
    Success,
    /// It failed in a way that speaks of sickness, by this weight.
    Sick(f64),
    /// It asked for less: back-pressure, no sickness.
    Throttled,
    /// Nothing: the failure was not its own.
    None,
}

/// How a model came to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It was ready.
    Ordinary,
    /// Its breaker is half-open, and this is the only probe.
    Probe,
    /// It wanted to be left alone, and nobody else was ready.
    Forced,
}

/// What became of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened, for so long.
    Opened(Duration),
    /// It closed.
    Closed,
}

/// Takes in what an attempt says. `draw` is a number between 0 and 1.
pub(super) fn take(row: &mut HealthRow, sign: Sign, role: Role, now: i64, draw: f64) -> Option<Change> {
    if role == Role::Probe {
        row.probe_until = 0;
    }
    let (sick, throttled) = match sign {
        Sign::Success => (0.0, 0.0),
        Sign::Sick(weight) => (weight, 0.0),
        Sign::Throttled => (0.0, 1.0),
        Sign::None => return None,
    };
    let factor = decay(now - row.at, HALF_LIFE).min((MOST_EVENTS - 1.0) / row.events.max(1.0));
    if now - row.at > MEMORY {
        row.consecutive = 0.0;
    }
    row.sick = row.sick * factor + sick;
    row.throttled = row.throttled * factor + throttled;
    row.events = row.events * factor + 1.0;
    row.at = row.at.max(now);
    match sign {
        Sign::Success => row.consecutive = 0.0,
        _ => row.consecutive += sick,
    }
    let change =
        if row.open_until == 0 { closed(row, sign, now, draw) } else { opened(row, sign, role, now, draw) };
    row.demoted = is_demoted(row, now);
    change
}

fn closed(row: &mut HealthRow, sign: Sign, now: i64, draw: f64) -> Option<Change> {
    let sick = matches!(sign, Sign::Sick(_));
    let share = row.events >= LEAST_EVENTS && row.sick / row.events >= SICK_SHARE;
    if sick && (row.consecutive >= IN_A_ROW || share) {
        return Some(trip(row, now, draw));
    }
    if sign == Sign::Success && row.ramp > 0 {
        row.ramp = if row.ramp >= RAMP_END { 0 } else { row.ramp * 2 };
    }
    None
}

fn opened(row: &mut HealthRow, sign: Sign, role: Role, now: i64, draw: f64) -> Option<Change> {
    match (sign, role) {
        (Sign::Success, Role::Probe | Role::Forced) => {
            row.recovered = row.recovered.saturating_add(1);
            if row.recovered < RECOVERED {
                return None;
            }
            (row.sick, row.events, row.open_until, row.recovered, row.ramp) = (0.0, 0.0, 0, 0, 1);
            Some(Change::Closed)
        }
        (Sign::Sick(_), Role::Probe) => Some(trip(row, now, draw)),
        // What began before the breaker opened says nothing of the time after.
        _ => None,
    }
}

fn trip(row: &mut HealthRow, now: i64, draw: f64) -> Change {
    row.trips = trips(row, now).saturating_add(1);
    row.tripped = now;
    let length = (OPEN * 2_f64.powi(i32::try_from(row.trips - 1).unwrap_or(i32::MAX))).min(OPEN_CAP);
    let length = length * (0.8 + 0.4 * draw);
    row.open_until = row.open_until.max(now + length as i64);
    row.recovered = 0;
    row.ramp = 0;
    Change::Opened(Duration::from_millis((row.open_until - now) as u64))
}

/// The trips that still count: one less for each quiet ten minutes.
pub(super) fn trips(row: &HealthRow, now: i64) -> u32 {
    let quiet = u32::try_from((now - row.tripped).max(0) / QUIET).unwrap_or(u32::MAX);
    row.trips.saturating_sub(quiet)
}

/// Whether it stands behind the others now.
pub(super) fn is_demoted(row: &HealthRow, now: i64) -> bool {
    let bound = if row.demoted { PROMOTE } else { DEMOTE };
    trouble(row, now) > bound
}

/// The share of events that were troubled, with the prior ones.
pub(super) fn trouble(row: &HealthRow, now: i64) -> f64 {
    let (troubled, events) = recent(row, now);
    troubled / (events + PRIOR)
}

/// What is left of the troubled events, and of all events.
pub(super) fn recent(row: &HealthRow, now: i64) -> (f64, f64) {
    let factor = decay(now - row.at, HALF_LIFE);
    ((row.sick + row.throttled) * factor, row.events * factor)
}

/// Takes in a measured time: its logarithm, whose mean is the logarithm of a typical time.
pub(super) fn measure(trend: Trend, milliseconds: f64, since: i64) -> Trend {
    let weight = trend.weight * decay(since, HALF_LIFE_OF_TIMES) + 1.0;
    let mean = trend.mean + (milliseconds.max(0.01).ln() - trend.mean) / weight;
    Trend { mean, weight }
}

/// How much of a measurement is left.
pub(super) fn weight_left(trend: Trend, since: i64) -> f64 {
    trend.weight * decay(since, HALF_LIFE_OF_TIMES)
}

fn decay(milliseconds: i64, half_life: f64) -> f64 {
    // A clock that was set back does not bring anything back.
    let seconds = milliseconds.clamp(0, MEMORY) as f64 / 1000.0;
    2_f64.powf(-seconds / half_life)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000;

    fn sick(row: &mut HealthRow, now: i64) -> Option<Change> {
        take(row, Sign::Sick(1.0), Role::Ordinary, now, 0.5)
    }

    fn success(row: &mut HealthRow, role: Role, now: i64) -> Option<Change> {
        take(row, Sign::Success, role, now, 0.5)
    }

    #[test]
    fn three_in_a_row_open_it_and_two_successes_close_it() {
        let mut row = HealthRow::default();
        assert_eq!(sick(&mut row, START), None);
        assert_eq!(sick(&mut row, START), None);
        assert_eq!(sick(&mut row, START), Some(Change::Opened(Duration::from_secs(15))));
        assert_eq!(row.open_until, START + 15_000);
        // Late successes of calls from before close nothing.
        assert_eq!(success(&mut row, Role::Ordinary, START + 1), None);
        assert_eq!(success(&mut row, Role::Ordinary, START + 2), None);
        assert_eq!(success(&mut row, Role::Probe, START + 16_000), None);
        assert_eq!(success(&mut row, Role::Probe, START + 17_000), Some(Change::Closed));
        assert_eq!((row.open_until, row.ramp, row.sick, row.events), (0, 1, 0.0, 0.0));
        for expected in [2, 4, 8, 16, 32, 64, 0, 0] {
            success(&mut row, Role::Ordinary, START + 18_000);
            assert_eq!(row.ramp, expected);
        }
    }

    #[test]
    fn failed_probes_open_it_for_longer_and_quiet_times_forgive() {
        let mut row = HealthRow::default();
        for _ in 0..3 {
            sick(&mut row, START);
        }
        let mut now = START;
        for expected in [30, 60, 120, 120] {
            now = row.open_until;
            let change = take(&mut row, Sign::Sick(1.0), Role::Probe, now, 0.5);
            assert_eq!(change, Some(Change::Opened(Duration::from_secs(expected))));
        }
        assert_eq!((trips(&row, now), trips(&row, now + 1_200_000), trips(&row, now + 9_000_000)), (5, 3, 0));
        // An open time is never shortened.
        let until = row.open_until;
        take(&mut row, Sign::Sick(1.0), Role::Probe, until - 100_000, 0.0);
        assert!(row.open_until >= until);
    }

    #[test]
    fn half_of_at_least_five_open_it() {
        let mut row = HealthRow::default();
        for n in 0..3 {
            assert_eq!(sick(&mut row, START + n), None, "{n}");
            assert_eq!(success(&mut row, Role::Ordinary, START + n), None);
        }
        assert!(matches!(sick(&mut row, START + 9), Some(Change::Opened(_))));
    }

    #[test]
    fn back_pressure_demotes_and_opens_nothing() {
        let mut row = HealthRow::default();
        for n in 0..20 {
            assert_eq!(take(&mut row, Sign::Throttled, Role::Ordinary, START + n, 0.5), None);
        }
        assert!(row.demoted && is_demoted(&row, START + 300_000));
        // 20 of 28: silence heals it below 0.075 after a little more than four half-lives.
        assert!(!is_demoted(&row, START + 5 * 300_000));
        let mut row = HealthRow::default();
        sick(&mut row, START);
        assert!(!row.demoted, "one failure does not demote");
        sick(&mut row, START);
        assert!(row.demoted, "two of two do");
    }

    #[test]
    fn a_long_good_record_does_not_hide_trouble() {
        let mut row = HealthRow::default();
        for n in 0..10_000 {
            success(&mut row, Role::Ordinary, START + n);
        }
        assert!((row.events - MOST_EVENTS).abs() < 1e-6);
        let refusals = (0..).take_while(|n| {
            take(&mut row, Sign::Throttled, Role::Ordinary, START + 10_000 + n, 0.5);
            !row.demoted
        });
        assert_eq!(refusals.count(), 17, "about 15 of the last hundred, and the prior ones' share");
    }

    #[test]
    fn a_row_of_failures_is_forgotten_after_an_hour() {
        let mut row = HealthRow::default();
        sick(&mut row, START);
        sick(&mut row, START);
        assert_eq!(sick(&mut row, START + MEMORY + 1), None);
        assert_eq!(take(&mut row, Sign::None, Role::Ordinary, START + MEMORY + 2, 0.5), None);
    }

    #[test]
    fn times_are_learnt_as_typical_ones() {
        let mut trend = Trend::default();
        for milliseconds in [100.0, 10_000.0, 100.0, 10_000.0] {
            trend = measure(trend, milliseconds, 0);
        }
        assert!((trend.mean.exp() - 1000.0).abs() < 1e-6, "the logarithms' middle");
        assert!((weight_left(trend, 3_600_000) - 2.0).abs() < 1e-9);
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(steps in proptest::collection::vec((0..5_u8, 0..3_u8, -10_000..4_000_000_i64, 0.0..1.0_f64), 0..200)) {
            let (mut row, mut now) = (HealthRow::default(), START);
            for (sign, role, later, draw) in steps {
                now += later;
                let sign = [Sign::Success, Sign::Sick(1.0), Sign::Sick(0.5), Sign::Throttled, Sign::None][sign as usize];
                let role = [Role::Ordinary, Role::Probe, Role::Forced][role as usize];
                let until = row.open_until;
                let change = take(&mut row, sign, role, now, draw);
                proptest::prop_assert!(row.sick >= 0.0 && row.sick <= row.events + 1e-9 && row.events.is_finite());
                proptest::prop_assert!(row.open_until >= until || change == Some(Change::Closed));
                if let Some(Change::Opened(time)) = change {
                    proptest::prop_assert!(time >= Duration::from_secs(12) || until > now);
                }
                proptest::prop_assert!(trouble(&row, now) < 1.0);
            }
        }
    }
}
