//! No number without its uncertainty: intervals, paired comparisons, and what a set of this size can tell at all.
//!
//! Everything here is pure: no clock, no file, and chance only by the seed that the caller hands in. Each function names
//! its formula and where it comes from; `oracle/` holds the figures of SciPy, statsmodels and evalstats that they are
//! held to, and `calibration` counts false alarms. Start with [`compare`].

mod cluster;
mod compare;
mod distribution;
mod estimate;
mod level;
mod pair;
mod power;
mod rate;
mod sample;
mod score;
mod verdict;

#[cfg(test)]
mod calibration;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use cluster::{ClusteredMean, clustered_difference, clustered_mean};
pub use compare::{
    CompareError, Metric, Outcome, Pair, PairedComparison, Quorum, Terms, compare, verdict_of_repeats,
};
pub use distribution::{normal_cdf, normal_quantile, t_cdf, t_quantile};
pub use estimate::{Estimate, Method};
pub use level::Level;
pub use pair::{mcnemar_mid_p, paired_verdicts, tango_interval};
pub use power::{Discordance, Power, Spread};
pub use rate::{wilson_interval, wilson_interval_at};
pub use sample::percentile;
pub use score::{Resampling, mean_interval, paired_scores};
pub use verdict::{Doubt, Finding, MIN_CLUSTERS, MIN_PAIRS, finding, largest_drop};

/// The lower and the upper end of an interval.
pub type Interval = (f64, f64);
