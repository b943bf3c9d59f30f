//! Mean scores, and paired differences of scores.

use super::distribution::t_cdf;
use super::paired_estimate::{ValueRange, estimate_equal_differences};
use super::sample_stats::{has_equal_values, mean, percentile, standard_deviation};
use super::{ConfidenceInterval, ConfidenceLevel, IntervalMethod, MeanSpread, PairedEstimate, PowerAnalysis};

/// Above so many values the mean is normal for all that matters, and a t interval is the bootstrap's for a fraction of
/// its work.
const MAX_BOOTSTRAP_VALUES: usize = 2_000;

/// How a bootstrap draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Where its chance begins: the same seed and values give the same interval.
    pub seed: u64,
    /// How many samples are drawn; none counts as one.
    pub resamples: usize,
}

impl BootstrapOptions {
    /// 10,000 samples: the ends of a 95 % interval are then within some 2 % of its width of where more would put them.
    pub fn with_seed(seed: u64) -> Self {
        Self { seed, resamples: 10_000 }
    }
}

/// The interval of a mean score: a smoothed bootstrap, above 2,000 values Student's t interval
/// mean ± t(n − 1)·s/√n, and where all values are equal the pass-rate interval of that many cases with that mean.
///
/// Scores are 0 to 1, and so is the interval. `None` for no values, or one that is no number.
pub fn mean_interval(
    scores: &[f64],
    level: ConfidenceLevel,
    resampling: BootstrapOptions,
) -> Option<ConfidenceInterval> {
    let mean = mean(scores)?;
    let interval = if has_equal_values(scores) {
        ValueRange::Score.interval_of_equal_values(mean, scores.len() as f64, level)
    } else if scores.len() > MAX_BOOTSTRAP_VALUES {
        t_interval(scores, mean, level)
    } else {
        percentile_interval(&resample_means(scores, mean, resampling), level)?
    };
    Some(ValueRange::Score.clamp(interval))
}

/// Compares scores by their paired differences, challenger less baseline, with the methods of [`mean_interval`]. The
/// p-value is twice the share of resampled means on the far side of 0, so that it agrees with the interval.
///
/// False alarms are nominal where either model may as well have had the other's score, which is what equally good
/// models do. Differences that are lopsided and yet 0 in the mean, such as +0.1 nine times and −0.9 once, raise one
/// in 5 % of samples of 100 on the side of the many, and in 1 % on the other; every interval by percentiles or t does.
///
/// `None` for no differences, or one that is no number.
pub fn compare_scores(
    differences: &[f64],
    level: ConfidenceLevel,
    resampling: BootstrapOptions,
) -> Option<PairedEstimate> {
    let (difference, n) = (mean(differences)?, differences.len() as f64);
    if has_equal_values(differences) {
        return Some(estimate_equal_differences(difference, n, level));
    }
    let standard_error = standard_deviation(differences, difference) / n.sqrt();
    let spread =
        |degrees, widening| PowerAnalysis::Means(MeanSpread { standard_error, degrees, widening, n, level });
    let many = differences.len() > MAX_BOOTSTRAP_VALUES;
    let (interval, p_value, method, power) = if many {
        let p = 2.0 * t_cdf(-(difference / standard_error).abs(), n - 1.0);
        (t_interval(differences, difference, level), p, IntervalMethod::T, spread(Some(n - 1.0), 1.0))
    } else {
        let means = resample_means(differences, difference, resampling);
        (
            percentile_interval(&means, level)?,
            bootstrap_p_value(&means),
            IntervalMethod::Bootstrap,
            spread(None, bootstrap_widening(n)),
        )
    };
    let interval = ValueRange::Difference.clamp(interval);
    Some(PairedEstimate { difference, interval, conservative_interval: interval, p_value, method, power })
}

fn t_interval(values: &[f64], mean: f64, level: ConfidenceLevel) -> ConfidenceInterval {
    let n = values.len() as f64;
    let reach = level.t(n - 1.0) * standard_deviation(values, mean) / n.sqrt();
    (mean - reach, mean + reach)
}

/// Scott's factor in one dimension: the kernel's width in standard deviations, n^(−1/5).
/// Scott, "Multivariate Density Estimation" (1992).
fn scott_factor(n: f64) -> f64 {
    n.powf(-0.2)
}

/// How much wider the smoothed bootstrap of `n` values is than their standard error: √((n − 1)/n + h²/s²).
pub(super) fn bootstrap_widening(n: f64) -> f64 {
    (1.0 - 1.0 / n + scott_factor(n).powi(2)).sqrt()
}

/// The sorted means of samples drawn from a Gaussian kernel density estimate of the values, with bandwidth
/// h = s·n^(−1/5). Silverman and Young, "The bootstrap: to smooth or not to smooth?", Biometrika 74 (1987).
///
/// A draw is a value plus Gaussian noise of width h; the mean of n such noises is one Gaussian of width h/√n, so one is
/// drawn in place of n.
fn resample_means(values: &[f64], mean: f64, resampling: BootstrapOptions) -> Vec<f64> {
    let n = values.len() as f64;
    let noise = standard_deviation(values, mean) * scott_factor(n) / n.sqrt();
    let mut chance = fastrand::Rng::with_seed(resampling.seed);
    let mut means: Vec<f64> = (0..resampling.resamples.max(1))
        .map(|_| {
            let mut sum = 0.0;
            for _ in values {
                sum += values[chance.usize(..values.len())];
            }
            sum / n + noise * sample_gaussian(&mut chance)
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    means
}

/// A standard normal number, after Box and Muller (1958).
pub(super) fn sample_gaussian(chance: &mut fastrand::Rng) -> f64 {
    // 1 − u is never 0, whose logarithm would be infinite.
    let radius = (-2.0 * (1.0 - chance.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.f64()).cos()
}

/// The percentile interval.
fn percentile_interval(means: &[f64], level: ConfidenceLevel) -> Option<ConfidenceInterval> {
    let tail = 50.0 * level.alpha();
    percentile(means, tail).zip(percentile(means, 100.0 - tail))
}

/// Twice the smaller share of means at or beyond 0, the observed sample counted among the resampled (Davison and
/// Hinkley, "Bootstrap Methods and their Application", 1997).
fn bootstrap_p_value(means: &[f64]) -> f64 {
    let below = means.iter().filter(|mean| **mean <= 0.0).count();
    let above = means.iter().filter(|mean| **mean >= 0.0).count();
    (2.0 * (below.min(above) + 1) as f64 / (means.len() + 1) as f64).min(1.0)
}
