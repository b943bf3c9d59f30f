//! Classifies intervals.

use super::ConfidenceInterval;

/// Pairs needed for a verdict on scores: with fewer, a bootstrap sees too little of the distribution.
pub(crate) const MIN_PAIRS: usize = 20;

/// Clusters needed for a verdict: with fewer, the cluster-robust interval is too narrow.
pub(crate) const MIN_CLUSTERS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ComparisonVerdict {
    /// The whole interval lies within the margin.
    Equivalent,
    /// The whole interval lies above 0.
    Better,
    /// The whole interval lies below 0.
    Worse,
    /// Neither a difference nor equivalence was shown.
    Unclear,
}

/// Why a comparison is unclear regardless of its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnclearReason {
    /// Fewer than [`MIN_PAIRS`] pairs of scores.
    FewPairs,
    /// Fewer than [`MIN_CLUSTERS`] clusters.
    FewClusters,
    /// Clusters so unequal in size that the verdict is unreliable.
    UnevenClusters,
}

/// Classifies an interval as equivalent (within ±`margin`, if given), better, worse, or unclear, in this
/// order. Equivalence comes first: a certain difference that is too small to matter must not fail a run.
pub(crate) fn classify_interval((low, high): ConfidenceInterval, margin: Option<f64>) -> ComparisonVerdict {
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

/// The largest drop that the interval does not rule out; 0 if it rules out every drop.
pub(crate) fn largest_drop((low, _): ConfidenceInterval) -> f64 {
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
