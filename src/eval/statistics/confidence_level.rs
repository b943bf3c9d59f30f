//! Confidence levels.

use super::distribution::{normal_quantile, t_quantile};

/// α is the share of intervals that may miss the true value: an interval covers it with probability 1 − α.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConfidenceLevel {
    alpha: f64,
}

impl ConfidenceLevel {
    /// α = 0.05: 95% intervals.
    pub(crate) const NOMINAL: Self = Self { alpha: 0.05 };

    /// α = 0.05 / k, so that the comparisons of k challengers together raise a false alarm in at most 5% of
    /// runs (Bonferroni). Zero challengers count as one.
    pub(crate) fn for_challengers(challengers: usize) -> Self {
        Self { alpha: Self::NOMINAL.alpha / challengers.max(1) as f64 }
    }

    #[cfg(test)]
    pub(crate) fn with_alpha(alpha: f64) -> Option<Self> {
        (alpha > 0.0 && alpha < 1.0).then_some(Self { alpha })
    }

    pub(crate) fn alpha(self) -> f64 {
        self.alpha
    }

    /// The normal quantile at 1 − α/2: 1.96 for 95%.
    pub(crate) fn z(self) -> f64 {
        // Uses the lower tail, because 1 − α/2 would round away digits of α/2.
        -normal_quantile(self.alpha / 2.0)
    }

    /// The quantile of Student's t at 1 − α/2.
    pub(crate) fn t(self, degrees: f64) -> f64 {
        -t_quantile(self.alpha / 2.0, degrees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_cases() {
        assert_eq!(ConfidenceLevel::for_challengers(0), ConfidenceLevel::NOMINAL);
        assert_eq!(ConfidenceLevel::for_challengers(5).alpha(), 0.01);
        assert!((ConfidenceLevel::NOMINAL.z() - 1.959_963_984_540_054).abs() < 1e-14);
        for wrong in [0.0, 1.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(ConfidenceLevel::with_alpha(wrong), None);
        }
    }
}
