//! The result of every paired method, and the fallback for a sample without spread.

use super::paired_verdicts::{tango_bounds, tango_p_value};
use super::wilson_interval::wilson_bounds;
use super::{ConfidenceInterval, ConfidenceLevel, DiscordantPairs, PowerAnalysis};

/// The difference between two subjects on the same cases, challenger minus baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PairedEstimate {
    /// −1 to 1.
    pub difference: f64,
    /// At the requested level.
    pub interval: ConfidenceInterval,
    /// The interval that verdicts use: the same as `interval`, except for clusters of unequal sizes, where it
    /// is the wider `ClusteredMean::conservative_interval`.
    pub conservative_interval: ConfidenceInterval,
    /// Probability that two equally good subjects differ at least this much, in either direction. It is not
    /// adjusted for several challengers: compare it with [`ConfidenceLevel::alpha`].
    pub p_value: f64,
    pub method: IntervalMethod,
    pub power: PowerAnalysis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntervalMethod {
    /// Tango's score interval of paired verdicts; the p-value is McNemar's mid-p.
    Tango,
    /// The smoothed bootstrap of paired scores.
    Bootstrap,
    /// Student's t interval of many paired scores.
    T,
    /// The cluster-robust t interval.
    ClusterT,
    /// Tango's interval for that many verdicts, used for equal differences, which show no spread of their
    /// own.
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueRange {
    /// Scores and passes, 0 to 1.
    Score,
    /// Differences of those, −1 to 1.
    Difference,
}

impl ValueRange {
    /// The possible range of a mean.
    pub(super) fn bounds(self) -> ConfidenceInterval {
        match self {
            Self::Score => (0.0, 1.0),
            Self::Difference => (-1.0, 1.0),
        }
    }

    pub(super) fn clamp(self, (low, high): ConfidenceInterval) -> ConfidenceInterval {
        let (min, max) = self.bounds();
        (low.clamp(min, max), high.clamp(min, max))
    }

    /// The interval of `n` independent, equal values. Their spread is 0, which would claim certainty from
    /// three cases that all scored 1, so the pass-rate interval of the same mean is used. For 1.0 or 0.0 it
    /// is exactly that of all passed or all failed; in between it assumes p(1 − p), the largest variance that
    /// values of this mean can have (Bhatia and Davis, 2000), so it is never too narrow. For differences it
    /// is Tango's interval of n·d pairs that all moved the same way.
    pub(super) fn interval_of_equal_values(
        self,
        value: f64,
        n: f64,
        level: ConfidenceLevel,
    ) -> ConfidenceInterval {
        let (min, max) = self.bounds();
        let value = value.clamp(min, max);
        match self {
            Self::Score => wilson_bounds(value, n, level),
            Self::Difference => tango_bounds(moved_pairs(value, n), moved_pairs(-value, n), n, level),
        }
    }
}

/// How many of `n` pairs, all moved the same way, make this difference.
fn moved_pairs(difference: f64, n: f64) -> f64 {
    n * difference.max(0.0)
}

/// The estimate of `n` independent, equal differences ([`IntervalMethod::Equal`]).
pub(super) fn estimate_equal_differences(difference: f64, n: f64, level: ConfidenceLevel) -> PairedEstimate {
    let (improved, regressed) = (moved_pairs(difference, n), moved_pairs(-difference, n));
    let interval = ValueRange::Difference.interval_of_equal_values(difference, n, level);
    PairedEstimate {
        difference,
        interval,
        conservative_interval: interval,
        p_value: tango_p_value(improved, regressed),
        method: IntervalMethod::Equal,
        power: PowerAnalysis::Verdicts(DiscordantPairs::of(improved + regressed, n, level)),
    }
}
