//! What of the ledger is believed. Its times are those of the clock that wrote them: one that was set back finds times
//! that nobody can have meant, and would leave a candidate alone for as long as it had been ahead. Such a time is as if
//! it had not been written, and every row is read through here.

use std::ops::Range;

use super::breaker::OPEN_LONGEST;
use super::limits::LEASE;
use crate::ledger::HealthRow;

/// Clocks of several machines over one file differ by so much.
const MARGIN: i64 = 2_000;

/// A probe is leased for so long, and no longer.
pub(super) const PROBE: i64 = 15_000;

/// Nothing is left alone for longer: neither by a block nor because its provider asked for it.
pub(super) const LONGEST: i64 = 24 * 3_600_000;

/// A time that is no longer away than that, else never.
fn soon(time: i64, now: i64, longest: i64) -> i64 {
    if time > now + longest + MARGIN { 0 } else { time }
}

/// A time that has passed.
fn past(time: i64, now: i64) -> i64 {
    if time > now + MARGIN { now } else { time }
}

/// What is known of a model, as far as it is believed at this time.
pub(super) fn health(mut row: HealthRow, now: i64) -> HealthRow {
    if soon(row.open_until, now, OPEN_LONGEST) != row.open_until {
        // It did open: one call may find out whether it is back.
        row.open_until = now;
    }
    row.probe_until = soon(row.probe_until, now, PROBE);
    row.not_before = soon(row.not_before, now, LONGEST);
    for time in [&mut row.at, &mut row.tripped, &mut row.measured, &mut row.failed] {
        *time = past(*time, now);
    }
    row
}

/// The latest end of a block.
pub(super) fn latest_block(now: i64) -> i64 {
    now + LONGEST + MARGIN
}

/// The latest time at which something can have happened.
pub(super) fn latest(now: i64) -> i64 {
    now + MARGIN
}

/// When leases end that hold something now.
pub(super) fn alive(now: i64) -> Range<i64> {
    now + 1..now + LEASE + MARGIN
}

/// The seconds of which something was begun since that one.
pub(super) fn begun_since(second: i64, now: i64) -> Range<i64> {
    second..(now + MARGIN) / 1000 + 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::breaker::{Role, Sign, is_demoted, take, trips};
    use super::*;

    const START: i64 = 1_700_000_000_000;

    proptest::proptest! {
        #[test]
        fn a_clock_that_jumps_leaves_nobody_alone_for_longer(
            jumps in proptest::collection::vec((-5 * LONGEST..5 * LONGEST, 0..4_u8, 0.0..1.0_f64), 1..40)
        ) {
            let (mut row, mut now) = (HealthRow::default(), START);
            for (jump, sign, draw) in jumps {
                now += jump;
                row = health(row, now);
                proptest::prop_assert!(row.open_until <= now + OPEN_LONGEST + MARGIN);
                proptest::prop_assert!(row.probe_until <= now + PROBE + MARGIN);
                proptest::prop_assert!(row.not_before <= now + LONGEST + MARGIN);
                let role = if row.open_until == 0 { Role::Ordinary } else { Role::Probe };
                match sign {
                    0 => row.not_before = now + LONGEST,
                    1 => row.probe_until = now + PROBE,
                    2 => drop(take(&mut row, Sign::Success, role, now, draw)),
                    _ => drop(take(&mut row, Sign::Sick(1.0), role, now, draw)),
                }
                // An hour later nothing of it is left but what the provider itself asked for.
                let later = now + Duration::from_secs(6 * 3600).as_millis() as i64;
                let row = health(row.clone(), later);
                proptest::prop_assert!(row.open_until <= later && row.probe_until <= later);
                proptest::prop_assert!(!is_demoted(&row, later), "{row:?}");
                proptest::prop_assert_eq!(trips(&row, later), row.trips.saturating_sub(36));
            }
        }
    }

    #[test]
    fn what_can_have_been_meant_is_believed() {
        let row = HealthRow {
            open_until: START + 144_000,
            probe_until: START + PROBE,
            not_before: START + LONGEST,
            at: START,
            tripped: START - 1,
            measured: START,
            failed: START,
            trips: 2,
            ..HealthRow::default()
        };
        assert_eq!(health(row.clone(), START), row);
        let back = health(row, START - 2 * LONGEST);
        let now = START - 2 * LONGEST;
        assert_eq!((back.open_until, back.probe_until, back.not_before), (now, 0, 0));
        assert_eq!((back.at, back.tripped, back.measured, back.failed), (now, now, now, now));
    }
}
