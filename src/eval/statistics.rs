//! No number without its uncertainty.

/// The 97.5th percentile of the standard normal distribution, for intervals of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a pass rate, after Wilson (1927), without continuity correction. `None` for no cases.
pub fn wilson_interval(passed: u64, scored: u64) -> Option<(f64, f64)> {
    if scored == 0 {
        return None;
    }
    let (n, p) = (scored as f64, passed as f64 / scored as f64);
    let (z2, middle) = (Z * Z, p + Z * Z / (2.0 * n));
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends the formula is exactly 0 or 1; rounding must not leave it a hair off.
    let low = if passed == 0 { 0.0 } else { ((middle - spread) / scale).max(0.0) };
    let high = if passed == scored { 1.0 } else { ((middle + spread) / scale).min(1.0) };
    Some((low, high))
}

/// The percentile of sorted values by linear interpolation between closest ranks (type 7 of Hyndman and Fan, 1996).
/// `None` for no values.
pub fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `statsmodels.stats.proportion.proportion_confint(count, nobs, method="wilson")`.
    #[test]
    fn wilson_agrees_with_statsmodels() {
        WILSON.iter().for_each(|(passed, scored, low, high)| {
            let (a, b) = wilson_interval(*passed, *scored).unwrap();
            assert!((a - low).abs() < 1e-9 && (b - high).abs() < 1e-9, "{passed}/{scored}: {a} {b}");
        });
        assert_eq!(wilson_interval(0, 0), None);
    }

    const WILSON: [(u64, u64, f64, f64); 9] = [
        (0, 1, 0.000000000000, 0.793450685623),
        (1, 1, 0.206549314377, 1.000000000000),
        (0, 10, 0.000000000000, 0.277532799863),
        (10, 10, 0.722467200137, 1.000000000000),
        (62, 64, 0.893027082290, 0.991387861654),
        (49, 64, 0.648667424174, 0.852501044061),
        (33, 64, 0.395816014786, 0.633664483346),
        (7, 200, 0.017055542009, 0.070470611522),
        (599, 600, 0.990620439524, 0.999705731799),
    ];

    #[test]
    fn percentiles() {
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
        assert_eq!(percentile(&[1.0, 2.0], 100.0), Some(2.0));
    }
}
