//! What every paired method comes to, and what holds where a sample says nothing about its own spread.

use super::pair::{tango, tango_p};
use super::rate::wilson;
use super::{Discordance, Interval, Level, Power};

/// The difference of two subjects on the same cases, challenger less baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The observed difference, −1 to 1.
    pub difference: f64,
    /// Its interval at the level asked for.
    pub interval: Interval,
    /// The interval that a verdict may rest on: the same but for clusters of unequal sizes, where it is the wider one
    /// of [`ClusteredMean::careful`](super::ClusteredMean::careful).
    pub careful: Interval,
    /// How often two equally good subjects would differ at least as much, in either direction. It is not adjusted for
    /// several challengers: compare it with [`Level::alpha`].
    pub p_value: f64,
    /// How the interval was found.
    pub method: Method,
    /// What pairs like these can show.
    pub power: Power,
}

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Tango's score interval of paired verdicts; the p-value is McNemar's mid-p.
    Tango,
    /// The smoothed bootstrap of paired scores.
    Bootstrap,
    /// Student's t interval of many paired scores.
    T,
    /// The cluster-robust t interval.
    ClusterT,
    /// Tango's interval of as many verdicts as there are equal differences, which show no spread of their own.
    Equal,
}

/// What a mean is a mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Scores and passes, 0 to 1.
    Score,
    /// Their differences, −1 to 1.
    Difference,
}

impl Scale {
    /// The values that a mean can have at all.
    pub(super) fn bounds(self) -> Interval {
        match self {
            Self::Score => (0.0, 1.0),
            Self::Difference => (-1.0, 1.0),
        }
    }

    /// The part of an interval that is possible.
    pub(super) fn clamp(self, (low, high): Interval) -> Interval {
        let (least, most) = self.bounds();
        (low.clamp(least, most), high.clamp(least, most))
    }

    /// The interval of `n` independent values that are all equal. Their spread is 0, and taking that at its word would
    /// claim certainty from three cases that all scored 1. The pass-rate interval of the same mean stands in: with 1.0
    /// or 0.0 it is exactly that of all passed or all failed; in between it assumes p(1 − p), the largest variance
    /// that values of this mean can have (Bhatia and Davis, 2000), and so is never too narrow. For differences it is
    /// Tango's interval of n·d pairs that all moved the same way.
    pub(super) fn of_equal(self, value: f64, n: f64, level: Level) -> Interval {
        let (least, most) = self.bounds();
        let value = value.clamp(least, most);
        match self {
            Self::Score => wilson(value, n, level),
            Self::Difference => tango(moved(value, n), moved(-value, n), n, level),
        }
    }
}

/// So many of `n` pairs, all moved the same way, make this difference.
fn moved(difference: f64, n: f64) -> f64 {
    n * difference.max(0.0)
}

/// The estimate of `n` independent differences that are all equal ([`Method::Equal`]).
pub(super) fn equal_differences(difference: f64, n: f64, level: Level) -> Estimate {
    let (improved, regressed) = (moved(difference, n), moved(-difference, n));
    let interval = Scale::Difference.of_equal(difference, n, level);
    Estimate {
        difference,
        interval,
        careful: interval,
        p_value: tango_p(improved, regressed),
        method: Method::Equal,
        power: Power::Discordance(Discordance::of(improved + regressed, n, level)),
    }
}
