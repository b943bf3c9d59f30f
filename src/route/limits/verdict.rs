//! Whether a call may begin, by what the ledger says. Time by argument.

use std::fmt;

use super::ask::Ask;
use super::{Exceeded, Over, aimd, day_of, orphan};
use crate::chat::counted;
use crate::ledger::{Leases, Pace, RowResult, Rows};
use crate::route::believed::{alive, begun_since};

/// Pace is kept by the second, so that what was begun counts for up to a second more than a minute.
const WINDOW: i64 = 61;

/// What there is no more of for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Full {
    /// So many calls at once are what `limits` gives the provider.
    AtOnce(u64),
    /// So many calls at once are what it is given since it refused some.
    Eased(u64),
    /// So many calls at once are what the model is given since its breaker closed.
    Returning(u64),
    /// So many requests a minute.
    Requests(u64),
    /// So many tokens a minute.
    Tokens(u64),
    /// What calls in flight may cost would use the money up.
    Money,
    /// Other calls of this process wait for it already.
    Queue,
}

impl Full {
    /// Whether those who wait for it stand in one line with those of other processes.
    pub(super) fn is_waited_for(&self) -> bool {
        match self {
            Self::AtOnce(_) | Self::Eased(_) | Self::Requests(_) | Self::Tokens(_) => true,
            Self::Returning(_) | Self::Money | Self::Queue => false,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = |n: &u64| counted(*n, "call");
        match self {
            Self::AtOnce(n) => write!(f, "it has its {} at once", calls(n)),
            Self::Eased(n) => {
                write!(f, "it asked for less, and has the {} at once that it is given", calls(n))
            }
            Self::Returning(n) => {
                write!(f, "its breaker has just closed, and it has the {} at once that it is given", calls(n))
            }
            Self::Requests(1) => f.write_str("it has had its one request a minute"),
            Self::Requests(n) => write!(f, "it has had its {n} requests a minute"),
            Self::Tokens(n) => write!(f, "it has had its {} a minute", counted(*n, "token")),
            Self::Money => f.write_str("what calls in flight may cost would use the money up"),
            Self::Queue => f.write_str("other calls wait for it already"),
        }
    }
}

/// What a call is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Grant {
    /// A place among the provider's calls.
    pub(super) provider: bool,
    /// The provider is given less since it complained.
    pub(super) eased: bool,
    /// A place among the model's calls.
    pub(super) model: bool,
    /// A share of the minute.
    pub(super) pace: bool,
    /// Money, set aside.
    pub(super) money: bool,
    /// The budget is used up, and that is only told.
    pub(super) over: Option<Over>,
}

impl Grant {
    /// Everything that can be held.
    pub(super) const ALL: Self =
        Self { provider: true, eased: false, model: true, pace: true, money: true, over: None };

    /// Whether nothing has to be taken for it.
    pub(super) fn is_free(self) -> bool {
        !(self.provider || self.model || self.pace || self.money)
    }
}

/// Whether a call may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Go(Grant),
    /// Not before something is free, at that time at the latest.
    NotYet(Full, i64),
    /// Not for that money.
    Never(Over),
}

impl Default for Verdict {
    /// A ledger that cannot be read holds nobody up.
    fn default() -> Self {
        Self::Go(Grant::default())
    }
}

/// Whether a call may begin.
pub(super) fn decide(rows: &Rows<'_>, ask: &Ask, now: i64) -> RowResult<Verdict> {
    let mut grant = Grant::default();
    if let Some(verdict) = money(rows, ask, now, &mut grant)? {
        return Ok(verdict);
    }
    let eased = aimd::given(rows, &ask.provider, now)?;
    grant.eased = eased.is_some();
    let own = ask.limits.concurrency.map(u64::from);
    let most = own.map(|n| (n, false)).into_iter().chain(eased.map(|n| (n, true)));
    let most = most.min();
    let paced = ask.limits.requests_per_minute.is_some() || ask.limits.tokens_per_minute.is_some();
    let ahead = if most.is_some() || paced {
        rows.leases_before(&ask.queue, alive(now), ask.since, &ask.holder)?
    } else {
        Leases::default()
    };
    if let Some((most, eased)) = most {
        let leases = rows.leases(&ask.provider, alive(now))?;
        let in_flight = if eased { leases.count.max(ask.in_flight) } else { leases.count };
        if in_flight + ahead.count >= most {
            let full = if eased { Full::Eased(most) } else { Full::AtOnce(most) };
            return Ok(Verdict::NotYet(full, leases.first_end));
        }
        grant.provider = true;
    }
    let ramp = u64::from(rows.health(&ask.key)?.ramp);
    if ramp > 0 {
        let leases = rows.leases(&ask.model, alive(now))?;
        if leases.count >= ramp {
            return Ok(Verdict::NotYet(Full::Returning(ramp), leases.first_end));
        }
        grant.model = true;
    }
    if paced {
        let begun = rows.pace(&ask.provider, begun_since(now / 1000 - WINDOW + 1, now))?;
        if let Some((full, until)) = pace(ask, &begun, ahead) {
            return Ok(Verdict::NotYet(full, until));
        }
        grant.pace = true;
    }
    Ok(Verdict::Go(grant))
}

/// Decides, and takes what is given.
pub(super) fn take(rows: &Rows<'_>, ask: &Ask, now: i64) -> RowResult<Verdict> {
    orphan::settle(rows, now)?;
    let verdict = decide(rows, ask, now)?;
    let Verdict::Go(grant) = &verdict else { return Ok(verdict) };
    rows.remove_lease(&ask.queue, &ask.holder)?;
    scopes(ask, *grant).try_for_each(|(scope, nano)| rows.put_lease(&ask.lease(scope, nano, now)))?;
    if grant.pace {
        let second = now / 1000;
        let tokens = i64::try_from(ask.tokens).unwrap_or(i64::MAX / 2);
        rows.add_pace(&ask.provider, Pace { second, requests: 1, tokens })?;
        rows.remove_pace(begun_since(second - WINDOW, now))?;
    }
    Ok(verdict)
}

/// Where a call has leases, and what it sets aside there.
pub(super) fn scopes(ask: &Ask, grant: Grant) -> impl Iterator<Item = (&str, u64)> {
    let money = grant.money.then(|| (ask.money(), ask.cost.unwrap_or(0)));
    let provider = grant.provider.then_some((ask.provider.as_str(), 0));
    let model = grant.model.then_some((ask.model.as_str(), 0));
    [provider, model, money].into_iter().flatten()
}

/// What the budget says against it.
fn money(rows: &Rows<'_>, ask: &Ask, now: i64, grant: &mut Grant) -> RowResult<Option<Verdict>> {
    let Some(budget) = ask.budget else { return Ok(None) };
    let spent = rows.spend(&day_of(now), ask.simulated)?.nano_dollars;
    let over = |cost: u64| spent.saturating_add(cost) > budget.daily;
    let used_up = match ask.cost {
        // What costs nothing can always be afforded.
        Some(0) => false,
        Some(cost) => over(cost),
        None => spent >= budget.daily,
    };
    let said = Over { spent, limit: budget.daily, cost: ask.cost, simulated: ask.simulated, daily: true };
    match (budget.on_exceeded, ask.cost.filter(|cost| *cost > 0)) {
        (Exceeded::Stop, _) if used_up => return Ok(Some(Verdict::Never(said))),
        (Exceeded::Warn, _) => grant.over = used_up.then_some(said),
        (Exceeded::Stop, Some(cost)) => {
            let aside = rows.leases(ask.money(), alive(now))?;
            if over(cost.saturating_add(aside.nano_dollars)) {
                return Ok(Some(Verdict::NotYet(Full::Money, aside.first_end)));
            }
            grant.money = true;
        }
        (Exceeded::Stop, None) => {}
    }
    Ok(None)
}

/// What of the minute is used up, and when enough of it has passed. Those who wait for longer count as if they had begun.
fn pace(ask: &Ask, begun: &[Pace], waiting: Leases) -> Option<(Full, i64)> {
    let wait = |most: i64, asked: i64, ahead: i64, of: fn(&Pace) -> i64| {
        let mut left = begun.iter().map(of).sum::<i64>().saturating_add(ahead);
        // What is larger than the whole limit goes when it is alone: it would never be smaller.
        let fits = |left: i64| left <= 0 || left.saturating_add(asked) <= most;
        if fits(left) {
            return None;
        }
        let passed = begun.iter().find(|pace| {
            left -= of(pace);
            fits(left)
        });
        // Where all of the minute is not enough, it is those who wait that are in the way.
        Some(passed.map_or(waiting.first_end, |pace| (pace.second + WINDOW) * 1000))
    };
    let limit = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let requests = ask.limits.requests_per_minute.map(u64::from).and_then(|most| {
        wait(limit(most), 1, limit(waiting.count), |pace| pace.requests)
            .map(|until| (Full::Requests(most), until))
    });
    let tokens = ask.limits.tokens_per_minute.and_then(|most| {
        wait(limit(most), limit(ask.tokens), limit(waiting.tokens), |pace| pace.tokens)
            .map(|until| (Full::Tokens(most), until))
    });
    requests.into_iter().chain(tokens).max_by_key(|(_, until)| *until)
}
