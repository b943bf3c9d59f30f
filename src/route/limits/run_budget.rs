//! What one run may cost, and the words for money that does not reach.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::catalog::{NanoDollars, format_usd_exact};

/// Why a call is not made: it would cost more than is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExceeded {
    /// What is spent.
    pub spent: NanoDollars,
    /// What may be.
    pub limit: NanoDollars,
    /// What the call may cost; `None` where nobody knows.
    pub cost: Option<NanoDollars>,
    /// Whether all this is the simulator's money.
    pub is_simulated: bool,
    /// Whether it is the day's budget, and not the run's.
    pub is_daily: bool,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spent, limit) = (format_usd_exact(self.spent), format_usd_exact(self.limit));
        if self.is_daily {
            write!(f, "today's budget: ${spent} of ${limit} is spent, and ")?;
        } else {
            write!(f, "this run has spent ${spent} of ${limit}, and ")?;
        }
        match self.cost {
            Some(cost) => write!(f, "the call may cost ${}", format_usd_exact(cost))?,
            None => f.write_str("nobody knows what the call would cost")?,
        }
        f.write_str(if self.is_simulated { " (simulated)" } else { "" })
    }
}

/// What one run may cost. Real money and the simulator's are counted apart, each up to the limit.
#[derive(Clone, Debug)]
pub struct RunBudget {
    limit: NanoDollars,
    tallies: Arc<Mutex<[BudgetTally; 2]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct BudgetTally {
    spent: NanoDollars,
    /// What calls in flight may cost.
    reserved: NanoDollars,
}

/// Money set aside for one call. Dropped, it goes back.
pub(super) struct Reservation {
    budget: RunBudget,
    nano_dollars: NanoDollars,
    simulated: bool,
}

impl RunBudget {
    /// A purse for one run.
    pub fn new(limit: NanoDollars) -> Self {
        Self { limit, tallies: Arc::default() }
    }

    /// Sets the cost of a call aside. `Err(None)` where it may reach once calls in flight are paid.
    pub(super) fn reserve(
        &self,
        cost: NanoDollars,
        simulated: bool,
    ) -> Result<Reservation, Option<BudgetExceeded>> {
        let mut counts = lock(&self.tallies);
        let count = &mut counts[usize::from(simulated)];
        let over = |sum: NanoDollars| cost > 0 && sum.saturating_add(cost) > self.limit;
        if over(count.spent) {
            let (spent, limit) = (count.spent, self.limit);
            return Err(Some(BudgetExceeded {
                spent,
                limit,
                cost: Some(cost),
                is_simulated: simulated,
                is_daily: false,
            }));
        }
        if over(count.spent.saturating_add(count.reserved)) {
            return Err(None);
        }
        count.reserved = count.reserved.saturating_add(cost);
        Ok(Reservation { budget: self.clone(), nano_dollars: cost, simulated })
    }
}

impl Reservation {
    /// The call is paid.
    pub(super) fn charge(&self, nano_dollars: NanoDollars) {
        let mut counts = lock(&self.budget.tallies);
        let count = &mut counts[usize::from(self.simulated)];
        count.spent = count.spent.saturating_add(nano_dollars);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut counts = lock(&self.budget.tallies);
        let count = &mut counts[usize::from(self.simulated)];
        count.reserved = count.reserved.saturating_sub(self.nano_dollars);
    }
}
