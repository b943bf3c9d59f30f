use crate::chat::NanoDollars;

/// Spending limit per UTC day, shared by all processes that use the same ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyBudget {
    pub limit: NanoDollars,
    pub on_exceeded: OnExceeded,
}

/// What happens to a call that would exceed the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceeded {
    Stop,
    /// Make the call, with a warning.
    Warn,
}
