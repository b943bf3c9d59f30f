//! The right to make one attempt, given back when it is dropped.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::ask::Ask;
use super::purse::Kept;
use super::verdict::{Grant, scopes};
use super::{Common, aimd, day_of, lock};
use crate::catalog::Cost;
use crate::chat::Usage;
use crate::ledger::{Pace, Spend};

/// A lease lasts so many milliseconds: by then the calls of a process that died are forgotten.
pub(super) const LEASE: i64 = 30_000;

/// A call that runs for longer renews its leases this often.
const RENEWAL: Duration = Duration::from_secs(10);

/// The right to make one attempt.
pub(in crate::route) struct Permit {
    common: Arc<Common>,
    ask: Arc<Ask>,
    grant: Grant,
    kept: Option<Kept>,
    began: i64,
    /// Whether it is among this process's calls in flight.
    counted: bool,
    /// Whether something was sent whose cost is not known yet.
    owes: bool,
    /// Whether its work was begun.
    used: bool,
    /// Whether what it was given is known: while that is being written, nobody knows.
    given: bool,
}

/// How an attempt ended.
pub(in crate::route) struct Settled {
    /// Whether it answered.
    pub(in crate::route) answered: bool,
    /// Whether the provider refused it because there were too many.
    pub(in crate::route) refused: bool,
    pub(in crate::route) usage: Option<Usage>,
    pub(in crate::route) cost: Cost,
}

impl Permit {
    pub(super) fn new(common: Arc<Common>, ask: Arc<Ask>, kept: Option<Kept>) -> Self {
        let began = common.now();
        Self {
            common,
            ask,
            grant: Grant::default(),
            kept,
            began,
            counted: false,
            owes: false,
            used: false,
            given: false,
        }
    }

    /// Notes what it has to give back.
    pub(super) fn takes(&mut self, grant: Grant) {
        self.grant = grant;
    }

    /// Counts it among the calls in flight.
    pub(super) fn count(&mut self) {
        self.counted = true;
        self.given = true;
        let mut in_flight = lock(&self.common.in_flight);
        // The usual provider is there already, and costs no new name.
        match in_flight.get_mut(&self.ask.provider) {
            Some(count) => *count += 1,
            None => drop(in_flight.insert(self.ask.provider.clone(), 1)),
        }
    }

    /// Does the attempt's work, and keeps the leases for as long as it takes.
    pub(in crate::route) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.owes = true;
        self.used = true;
        self.began = self.common.now();
        if scopes(&self.ask, self.grant).next().is_none() {
            return work.await;
        }
        let mut work = pin!(work);
        loop {
            match tokio::time::timeout(RENEWAL, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.renew(),
            }
        }
    }

    fn renew(&self) {
        let (ask, grant, now) = (Arc::clone(&self.ask), self.grant, self.common.now());
        self.common.ledger.post(move |rows| {
            scopes(&ask, grant).try_for_each(|(scope, nano)| rows.put_lease(&ask.lease(scope, nano, now)))
        });
    }

    /// Says how the attempt ended, and what it used and cost.
    pub(in crate::route) fn settle(mut self, settled: &Settled) {
        self.owes = false;
        let in_flight = self.common.in_flight(&self.ask.provider);
        let (began, now, scope) = (self.began, self.common.now(), self.ask.provider.clone());
        if self.common.rehearsal {
            // What is played says nothing of how much the provider takes.
        } else if settled.refused {
            self.common.ledger.post(move |rows| aimd::refused(rows, &scope, began, in_flight, now));
        } else if settled.answered && self.grant.eased {
            self.common.ledger.post(move |rows| aimd::succeeded(rows, &scope, now));
        }
        if self.grant.pace {
            self.correct_pace(settled.usage.as_ref(), settled.answered);
        }
        match settled.cost.nano_dollars {
            Some(nano) => self.pay(nano),
            None => self.cannot_pay(),
        }
    }

    /// The minute has what was used, in place of what was thought.
    fn correct_pace(&self, usage: Option<&Usage>, answered: bool) {
        let used = match usage {
            Some(usage) => usage.input_tokens.zip(usage.output_tokens).map(|(input, output)| input + output),
            // A refusal uses no tokens.
            None => (!answered).then_some(0),
        };
        let Some(used) = used else { return };
        let tokens = signed(used) - signed(self.ask.tokens);
        let (scope, second) = (self.ask.provider.clone(), self.began / 1000);
        self.common.ledger.post(move |rows| rows.add_pace(&scope, Pace { second, requests: 0, tokens }));
    }

    fn pay(&self, nano_dollars: u64) {
        if let Some(kept) = &self.kept {
            kept.pay(nano_dollars);
        }
        if nano_dollars > 0 {
            self.spend(Spend { nano_dollars, unknown: 0 });
        }
    }

    fn cannot_pay(&self) {
        self.spend(Spend { nano_dollars: 0, unknown: 1 });
        if self.ask.budget.is_some() {
            let key = &self.ask.key;
            let words = format!(
                "the budget does not count calls of {}/{}: its price is unknown; say it under `models:` in routes.yaml",
                key.provider, key.model
            );
            self.common.say_once(&self.common.told_of_price, &words);
        }
    }

    fn spend(&self, more: Spend) {
        if self.common.rehearsal {
            return;
        }
        let (day, simulated) = (day_of(self.common.now()), self.ask.simulated);
        self.common.ledger.post(move |rows| rows.add_spend(&day, simulated, more));
    }
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX / 2)
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.owes
            && let Some(cost) = self.ask.cost
        {
            // Nobody waits for the answer any more, but its request has left: it is billed.
            self.pay(cost);
        }
        self.kept = None;
        if self.given && self.grant.pace && !self.used {
            // Nothing was sent, so nothing of the minute was used.
            let less = Pace { second: self.began / 1000, requests: -1, tokens: -signed(self.ask.tokens) };
            let scope = self.ask.provider.clone();
            self.common.ledger.post(move |rows| rows.add_pace(&scope, less));
        }
        if self.counted {
            let mut in_flight = lock(&self.common.in_flight);
            if let Some(count) = in_flight.get_mut(&self.ask.provider) {
                *count = count.saturating_sub(1);
            }
            drop(in_flight);
        }
        if scopes(&self.ask, self.grant).next().is_some() {
            let (ask, grant) = (Arc::clone(&self.ask), self.grant);
            self.common.ledger.post(move |rows| {
                scopes(&ask, grant).try_for_each(|(scope, _)| rows.remove_lease(scope, &ask.holder))
            });
        }
        if self.counted {
            // Those that wait look again.
            self.common.freed.notify_waiters();
        }
    }
}
