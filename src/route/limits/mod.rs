//! How much at once, how much a minute, and for how much money.
//!
//! What holds for all processes is held by the ledger: a call that a limit could stop takes a lease in one transaction
//! ([`verdict`]), keeps it while it runs and gives it back ([`permit`]); the lease of a process that died ends by time. A
//! call that nothing limits looks once, takes nothing and waits for nobody. What one run may cost ([`purse`]) and how
//! often it may try the same thing again ([`retries`]) is held in memory.

mod aimd;
mod ask;
#[cfg(test)]
mod money_tests;
mod orphan;
#[cfg(test)]
mod patience_tests;
mod permit;
mod purse;
mod queue;
mod retries;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Away, Budget, Clock, Exceeded, Health, Skip};
use crate::catalog::NanoDollars;
use crate::chat::Request;
use crate::ledger::{Ledger, RowResult, Rows};
use crate::provider::Target;
use ask::Ask;
pub(super) use ask::{provider_scope, scopes_of};
pub(super) use permit::{LEASE, Permit, Settled};
pub use purse::{Over, Purse};
use queue::{Gates, Ticket};
pub(super) use retries::RetryBudget;
pub use verdict::Full;
use verdict::{Grant, Verdict, decide, take};

/// Told, once each, of what a user should know about money.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Lets calls begin. One serves all calls of a process.
pub(super) struct Limiter {
    common: Arc<Common>,
    pub(super) budget: Option<Budget>,
    pub(super) purse: Option<Purse>,
    /// Whether its calls wait for as long as it takes.
    pub(super) patient: bool,
    draw: Arc<Mutex<fastrand::Rng>>,
}

/// What permits share with the limiter that gave them.
struct Common {
    ledger: Arc<Ledger>,
    clock: Clock,
    /// Calls of this process in flight, by provider.
    in_flight: Mutex<HashMap<String, u64>>,
    /// Told whenever a call of this process gives something back.
    freed: Notify,
    gates: Gates,
    tell: Mutex<Option<Tell>>,
    /// Whether its calls are rehearsals: they are made under the limits, and teach and cost the others nothing.
    rehearsal: bool,
    told_of_budget: AtomicBool,
    told_of_price: AtomicBool,
}

/// Whether a call may begin.
pub(super) enum Admission {
    /// It may.
    Go(Permit),
    /// Not before something is free, which is at that time at the latest, in milliseconds since 1970.
    NotYet(Full, i64),
    /// Not for that money.
    Never(Over),
    /// Nobody knows what it would cost, and this run may cost only so much.
    Unpriced,
}

impl Limiter {
    pub(super) fn new(health: &Health, rehearsal: bool, draw: Arc<Mutex<fastrand::Rng>>) -> Self {
        let common = Common {
            ledger: Arc::clone(health.ledger()),
            clock: health.clock(),
            in_flight: Mutex::default(),
            freed: Notify::new(),
            gates: Gates::default(),
            tell: Mutex::default(),
            rehearsal,
            told_of_budget: AtomicBool::new(false),
            told_of_price: AtomicBool::new(false),
        };
        Self { common: Arc::new(common), budget: None, purse: None, patient: false, draw }
    }

    pub(super) fn tell(&self, tell: Tell) {
        *lock(&self.common.tell) = Some(tell);
    }

    /// Lets a call begin, if it can at once. Whoever waits already comes first.
    pub(super) async fn admit(&self, target: &Target, request: &Request, habits: &str) -> Admission {
        let mut ask = self.ask(target, request, habits);
        let seen = self.look(&mut ask);
        let is_limited = self.purse.is_some() || !matches!(&seen, Verdict::Go(grant) if grant.is_free());
        if is_limited && self.common.gates.is_waited_at(&ask.model) {
            return Admission::NotYet(Full::Queue, self.common.now());
        }
        if is_limited {
            ask.holder = self.holder();
        }
        self.once(&ask, Some(seen)).await
    }

    /// Lets a call begin when it is its turn. Only the first one in the queue of a model looks whether it can.
    pub(super) async fn wait(&self, target: &Target, request: &Request, habits: &str) -> Admission {
        let mut ask = self.ask(target, request, habits);
        let gate = self.common.gates.of(&ask.model);
        let _turn = gate.lock().await;
        (ask.holder, ask.since) = (self.holder(), self.common.now());
        let mut ticket = Ticket::new(Arc::clone(&self.common));
        // What this process gave back may still be on its way to the file, which only those behind it are sure to see.
        let mut behind_what_is_freed = true;
        loop {
            let freed = self.common.freed.notified();
            tokio::pin!(freed);
            // From here on nothing that is freed is missed.
            freed.as_mut().enable();
            let seen = (!behind_what_is_freed).then(|| self.look(&mut ask));
            let (full, until) = match self.once(&ask, seen).await {
                Admission::NotYet(full, until) => (full, until),
                other => return other,
            };
            if full.is_waited_for() {
                ticket.show(&ask);
            }
            let pause = queue::pause(&full, until - self.common.now(), lock(&self.draw).f64());
            behind_what_is_freed = tokio::time::timeout(pause, freed).await.is_ok();
        }
    }

    fn look(&self, ask: &mut Ask) -> Verdict {
        let now = self.common.now();
        ask.in_flight = self.common.in_flight(&ask.provider);
        self.common.ledger.read(|rows| decide(rows, ask, now))
    }

    /// Why a call could not begin now, where limits or money are in its way. Nothing is taken.
    pub(super) fn outlook(&self, target: &Target, request: &Request, habits: &str) -> Option<Skip> {
        let mut ask = self.ask(target, request, habits);
        match (&self.purse, ask.cost) {
            (Some(_), None) => return Some(Skip::Unpriced),
            (Some(purse), Some(cost)) => {
                if let Err(Some(over)) = purse.keep(cost, ask.simulated) {
                    return Some(Skip::Over(over));
                }
            }
            (None, _) => {}
        }
        match self.look(&mut ask) {
            Verdict::NotYet(full, until) => {
                let wait = u64::try_from(until - self.common.now()).unwrap_or(0);
                Some(Skip::Away(Away::Limited(full), Duration::from_millis(wait)))
            }
            Verdict::Never(over) => Some(Skip::Over(over)),
            Verdict::Go(_) => None,
        }
    }

    fn ask(&self, target: &Target, request: &Request, habits: &str) -> Ask {
        let habits = || self.common.ledger.read(|rows| rows.route(habits));
        Ask::new(target, request, self.budget, self.purse.is_some(), habits)
    }

    fn holder(&self) -> String {
        format!("{:016x}", lock(&self.draw).u64(..))
    }

    /// Takes what a call needs, if it is there; `seen` is what a look said, where there was one.
    async fn once(&self, ask: &Ask, seen: Option<Verdict>) -> Admission {
        let common = &self.common;
        let kept = match (&self.purse, &ask.cost) {
            (None, _) => None,
            (Some(_), None) => return Admission::Unpriced,
            (Some(purse), Some(cost)) => match purse.keep(*cost, ask.simulated) {
                Ok(kept) => Some(kept),
                Err(Some(over)) => return Admission::Never(over),
                // What is under way may turn out to be cheaper.
                Err(None) => return Admission::NotYet(Full::Money, common.now() + LEASE),
            },
        };
        let mut ask = ask.clone();
        ask.in_flight = common.in_flight(&ask.provider);
        let ask = Arc::new(ask);
        let mut permit = Permit::new(Arc::clone(common), Arc::clone(&ask), kept);
        let verdict = match seen {
            Some(Verdict::Go(grant)) if grant.is_free() => Verdict::Go(grant),
            None | Some(Verdict::Go(_)) => {
                // Whoever gives up while this is written gives back what it may have got.
                permit.takes(Grant::ALL);
                let clock = Arc::clone(&common.clock);
                common.ledger.write(move |rows| take(rows, &ask, clock())).await
            }
            Some(refused) => refused,
        };
        permit.takes(Grant::default());
        match verdict {
            Verdict::Go(grant) => {
                if let Some(over) = grant.over {
                    common.say_once(&common.told_of_budget, &format!("{over}; calls are made all the same"));
                }
                permit.takes(grant);
                permit.count();
                Admission::Go(permit)
            }
            Verdict::NotYet(full, until) => Admission::NotYet(full, until),
            Verdict::Never(over) => Admission::Never(over),
        }
    }
}

impl Common {
    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn in_flight(&self, provider: &str) -> u64 {
        lock(&self.in_flight).get(provider).copied().unwrap_or(0)
    }

    fn say_once(&self, told: &AtomicBool, words: &str) {
        if !told.swap(true, Ordering::Relaxed)
            && let Some(tell) = &*lock(&self.tell)
        {
            tell(words);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was spent on the UTC day of a time, in real dollars and in the simulator's.
pub(super) fn spent_on(rows: &Rows<'_>, now: i64) -> RowResult<[NanoDollars; 2]> {
    let day = day_of(now);
    Ok([rows.spend(&day, false)?.nano_dollars, rows.spend(&day, true)?.nano_dollars])
}

/// The UTC day of a time in milliseconds since 1970.
fn day_of(now: i64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
