//! Statistics: intervals, paired comparisons, and power. All functions are pure: no clock, no files, and
//! randomness only from the caller's seed. The module depends only on the verdicts of its parent.
//!
//! Each function names its formula and source. `oracle/` holds the values of SciPy, statsmodels, and
//! evalstats that tests compare with, and `false_alarm_tests` counts false alarms. The entry point is
//! [`compare_paired`].

mod cluster;
mod comparison_verdict;
mod confidence_level;
mod distribution;
mod mean_score;
mod paired_comparison;
mod paired_estimate;
mod paired_verdicts;
mod power;
mod sample_stats;
mod wilson_interval;

#[cfg(test)]
mod false_alarm_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub(crate) use cluster::{clustered_difference, clustered_mean};
pub(crate) use comparison_verdict::{
    ComparisonVerdict, MIN_CLUSTERS, MIN_PAIRS, UnclearReason, classify_interval, largest_drop,
};
pub(crate) use confidence_level::ConfidenceLevel;
pub(crate) use mean_score::{BootstrapOptions, compare_scores, mean_interval};
pub(crate) use paired_comparison::{
    CasePair, CompareError, CompareOptions, ComparisonMetric, MinPass, PairedComparison, RepeatOutcome,
    combine_repeat_verdicts, compare_paired,
};
pub(crate) use paired_estimate::{IntervalMethod, PairedEstimate};
pub(crate) use paired_verdicts::compare_verdicts;
pub(crate) use power::{DiscordantPairs, MeanSpread, PowerAnalysis};
pub(crate) use sample_stats::percentile;
pub(crate) use wilson_interval::wilson_interval;

/// Lower and upper bound.
pub(crate) type ConfidenceInterval = (f64, f64);
