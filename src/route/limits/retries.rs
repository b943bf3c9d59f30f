//! A budget of second tries for all calls of a process, so that a fan-out over something dead does not become a storm.

use std::sync::Mutex;

use super::lock;

/// So many to begin with, and at most.
const MOST: f64 = 10.0;

/// What a success adds.
const SUCCESS: f64 = 0.1;

/// The second tries that are left.
pub(in crate::route) struct RetryBudget(Mutex<f64>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(MOST))
    }
}

impl RetryBudget {
    /// Takes one; false when none is left.
    pub(in crate::route) fn take(&self) -> bool {
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
    pub(in crate::route) fn is_used_up(&self) -> bool {
        *lock(&self.0) < 1.0 - 1e-9
    }

    /// Something succeeded.
    pub(in crate::route) fn add(&self) {
        let mut left = lock(&self.0);
        *left = (*left + SUCCESS).min(MOST);
    }
}
