//! The budget of one run.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::chat::NanoDollars;
use crate::route::reasons::BudgetExceeded;

/// The budget of one run. Real and simulated money are counted separately, each up to the limit.
#[derive(Clone, Debug)]
pub struct RunBudget {
    limit: NanoDollars,
    tallies: Arc<Mutex<[BudgetTally; 2]>>,
}

#[derive(Clone, Copy, Debug)]
struct BudgetTally {
    spent: NanoDollars,
    /// Estimated cost of calls in flight.
    reserved: NanoDollars,
}

impl BudgetTally {
    const EMPTY: Self = Self { spent: NanoDollars::ZERO, reserved: NanoDollars::ZERO };
}

/// Money reserved for one call; dropping it releases the reservation.
pub(super) struct Reservation {
    budget: RunBudget,
    nano_dollars: NanoDollars,
    simulated: bool,
}

impl RunBudget {
    pub fn new(limit: NanoDollars) -> Self {
        Self { limit, tallies: Arc::new(Mutex::new([BudgetTally::EMPTY; 2])) }
    }

    /// Reserves the cost of a call. `Err(None)` means that it may fit once calls in flight are settled.
    pub(super) fn reserve(
        &self,
        cost: NanoDollars,
        simulated: bool,
    ) -> Result<Reservation, Option<BudgetExceeded>> {
        let mut tallies = lock(&self.tallies);
        let tally = &mut tallies[usize::from(simulated)];
        let exceeds_limit =
            |sum: NanoDollars| cost > NanoDollars::ZERO && sum.saturating_add(cost) > self.limit;
        if exceeds_limit(tally.spent) {
            let (spent, limit) = (tally.spent, self.limit);
            return Err(Some(BudgetExceeded {
                spent,
                limit,
                cost: Some(cost),
                is_simulated: simulated,
                is_daily: false,
            }));
        }
        if exceeds_limit(tally.spent.saturating_add(tally.reserved)) {
            return Err(None);
        }
        tally.reserved = tally.reserved.saturating_add(cost);
        Ok(Reservation { budget: self.clone(), nano_dollars: cost, simulated })
    }
}

impl Reservation {
    pub(super) fn charge(&self, nano_dollars: NanoDollars) {
        let mut tallies = lock(&self.budget.tallies);
        let tally = &mut tallies[usize::from(self.simulated)];
        tally.spent = tally.spent.saturating_add(nano_dollars);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut tallies = lock(&self.budget.tallies);
        let tally = &mut tallies[usize::from(self.simulated)];
        tally.reserved = tally.reserved.saturating_sub(self.nano_dollars);
    }
}
