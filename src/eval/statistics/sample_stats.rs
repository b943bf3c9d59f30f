//! Sample statistics.

/// Percentile of sorted values by linear interpolation between closest ranks (type 7 of Hyndman and Fan,
/// 1996). `None` for no values.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let (below, above) = (rank.floor() as usize, rank.ceil() as usize);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (rank - rank.floor()))
}

/// Smaller differences are rounding: 0.8 − 0.7 and 0.9 − 0.8 must count as equal.
pub(super) const ROUNDING_TOLERANCE: f64 = 1e-9;

/// `None` for an empty sample or a mean that is not finite.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (!values.is_empty() && mean.is_finite()).then_some(mean)
}

/// The sample standard deviation, with n − 1 in the denominator; 0 for fewer than two values.
pub(super) fn standard_deviation(values: &[f64], mean: f64) -> f64 {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

/// Ignores rounding.
pub(super) fn has_equal_values(values: &[f64]) -> bool {
    values.first().is_none_or(|first| values.iter().all(|value| (value - first).abs() <= ROUNDING_TOLERANCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_cases() {
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
        assert_eq!(percentile(&[1.0, 2.0], 100.0), Some(2.0));
    }

    #[test]
    fn mean_and_deviation_cases() {
        assert_eq!((mean(&[]), mean(&[1.0, f64::NAN]), mean(&[1.0, 2.0])), (None, None, Some(1.5)));
        assert_eq!((standard_deviation(&[], 0.0), standard_deviation(&[3.0], 3.0)), (0.0, 0.0));
        assert!((standard_deviation(&[1.0, 2.0, 3.0, 4.0], 2.5) - (5.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!(has_equal_values(&[0.8 - 0.7, 0.9 - 0.8]) && !has_equal_values(&[0.1, 0.2]));
    }
}
