//! What an interval means.

use super::ConfidenceInterval;

/// A verdict on scores takes so many pairs: with fewer, a bootstrap sees too little of their distribution.
pub const MIN_PAIRS: usize = 20;

/// A verdict over clusters takes so many: with fewer, the cluster-robust interval is too narrow.
pub const MIN_CLUSTERS: usize = 10;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonVerdict {
    /// The whole interval lies within the margin.
    Equivalent,
    /// The whole interval lies above 0.
    Better,
    /// The whole interval lies below 0.
    Worse,
    /// None of these: no difference was shown, and none ruled out but what lies outside the interval.
    Unclear,
}

/// Why a comparison is unclear whatever its interval says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnclearReason {
    /// Fewer than [`MIN_PAIRS`] pairs of scores.
    FewPairs,
    /// Fewer than [`MIN_CLUSTERS`] clusters.
    FewClusters,
    /// Clusters so unequal in size that the interval's verdict cannot be relied on.
    UnevenClusters,
}

/// Judges an interval, in this order: equivalent (within ± `margin`, where one is given), better, worse, unclear.
/// Equivalence comes first: a difference that is certain and too small to matter is no reason to fail anybody.
pub fn classify_interval((low, high): ConfidenceInterval, margin: Option<f64>) -> ComparisonVerdict {
    if margin.is_some_and(|margin| low >= -margin && high <= margin) {
        ComparisonVerdict::Equivalent
    } else if low > 0.0 {
        ComparisonVerdict::Better
    } else if high < 0.0 {
        ComparisonVerdict::Worse
    } else {
        ComparisonVerdict::Unclear
    }
}

/// The largest drop that an interval does not rule out; 0 where it rules out any.
pub fn largest_drop((low, _): ConfidenceInterval) -> f64 {
    (-low).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classify_interval_cases() {
        assert_eq!(classify_interval((-0.02, 0.03), None), ComparisonVerdict::Unclear);
        assert_eq!(classify_interval((-0.02, 0.03), Some(0.05)), ComparisonVerdict::Equivalent);
        assert_eq!(
            classify_interval((-0.04, -0.01), Some(0.05)),
            ComparisonVerdict::Equivalent,
            "before worse"
        );
        assert_eq!(classify_interval((-0.06, -0.01), Some(0.05)), ComparisonVerdict::Worse);
        assert_eq!(classify_interval((0.01, 0.2), Some(0.05)), ComparisonVerdict::Better);
        assert_eq!(classify_interval((0.0, 0.2), None), ComparisonVerdict::Unclear);
        assert_eq!(classify_interval((-0.2, 0.0), Some(f64::NAN)), ComparisonVerdict::Unclear);
        assert_eq!((largest_drop((-0.2, 0.1)), largest_drop((0.1, 0.2))), (0.2, 0.0));
    }
}
