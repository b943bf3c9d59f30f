//! Distribution functions and their inverses, accurate to 1e-10. `statrs` computes them; here its panics on
//! invalid arguments become NaN. Its quantile of Student's t is inaccurate at 10,000 degrees of freedom
//! or more and never returns at 1e8, and its binomial tail does not converge for many trials, so these two
//! are computed here.

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};
use statrs::function::factorial::ln_binomial;

/// Φ(x), the standard normal CDF.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// Φ⁻¹(p). Infinite at 0 and 1; NaN unless 0 ≤ p ≤ 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    guarded_quantile(p, |p| Normal::standard().inverse_cdf(p))
}

/// The CDF of Student's t distribution. NaN unless `degrees` is positive.
pub(crate) fn t_cdf(x: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) if !x.is_nan() => student.cdf(x),
        _ => f64::NAN,
    }
}

/// The inverse of [`t_cdf`]. Infinite at 0 and 1; NaN unless 0 ≤ p ≤ 1 and `degrees` is positive.
pub(crate) fn t_quantile(p: f64, degrees: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) => guarded_quantile(p, |p| {
            if p > 0.5 { -lower_t_quantile(1.0 - p, &student) } else { lower_t_quantile(p, &student) }
        }),
        Err(_) => f64::NAN,
    }
}

/// For p ≤ ½: the expansion of Cornish and Fisher (1937), which is accurate enough for many degrees of
/// freedom. For few, it is the starting point of Newton's method, bracketed by bisection.
fn lower_t_quantile(p: f64, student: &StudentsT) -> f64 {
    let (z, v) = (normal_quantile(p), student.freedom());
    let expanded = z
        + (z.powi(3) + z) / (4.0 * v)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v)
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * v.powi(3));
    if v >= 10_000.0 {
        return expanded;
    }
    let (mut low, mut high) = (-1.0, 0.0);
    while student.cdf(low) > p && low > f64::MIN / 2.0 {
        (low, high) = (low * 2.0, low);
    }
    let mut x = if expanded > low && expanded < high { expanded } else { (low + high) / 2.0 };
    for _ in 0..100 {
        let excess = student.cdf(x) - p;
        if excess > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let newton = x - excess / student.pdf(x);
        let next = if newton > low && newton < high { newton } else { (low + high) / 2.0 };
        let moved = (next - x).abs();
        x = next;
        if moved <= 1e-13 * x.abs() {
            break;
        }
    }
    x
}

fn guarded_quantile(p: f64, inside: impl Fn(f64) -> f64) -> f64 {
    match p {
        0.0 => f64::NEG_INFINITY,
        1.0 => f64::INFINITY,
        p if p > 0.0 && p < 1.0 => inside(p),
        _ => f64::NAN,
    }
}

/// P(X = k) for X binomial with `n` trials of probability `p`.
pub(super) fn binomial_pmf(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    // 0 · ln 0 counts as 0.
    let power = |count: u64, p: f64| if count == 0 { 0.0 } else { count as f64 * p.ln() };
    (ln_binomial(n, k) + power(k, p) + power(n - k, 1.0 - p)).exp()
}

/// P(X ≤ k) for X binomial with `n` trials of probability ½, summed from the largest term down.
pub(super) fn fair_coin_cdf(k: u64, n: u64) -> f64 {
    if k >= n {
        return 1.0;
    }
    if k > n / 2 {
        return 1.0 - fair_coin_cdf(n - k - 1, n);
    }
    let (mut term, mut sum, mut at) = (binomial_pmf(k, n, 0.5), 0.0, k);
    loop {
        sum += term;
        if at == 0 || term < sum * 1e-17 {
            return sum.min(1.0);
        }
        term *= at as f64 / (n - at + 1) as f64;
        at -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_range_arguments_return_nan() {
        for p in [-0.1, 1.1, f64::NAN] {
            assert!(normal_quantile(p).is_nan() && t_quantile(p, 3.0).is_nan(), "{p}");
        }
        for degrees in [0.0, -1.0, f64::NAN] {
            assert!(t_quantile(0.9, degrees).is_nan() && t_cdf(0.5, degrees).is_nan(), "{degrees}");
        }
        assert!(t_cdf(f64::NAN, 3.0).is_nan() && normal_cdf(f64::NAN).is_nan());
        assert_eq!((normal_quantile(0.0), t_quantile(1.0, 3.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(t_quantile(0.3, f64::INFINITY), normal_quantile(0.3));
    }

    #[test]
    fn quantiles_round_trip_through_cdf() {
        for p in [1e-6, 0.0025, 0.025, 0.2, 0.5, 0.8, 0.975, 0.9999] {
            assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-10, "{p}");
            for degrees in [0.5, 1.0, 2.0, 9.0, 30.0, 63.0, 1999.0, 9999.0, 1e4, 1e5] {
                assert!((t_cdf(t_quantile(p, degrees), degrees) - p).abs() < 1e-10, "{p} {degrees}");
            }
            // Close to normal for many degrees, and fast.
            assert!(
                (t_quantile(p, 1e12) - normal_quantile(p)).abs() < 1e-9 && t_quantile(p, 1e8).is_finite()
            );
        }
    }

    #[test]
    fn binomial_cases() {
        assert_eq!(fair_coin_cdf(0, 0), 1.0);
        assert!((fair_coin_cdf(0, 5) - 1.0 / 32.0).abs() < 1e-15);
        assert!((fair_coin_cdf(3, 5) - 26.0 / 32.0).abs() < 1e-15);
        // The median of an odd number of trials, where a continued fraction would converge too slowly.
        assert!((fair_coin_cdf(500_000, 1_000_001) - 0.5).abs() < 1e-8);
        assert_eq!(
            (binomial_pmf(0, 4, 0.0), binomial_pmf(4, 4, 1.0), binomial_pmf(5, 4, 0.5)),
            (1.0, 1.0, 0.0)
        );
        let sum: f64 = (0..=40).map(|k| binomial_pmf(k, 40, 0.3)).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
