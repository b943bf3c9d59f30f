//! Compares two subjects that pass or fail the same cases; only discordant pairs matter.
//!
//! The interval and the p-value agree. At a difference of 0, Tango's statistic is (|b − c| − 1/8) / √(b + c)
//! for any number of cases, so the agreement can be checked for every table. Over all b + c ≤ 500 at the
//! levels for 1, 2, 3, 5, and 10 challengers, the interval never excludes 0 unless mid-p is below α. The
//! reverse fails in 17 of 63,001 tables for one challenger, starting at 66 discordant pairs, with mid-p above
//! 0.0494 (25 against 41: 0.0498), and in at most 33 tables for more challengers, with mid-p above 0.78·α (0
//! against 8 for ten challengers: 0.0039 against α = 0.005). The verdict follows the interval, which is the
//! more conservative one in these tables.
//!
//! Its false-alarm rate, better and worse together, is at most 0.0495 if up to half of the pairs are
//! discordant, for any number of cases from 5 to 1,000. It exceeds 0.05 only if 79% are, for 20 or more
//! cases.

use super::distribution::{binomial_pmf, fair_coin_cdf, normal_cdf};
use super::{
    ConfidenceInterval, ConfidenceLevel, DiscordantPairs, IntervalMethod, PairedEstimate, PowerAnalysis,
};

/// The small-sample correction c of Chang et al.
const TANGO_CORRECTION: f64 = 0.125;

/// Compares verdicts: `improved` pairs where only the challenger passes, `regressed` pairs where only the
/// baseline does. `None` for no pairs, or if there are more discordant pairs than pairs.
pub(crate) fn compare_verdicts(
    improved: u64,
    regressed: u64,
    pairs: u64,
    level: ConfidenceLevel,
) -> Option<PairedEstimate> {
    let interval = tango_interval(improved, regressed, pairs, level)?;
    let (b, c, n) = (improved as f64, regressed as f64, pairs as f64);
    Some(PairedEstimate {
        difference: (b - c) / n,
        interval,
        conservative_interval: interval,
        p_value: mcnemar_mid_p(improved, regressed),
        method: IntervalMethod::Tango,
        power: PowerAnalysis::Verdicts(DiscordantPairs::of(b + c, n, level)),
    })
}

/// The score interval of a difference of paired proportions with the small-sample correction c = 1/8: all δ
/// with |b − c − nδ| − 1/8 ≤ z·√(n(2q + δ(1 − δ))), where q is the maximum-likelihood share of regressed
/// pairs for δ, (√(B² + 8ncδ(1 − δ)) − B) / 4n with B = (2n − b + c)δ − b − c.
///
/// Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
/// design", Statistics in Medicine 17 (1998); Chang, Liu, Hou, Yan, and Shan, "Continuity corrected score
/// confidence interval for the difference in proportions in paired data", Journal of Applied Statistics 51
/// (2024). They solve a quartic; here its root is found by bisection, which agrees to 1e-11. `None` for no
/// pairs, or if there are more discordant pairs than pairs.
pub(crate) fn tango_interval(
    improved: u64,
    regressed: u64,
    pairs: u64,
    level: ConfidenceLevel,
) -> Option<ConfidenceInterval> {
    let is_valid = pairs > 0 && improved.checked_add(regressed).is_some_and(|discordant| discordant <= pairs);
    is_valid.then(|| tango_bounds(improved as f64, regressed as f64, pairs as f64, level))
}

/// [`tango_interval`] of counts that need not be whole numbers.
pub(super) fn tango_bounds(b: f64, c: f64, n: f64, level: ConfidenceLevel) -> ConfidenceInterval {
    let z = level.z();
    // Swapping the sides mirrors the interval.
    (-tango_upper_bound(c, b, n, z), tango_upper_bound(b, c, n, z))
}

fn tango_upper_bound(b: f64, c: f64, n: f64, z: f64) -> f64 {
    let inside = |delta: f64| {
        let spread = delta * (1.0 - delta);
        let linear = (2.0 * n - b + c) * delta - b - c;
        let q = ((linear * linear + 8.0 * n * c * spread).max(0.0).sqrt() - linear) / (4.0 * n);
        n * delta - (b - c) - TANGO_CORRECTION <= z * (n * (2.0 * q + spread)).max(0.0).sqrt()
    };
    // If all pairs improved, the statistic is 0/0 at the end, and the interval includes it (Yang, Sun, and
    // Hardin, 2012).
    if inside(1.0) {
        return 1.0;
    }
    let (mut low, mut high) = ((b - c) / n, 1.0);
    while high - low > 1e-13 {
        let middle = (low + high) / 2.0;
        if inside(middle) { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The two-sided p-value of the score test at a difference of 0, consistent with [`tango_interval`].
pub(super) fn tango_p_value(b: f64, c: f64) -> f64 {
    let distance = (b - c).abs() - TANGO_CORRECTION;
    if distance <= 0.0 { 1.0 } else { (2.0 * normal_cdf(-distance / (b + c).sqrt())).min(1.0) }
}

/// McNemar's mid-p: 2·P(X < m) + P(X = m) for X binomial with b + c trials of probability ½ and m the smaller
/// count. It is 1 for b = c, also without discordant pairs.
///
/// Fagerland, Lydersen, and Laake, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are
/// better than exact conditional", BMC Medical Research Methodology 13 (2013).
pub(crate) fn mcnemar_mid_p(improved: u64, regressed: u64) -> f64 {
    let (less, all) = (improved.min(regressed), improved.saturating_add(regressed));
    if improved == regressed {
        return 1.0;
    }
    (2.0 * fair_coin_cdf(less, all) - binomial_pmf(less, all, 0.5)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the interval excludes 0, by the statistic itself: fast enough for every table.
    fn is_significant(b: u64, c: u64, level: ConfidenceLevel) -> bool {
        tango_p_value(b as f64, c as f64) < level.alpha()
    }

    #[test]
    fn tango_interval_agrees_with_tango_p_value() {
        for n in [1, 5, 12, 40] {
            for (b, c) in (0..=n).flat_map(|b| (0..=n - b).map(move |c| (b, c))) {
                let (low, high) = tango_interval(b, c, n, ConfidenceLevel::NOMINAL).unwrap();
                assert_eq!(
                    low > 0.0 || high < 0.0,
                    is_significant(b, c, ConfidenceLevel::NOMINAL),
                    "{b} {c} {n}"
                );
                let difference = (b as f64 - c as f64) / n as f64;
                assert!((-1.0..=difference).contains(&low) && (difference..=1.0).contains(&high));
            }
        }
    }

    #[test]
    fn tango_interval_agrees_with_mid_p() {
        for challengers in [1, 2, 3, 5, 10] {
            let level = ConfidenceLevel::for_challengers(challengers);
            let (z2, alpha) = (level.z().powi(2), level.alpha());
            let mut only_p = Vec::new();
            for all in 1..=500u64 {
                for less in 0..=all / 2 {
                    let distance = (all - 2 * less) as f64 - TANGO_CORRECTION;
                    let by_interval = distance > 0.0 && distance * distance > z2 * all as f64;
                    // Far from the threshold, both are clear; the slow tail sum is needed only near it.
                    if !by_interval && (distance + 2.0).powi(2) < z2 * all as f64 {
                        continue;
                    }
                    let p = mcnemar_mid_p(less, all - less);
                    assert!(!by_interval || p < alpha, "{less} {all}: only the interval excludes 0, p {p}");
                    if !by_interval && p < alpha {
                        only_p.push((less, all - less, p));
                    }
                }
            }
            if challengers == 1 {
                assert_eq!(only_p.len(), 17);
                assert!(only_p.iter().all(|(b, c, p)| b + c >= 66 && *p > 0.0494), "{only_p:?}");
            }
            assert!(only_p.len() <= 33 && only_p.iter().all(|(.., p)| *p > alpha * 0.78), "{only_p:?}");
        }
    }

    #[test]
    fn invalid_pair_counts_have_undefined_interval() {
        assert_eq!(tango_interval(0, 0, 0, ConfidenceLevel::NOMINAL), None);
        assert_eq!(tango_interval(2, 2, 3, ConfidenceLevel::NOMINAL), None);
        assert_eq!(tango_interval(u64::MAX, 1, 3, ConfidenceLevel::NOMINAL), None);
        assert_eq!((mcnemar_mid_p(0, 0), mcnemar_mid_p(7, 7)), (1.0, 1.0));
    }
}
