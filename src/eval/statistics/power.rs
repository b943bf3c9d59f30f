//! Statistical power: how large a difference a set detects, how many cases a smaller one needs, and how often
//! chance looks like a drop.

use super::ConfidenceLevel;
use super::distribution::{binomial_pmf, fair_coin_cdf, normal_cdf, normal_quantile, t_cdf, t_quantile};
use super::paired_verdicts::tango_bounds;

/// Probability of detecting a difference of the detectable size.
const TARGET_POWER: f64 = 0.8;

/// The power of pairs like those observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PowerAnalysis {
    /// Depends on the number of discordant pairs.
    Verdicts(DiscordantPairs),
    /// Depends on the standard error.
    Means(MeanSpread),
}

impl PowerAnalysis {
    /// The true difference, in either direction, that a set like this detects with 80% power. `None` if no
    /// difference is large enough.
    pub(crate) fn detectable(&self) -> Option<f64> {
        match self {
            Self::Verdicts(pairs) => pairs.detectable(),
            Self::Means(spread) => spread.detectable(),
        }
    }

    /// Cases needed to detect a drop of this size with 80% power. `None` unless the drop is above 0 and at
    /// most 1.
    pub(crate) fn cases_needed(&self, drop: f64) -> Option<u64> {
        let cases = (drop > 0.0 && drop <= 1.0).then(|| match self {
            Self::Verdicts(pairs) => pairs.pairs_needed(drop),
            Self::Means(spread) => spread.cases_needed(drop),
        })?;
        // Ignores rounding just above a whole number.
        Some((cases - 1e-9).ceil() as u64)
    }

    /// Probability that an equally good model drops by more than `max_drop` on a set like this.
    pub(crate) fn false_trip_rate(&self, max_drop: f64) -> f64 {
        match self {
            Self::Verdicts(pairs) => pairs.false_trip_rate(max_drop),
            Self::Means(spread) => spread.probability_below(-max_drop),
        }
    }

    /// The smallest `max_drop` that an observed difference of 0 rules out on a set like this. Stricter limits
    /// fail equally good models at least half the time.
    pub(crate) fn clearable_margin(&self) -> f64 {
        match self {
            Self::Verdicts(pairs) => pairs.clearable_margin(),
            Self::Means(spread) => (spread.critical_value() * spread.standard_error).min(1.0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DiscordantPairs {
    /// b + c.
    disagree: f64,
    /// n.
    pairs: f64,
    level: ConfidenceLevel,
}

impl DiscordantPairs {
    pub(super) fn of(disagree: f64, pairs: f64, level: ConfidenceLevel) -> Self {
        Self { disagree, pairs, level }
    }

    /// ψ = (b + c + 1) / (n + 2), the expected share of discordant pairs; never 0 or 1.
    pub(crate) fn expected_share(&self) -> f64 {
        (self.disagree + 1.0) / (self.pairs + 2.0)
    }

    /// The pairs needed to detect a difference δ with 80% power: n = (z·√ψ + 0.84·√(ψ − δ²))² / δ², with z =
    /// 1.96 at 95%. Miettinen, "The matched pairs design in the case of all-or-none responses", Biometrics 24
    /// (1968); Connor, "Sample size for testing differences in proportions for the paired-sample design",
    /// Biometrics 43 (1987).
    ///
    /// A drop of δ makes at least the share δ of pairs discordant. A smaller ψ would promise two models that
    /// rarely disagree a power that no true drop of that size can have, so ψ is at least δ.
    fn pairs_needed(&self, delta: f64) -> f64 {
        let share = self.expected_share().max(delta);
        let root = self.level.z() * share.sqrt()
            + normal_quantile(TARGET_POWER) * (share - delta * delta).max(0.0).sqrt();
        root * root / (delta * delta)
    }

    fn detectable(&self) -> Option<f64> {
        if self.pairs_needed(1.0) > self.pairs {
            return None;
        }
        let (mut low, mut high) = (0.0, 1.0);
        while high - low > 1e-12 {
            let middle = (low + high) / 2.0;
            if self.pairs_needed(middle) > self.pairs { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// Exact: the discordant pairs of equally good models are binomial with n trials of probability ψ, and
    /// each is a loss with probability ½.
    fn false_trip_rate(&self, max_drop: f64) -> f64 {
        let (pairs, share) = (self.pairs.round() as u64, self.expected_share());
        // Terms beyond nine standard deviations are smaller than any printed digit.
        let (mean, half_range) =
            (self.pairs * share, 9.0 * (self.pairs * share * (1.0 - share)).sqrt() + 9.0);
        let lowest = (mean - half_range).max(0.0) as u64;
        let highest = ((mean + half_range) as u64).min(pairs);
        // The drop is net losses over n and must exceed the limit: one that equals it as a fraction does not.
        let limit = (self.pairs * max_drop + 1e-9).floor();
        let rate: f64 = (lowest..=highest)
            .map(|disagree| binomial_pmf(disagree, pairs, share) * probability_of_net_losses(limit, disagree))
            .sum();
        rate.clamp(0.0, 1.0)
    }

    fn clearable_margin(&self) -> f64 {
        let half = self.disagree / 2.0;
        -tango_bounds(half, half, self.pairs, self.level).0
    }
}

/// Probability of more than `limit` net losses in `disagree` fair coin tosses: 2X − disagree > limit.
fn probability_of_net_losses(limit: f64, disagree: u64) -> f64 {
    let min_losses = ((disagree as f64 + limit) / 2.0).floor() + 1.0;
    if min_losses <= 0.0 {
        1.0
    } else if min_losses > disagree as f64 {
        0.0
    } else {
        fair_coin_cdf(disagree - min_losses as u64, disagree)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MeanSpread {
    pub(super) standard_error: f64,
    /// `None` means a normal distribution.
    pub(super) degrees: Option<f64>,
    /// Ratio of the method's interval to its standard error, from the smoothing of the bootstrap.
    pub(super) widening: f64,
    pub(super) n: f64,
    pub(super) level: ConfidenceLevel,
}

impl MeanSpread {
    /// Half width of the interval, in standard errors.
    fn critical_value(&self) -> f64 {
        self.widening * self.degrees.map_or_else(|| self.level.z(), |degrees| self.level.t(degrees))
    }

    fn detectable_difference(&self) -> f64 {
        let quantile =
            self.degrees.map_or_else(|| normal_quantile(TARGET_POWER), |d| t_quantile(TARGET_POWER, d));
        (self.critical_value() + quantile) * self.standard_error
    }

    /// δ = (t(1 − α/2) + t(0.8))·SE.
    fn detectable(&self) -> Option<f64> {
        Some(self.detectable_difference()).filter(|delta| *delta <= 1.0)
    }

    /// The standard error shrinks with the square root of the number of cases, if clusters keep their size.
    fn cases_needed(&self, delta: f64) -> f64 {
        (self.n * (self.detectable_difference() / delta).powi(2)).max(1.0)
    }

    /// Probability that a mean with a true difference of 0 is observed below `difference`.
    fn probability_below(&self, difference: f64) -> f64 {
        let distance = difference / self.standard_error;
        self.degrees.map_or_else(|| normal_cdf(distance), |degrees| t_cdf(distance, degrees))
    }
}
