//! Full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

use super::policy::RetryPolicy;

/// A random delay between zero and `base · 2ⁿ`, at most `cap`; `n` is 0 for the first retry.
pub(super) fn full_jitter_delay(retry: &RetryPolicy, n: u32, rng: &mut fastrand::Rng) -> Duration {
    let factor = 2_u32.checked_pow(n).unwrap_or(u32::MAX);
    retry.base.saturating_mul(factor).min(retry.cap).mul_f64(rng.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_jitter_stays_within_bound() {
        let (retry, mut rng) = (RetryPolicy::default(), fastrand::Rng::with_seed(1));
        for n in [0, 1, 5, 40] {
            let bound = Duration::from_millis(250).saturating_mul(2_u32.saturating_pow(n)).min(retry.cap);
            assert!((0..200).all(|_| full_jitter_delay(&retry, n, &mut rng) <= bound));
        }
    }
}
