//! How much may be spent.

use crate::catalog::NanoDollars;

/// How much may be spent in a day, by all processes that share a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyBudget {
    /// For the calls of one UTC day.
    pub limit: NanoDollars,
    /// What happens to a call beyond it.
    pub on_exceeded: OnExceeded,
}

/// What happens to a call beyond the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceeded {
    /// It is not made.
    Stop,
    /// It is made, with a warning.
    Warn,
}
