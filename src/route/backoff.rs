//! Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

use super::Retry;

/// A sleep drawn evenly from zero to `base · 2ⁿ`, at most `cap`; `n` starts at 0 for the first retry.
pub(super) fn full_jitter(retry: &Retry, n: u32, draw: &mut fastrand::Rng) -> Duration {
    let factor = 2_u32.checked_pow(n).unwrap_or(u32::MAX);
    retry.base.saturating_mul(factor).min(retry.cap).mul_f64(draw.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_under_its_bounds() {
        let (retry, mut draw) = (Retry::default(), fastrand::Rng::with_seed(1));
        for n in [0, 1, 5, 40] {
            let bound = Duration::from_millis(250).saturating_mul(2_u32.saturating_pow(n)).min(retry.cap);
            assert!((0..200).all(|_| full_jitter(&retry, n, &mut draw) <= bound));
        }
    }
}
