//! Mean scores and paired differences of scores.

use super::distribution::t_cdf;
use super::paired_estimate::{ValueRange, estimate_equal_differences};
use super::sample_stats::{has_equal_values, mean, percentile, standard_deviation};
use super::{ConfidenceInterval, ConfidenceLevel, IntervalMethod, MeanSpread, PairedEstimate, PowerAnalysis};

/// Above this size the mean is close to normal, and a t interval matches the bootstrap interval at a fraction
/// of the cost.
const MAX_BOOTSTRAP_VALUES: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BootstrapOptions {
    /// The same seed and values give the same interval.
    pub seed: u64,
    /// 0 counts as 1.
    pub resamples: usize,
}

impl BootstrapOptions {
    /// 10,000 resamples: more would move the ends of a 95% interval by about 2% of its width at most.
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self { seed, resamples: 10_000 }
    }
}

/// The interval of a mean score: a smoothed bootstrap; above 2,000 values, Student's t interval mean ± t(n −
/// 1)·s/√n; and for equal values, the pass-rate interval of that many cases with that mean.
///
/// Scores are 0 to 1, and so is the interval. `None` for no values or a mean that is not finite.
pub(crate) fn mean_interval(
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

/// Compares scores by their paired differences, challenger minus baseline, with the methods of
/// [`mean_interval`]. The p-value is twice the share of resampled means on the far side of 0, so it agrees
/// with the interval.
///
/// False alarms are nominal if the two scores of a case are exchangeable, as for equally good models. Skewed
/// differences with mean 0, such as +0.1 nine times and −0.9 once, raise one in 5% of samples of 100 on the
/// side of the frequent value, and in 1% on the other side; so does every percentile or t interval.
///
/// `None` for no differences or a mean that is not finite.
pub(crate) fn compare_scores(
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
    let is_large = differences.len() > MAX_BOOTSTRAP_VALUES;
    let (interval, p_value, method, power) = if is_large {
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
    let half_width = level.t(n - 1.0) * standard_deviation(values, mean) / n.sqrt();
    (mean - half_width, mean + half_width)
}

/// Scott's factor in one dimension: the kernel width in standard deviations, n^(−1/5). Scott, "Multivariate
/// Density Estimation" (1992).
fn scott_factor(n: f64) -> f64 {
    n.powf(-0.2)
}

/// Ratio of the smoothed bootstrap's spread for `n` values to their standard error: √((n − 1)/n + h²/s²).
pub(super) fn bootstrap_widening(n: f64) -> f64 {
    (1.0 - 1.0 / n + scott_factor(n).powi(2)).sqrt()
}

/// The sorted means of samples from a Gaussian kernel density estimate of the values, with bandwidth h =
/// s·n^(−1/5). Silverman and Young, "The bootstrap: to smooth or not to smooth?", Biometrika 74 (1987).
///
/// Each sampled value is an observed value plus Gaussian noise of width h. The mean of n such noise terms is
/// Gaussian with width h/√n, so one random number replaces n.
fn resample_means(values: &[f64], mean: f64, resampling: BootstrapOptions) -> Vec<f64> {
    let n = values.len() as f64;
    let noise = standard_deviation(values, mean) * scott_factor(n) / n.sqrt();
    let mut rng = fastrand::Rng::with_seed(resampling.seed);
    let mut means: Vec<f64> = (0..resampling.resamples.max(1))
        .map(|_| {
            let mut sum = 0.0;
            for _ in values {
                sum += values[rng.usize(..values.len())];
            }
            sum / n + noise * sample_gaussian(&mut rng)
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    means
}

/// A standard normal random number (Box and Muller, 1958).
pub(super) fn sample_gaussian(rng: &mut fastrand::Rng) -> f64 {
    // 1 − u is never 0, whose logarithm is infinite.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

fn percentile_interval(means: &[f64], level: ConfidenceLevel) -> Option<ConfidenceInterval> {
    let tail = 50.0 * level.alpha();
    percentile(means, tail).zip(percentile(means, 100.0 - tail))
}

/// Twice the smaller share of means at or beyond 0, with the observed sample counted among the resamples
/// (Davison and Hinkley, "Bootstrap Methods and their Application", 1997).
fn bootstrap_p_value(means: &[f64]) -> f64 {
    let below = means.iter().filter(|mean| **mean <= 0.0).count();
    let above = means.iter().filter(|mean| **mean >= 0.0).count();
    (2.0 * (below.min(above) + 1) as f64 / (means.len() + 1) as f64).min(1.0)
}
