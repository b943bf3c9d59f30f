//! Intervals of pass rates.

use super::{ConfidenceInterval, ConfidenceLevel};

/// The 95% interval of a pass rate (Wilson, 1927), without continuity correction. `None` for no cases.
pub(crate) fn wilson_interval(passed: u64, scored: u64) -> Option<ConfidenceInterval> {
    wilson_interval_at(passed, scored, ConfidenceLevel::NOMINAL)
}

/// Wilson's interval at any level, with p = passed / scored and n = scored: (p + z²/2n ± z·√(p(1 − p)/n +
/// z²/4n²)) / (1 + z²/n).
///
/// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). `None` for
/// no cases, or if more passed than were scored.
pub(crate) fn wilson_interval_at(
    passed: u64,
    scored: u64,
    level: ConfidenceLevel,
) -> Option<ConfidenceInterval> {
    (scored > 0 && passed <= scored)
        .then(|| wilson_bounds(passed as f64 / scored as f64, scored as f64, level))
}

/// Wilson's interval around a share `p` of `n`, neither of which needs to be a whole number of cases.
pub(super) fn wilson_bounds(p: f64, n: f64, level: ConfidenceLevel) -> ConfidenceInterval {
    let z = level.z();
    let (z2, middle) = (z * z, p + z * z / (2.0 * n));
    let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    let scale = 1.0 + z2 / n;
    // At the ends, the formula is exactly 0 or 1, without rounding errors.
    let low = if p <= 0.0 { 0.0 } else { ((middle - spread) / scale).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { ((middle + spread) / scale).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_interval_edge_cases() {
        assert_eq!(wilson_interval(0, 0), None);
        assert_eq!(wilson_interval(2, 1), None);
        assert_eq!(wilson_interval(0, 10).map(|i| i.0), Some(0.0));
        assert_eq!(wilson_interval(10, 10).map(|i| i.1), Some(1.0));
    }
}
