//! A retry budget for all calls of a process, so that retries do not multiply the load on a failing provider.

use std::sync::Mutex;

use super::lock;

/// Initial and maximum number of retries.
const MAX_BALANCE: f64 = 10.0;

const RETRIES_PER_SUCCESS: f64 = 0.1;

/// The number of retries left.
pub(in crate::route) struct RetryBudget(Mutex<f64>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(MAX_BALANCE))
    }
}

impl RetryBudget {
    /// Spends one retry; false if none is left.
    pub(in crate::route) fn try_spend(&self) -> bool {
        let mut balance = lock(&self.0);
        // Ten additions of 0.1 can sum to slightly less than 1.
        let is_available = *balance >= 1.0 - 1e-9;
        if is_available {
            *balance -= 1.0;
        }
        is_available
    }

    #[cfg(test)]
    pub(in crate::route) fn is_exhausted(&self) -> bool {
        *lock(&self.0) < 1.0 - 1e-9
    }

    pub(in crate::route) fn credit_success(&self) {
        let mut balance = lock(&self.0);
        *balance = (*balance + RETRIES_PER_SUCCESS).min(MAX_BALANCE);
    }
}
