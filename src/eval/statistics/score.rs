//! Mean scores, and paired differences of scores.

use super::distribution::t_cdf;
use super::estimate::{Scale, equal_differences};
use super::sample::{all_equal, deviation, mean, percentile};
use super::{Estimate, Interval, Level, Method, Power, Spread};

/// Above so many values the mean is normal for all that matters, and a t interval is the bootstrap's for a fraction of
/// its work.
const MANY: usize = 2_000;

/// How a bootstrap draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// Where its chance begins: the same seed and values give the same interval.
    pub seed: u64,
    /// How many samples are drawn; none counts as one.
    pub resamples: usize,
}

impl Resampling {
    /// 10,000 samples: the ends of a 95 % interval are then within some 2 % of its width of where more would put them.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, resamples: 10_000 }
    }
}

/// The interval of a mean score: a smoothed bootstrap, above 2,000 values Student's t interval
/// mean ± t(n − 1)·s/√n, and where all values are equal the pass-rate interval of that many cases with that mean.
///
/// Scores are 0 to 1, and so is the interval. `None` for no values, or one that is no number.
pub fn mean_interval(scores: &[f64], level: Level, resampling: Resampling) -> Option<Interval> {
    let mean = mean(scores)?;
    let interval = if all_equal(scores) {
        Scale::Score.of_equal(mean, scores.len() as f64, level)
    } else if scores.len() > MANY {
        t_interval(scores, mean, level)
    } else {
        between(&replicates(scores, mean, resampling), level)?
    };
    Some(Scale::Score.clamp(interval))
}

/// Compares scores by their paired differences, challenger less baseline, with the methods of [`mean_interval`]. The
/// p-value is twice the share of resampled means on the far side of 0, so that it agrees with the interval.
///
/// False alarms are nominal where either model may as well have had the other's score, which is what equally good
/// models do. Differences that are lopsided and yet 0 in the mean, such as +0.1 nine times and −0.9 once, raise one
/// in 5 % of samples of 100 on the side of the many, and in 1 % on the other; every interval by percentiles or t does.
///
/// `None` for no differences, or one that is no number.
pub fn paired_scores(differences: &[f64], level: Level, resampling: Resampling) -> Option<Estimate> {
    let (difference, n) = (mean(differences)?, differences.len() as f64);
    if all_equal(differences) {
        return Some(equal_differences(difference, n, level));
    }
    let standard_error = deviation(differences, difference) / n.sqrt();
    let spread = |degrees, widening| Power::Spread(Spread { standard_error, degrees, widening, n, level });
    let many = differences.len() > MANY;
    let (interval, p_value, method, power) = if many {
        let p = 2.0 * t_cdf(-(difference / standard_error).abs(), n - 1.0);
        (t_interval(differences, difference, level), p, Method::T, spread(Some(n - 1.0), 1.0))
    } else {
        let means = replicates(differences, difference, resampling);
        (between(&means, level)?, far_side(&means), Method::Bootstrap, spread(None, widening(n)))
    };
    let interval = Scale::Difference.clamp(interval);
    Some(Estimate { difference, interval, careful: interval, p_value, method, power })
}

fn t_interval(values: &[f64], mean: f64, level: Level) -> Interval {
    let n = values.len() as f64;
    let reach = level.t(n - 1.0) * deviation(values, mean) / n.sqrt();
    (mean - reach, mean + reach)
}

/// Scott's factor in one dimension: the kernel's width in standard deviations, n^(−1/5).
/// Scott, "Multivariate Density Estimation" (1992).
fn scott(n: f64) -> f64 {
    n.powf(-0.2)
}

/// How much wider the smoothed bootstrap of `n` values is than their standard error: √((n − 1)/n + h²/s²).
pub(super) fn widening(n: f64) -> f64 {
    (1.0 - 1.0 / n + scott(n).powi(2)).sqrt()
}

/// The sorted means of samples drawn from a Gaussian kernel density estimate of the values, with bandwidth
/// h = s·n^(−1/5). Silverman and Young, "The bootstrap: to smooth or not to smooth?", Biometrika 74 (1987).
///
/// A draw is a value plus Gaussian noise of width h; the mean of n such noises is one Gaussian of width h/√n, so one is
/// drawn in place of n.
fn replicates(values: &[f64], mean: f64, resampling: Resampling) -> Vec<f64> {
    let n = values.len() as f64;
    let noise = deviation(values, mean) * scott(n) / n.sqrt();
    let mut chance = fastrand::Rng::with_seed(resampling.seed);
    let mut means: Vec<f64> = (0..resampling.resamples.max(1))
        .map(|_| {
            let mut sum = 0.0;
            for _ in values {
                sum += values[chance.usize(..values.len())];
            }
            sum / n + noise * gaussian(&mut chance)
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    means
}

/// A standard normal number, after Box and Muller (1958).
pub(super) fn gaussian(chance: &mut fastrand::Rng) -> f64 {
    // 1 − u is never 0, whose logarithm would be infinite.
    let radius = (-2.0 * (1.0 - chance.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.f64()).cos()
}

/// The percentile interval.
fn between(means: &[f64], level: Level) -> Option<Interval> {
    let tail = 50.0 * level.alpha();
    percentile(means, tail).zip(percentile(means, 100.0 - tail))
}

/// Twice the smaller share of means at or beyond 0, the observed sample counted among the resampled (Davison and
/// Hinkley, "Bootstrap Methods and their Application", 1997).
fn far_side(means: &[f64]) -> f64 {
    let below = means.iter().filter(|mean| **mean <= 0.0).count();
    let above = means.iter().filter(|mean| **mean >= 0.0).count();
    (2.0 * (below.min(above) + 1) as f64 / (means.len() + 1) as f64).min(1.0)
}
