//! How often a judgement may be wrong.

use super::distribution::{normal_quantile, t_quantile};

/// The share α of intervals that may miss the truth; an interval at this level covers it with probability 1 − α.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceLevel {
    alpha: f64,
}

impl ConfidenceLevel {
    /// α = 0.05: intervals of 95 %.
    pub const NOMINAL: Self = Self { alpha: 0.05 };

    /// α = 0.05 / k, so that all comparisons of k challengers together raise a false alarm in at most 5 % of runs
    /// (Bonferroni). None counts as one.
    pub fn for_challengers(challengers: usize) -> Self {
        Self { alpha: Self::NOMINAL.alpha / challengers.max(1) as f64 }
    }

    /// Any α between 0 and 1, both excluded; `None` for what is no such number.
    pub fn with_alpha(alpha: f64) -> Option<Self> {
        (alpha > 0.0 && alpha < 1.0).then_some(Self { alpha })
    }

    /// α.
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    /// The normal quantile at 1 − α/2: 1.96 for 95 %.
    pub fn z(self) -> f64 {
        // From the lower tail: α/2 keeps its digits where 1 − α/2 would round them away.
        -normal_quantile(self.alpha / 2.0)
    }

    /// The quantile of Student's t at 1 − α/2.
    pub fn t(self, degrees: f64) -> f64 {
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
