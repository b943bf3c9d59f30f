//! No number without its uncertainty: intervals, paired comparisons, and what a set of this size can tell at all.
//!
//! Everything here is pure: no clock, no file, and chance only by the seed that the caller hands in. Each function names
//! its formula and where it comes from; `oracle/` holds the figures of SciPy, statsmodels and evalstats that they are
//! held to, and `calibration` counts false alarms. Start with [`compare`].

mod cluster;
mod comparison_verdict;
mod confidence_level;
mod distribution;
mod mean_score;
mod paired_comparison;
mod paired_estimate;
mod paired_verdicts;
mod pass_rate;
mod power;
mod sample_stats;

#[cfg(test)]
mod false_alarm_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use cluster::{ClusteredMean, clustered_difference, clustered_mean};
pub use comparison_verdict::{
    ComparisonVerdict, MIN_CLUSTERS, MIN_PAIRS, UnclearReason, classify_interval, largest_drop,
};
pub use confidence_level::ConfidenceLevel;
pub use distribution::{normal_cdf, normal_quantile, t_cdf, t_quantile};
pub use mean_score::{BootstrapOptions, compare_scores, mean_interval};
pub use paired_comparison::{
    CasePair, CompareError, CompareOptions, ComparisonMetric, MinPass, PairedComparison, RepeatOutcome,
    combine_repeat_verdicts, compare_paired,
};
pub use paired_estimate::{IntervalMethod, PairedEstimate};
pub use paired_verdicts::{compare_verdicts, mcnemar_mid_p, tango_interval};
pub use pass_rate::{wilson_interval, wilson_interval_at};
pub use power::{DiscordantPairs, MeanSpread, PowerAnalysis};
pub use sample_stats::percentile;

/// The lower and the upper end of an interval.
pub type ConfidenceInterval = (f64, f64);
