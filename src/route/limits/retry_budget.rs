//! A budget of second tries for all calls of a process, so that a fan-out over something dead does not become a storm.

use std::sync::Mutex;

use super::lock;

/// So many to begin with, and at most.
const MAX_BALANCE: f64 = 10.0;

/// What a success adds.
const RETRIES_PER_SUCCESS: f64 = 0.1;

/// The second tries that are left.
pub(in crate::route) struct RetryBudget(Mutex<f64>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(MAX_BALANCE))
    }
}

impl RetryBudget {
    /// Takes one; false when none is left.
    pub(in crate::route) fn try_spend(&self) -> bool {
        let mut left = lock(&self.0);
        // Ten tenths are one, whatever floats say.
        let some = *left >= 1.0 - 1e-9;
        if some {
            *left -= 1.0;
        }
        some
    }

    /// Whether none is left.
    #[cfg(test)]
    pub(in crate::route) fn is_exhausted(&self) -> bool {
        *lock(&self.0) < 1.0 - 1e-9
    }

    /// Something succeeded.
    pub(in crate::route) fn credit_success(&self) {
        let mut left = lock(&self.0);
        *left = (*left + RETRIES_PER_SUCCESS).min(MAX_BALANCE);
    }
}
