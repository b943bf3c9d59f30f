//! What one run may cost, and the words for money that does not reach.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::catalog::{NanoDollars, nano_to_usd};

/// Why a call is not made: it would cost more than is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// What is spent.
    pub spent: NanoDollars,
    /// What may be.
    pub limit: NanoDollars,
    /// What the call may cost; `None` where nobody knows.
    pub cost: Option<NanoDollars>,
    /// Whether all this is the simulator's money.
    pub simulated: bool,
    /// Whether it is the day's budget, and not the run's.
    pub daily: bool,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spent, limit) = (nano_to_usd(self.spent), nano_to_usd(self.limit));
        if self.daily {
            write!(f, "today's budget: ${spent} of ${limit} is spent, and ")?;
        } else {
            write!(f, "this run has spent ${spent} of ${limit}, and ")?;
        }
        match self.cost {
            Some(cost) => write!(f, "the call may cost ${}", nano_to_usd(cost))?,
            None => f.write_str("nobody knows what the call would cost")?,
        }
        f.write_str(if self.simulated { " (simulated)" } else { "" })
    }
}

/// What one run may cost. Real money and the simulator's are counted apart, each up to the limit.
#[derive(Clone, Debug)]
pub struct Purse {
    limit: NanoDollars,
    counts: Arc<Mutex<[Count; 2]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    spent: NanoDollars,
    /// What calls in flight may cost.
    aside: NanoDollars,
}

/// Money set aside for one call. Dropped, it goes back.
pub(super) struct Kept {
    purse: Purse,
    nano_dollars: NanoDollars,
    simulated: bool,
}

impl Purse {
    /// A purse for one run.
    pub fn new(limit: NanoDollars) -> Self {
        Self { limit, counts: Arc::default() }
    }

    /// Sets the cost of a call aside. `Err(None)` where it may reach once calls in flight are paid.
    pub(super) fn keep(&self, cost: NanoDollars, simulated: bool) -> Result<Kept, Option<Over>> {
        let mut counts = lock(&self.counts);
        let count = &mut counts[usize::from(simulated)];
        let over = |sum: NanoDollars| cost > 0 && sum.saturating_add(cost) > self.limit;
        if over(count.spent) {
            let (spent, limit) = (count.spent, self.limit);
            return Err(Some(Over { spent, limit, cost: Some(cost), simulated, daily: false }));
        }
        if over(count.spent.saturating_add(count.aside)) {
            return Err(None);
        }
        count.aside = count.aside.saturating_add(cost);
        Ok(Kept { purse: self.clone(), nano_dollars: cost, simulated })
    }
}

impl Kept {
    /// The call is paid.
    pub(super) fn pay(&self, nano_dollars: NanoDollars) {
        let mut counts = lock(&self.purse.counts);
        let count = &mut counts[usize::from(self.simulated)];
        count.spent = count.spent.saturating_add(nano_dollars);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut counts = lock(&self.purse.counts);
        let count = &mut counts[usize::from(self.simulated)];
        count.aside = count.aside.saturating_sub(self.nano_dollars);
    }
}
