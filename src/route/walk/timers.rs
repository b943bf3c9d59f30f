//! How long anything may take.

use std::time::Duration;

use super::super::breaker::Role;
use super::Walk;
use super::next::Next;
use crate::catalog::Capability;
use crate::provider::Timers;
use crate::route::Why;

/// A first-token timer is not cut below this by sharing the deadline among candidates.
const LEAST_SHARE: Duration = Duration::from_secs(5);

/// Until the first content, where nothing else is said.
const FIRST_TOKEN: Duration = Duration::from_secs(30);

/// The same for models that reason before they answer.
const FIRST_TOKEN_REASONING: Duration = Duration::from_secs(120);

/// The same on this machine, where a first call may have to load the model.
const FIRST_TOKEN_LOCAL: Duration = Duration::from_secs(300);

/// The same for the probe of a half-open breaker: a user waits for it.
const FIRST_TOKEN_PROBE: Duration = Duration::from_secs(10);

/// So long a patient call waits for providers that refuse it, where the caller set no limit.
const REFUSED: Duration = Duration::from_secs(600);

/// A probe's lease outlasts its timer by this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long a probe is leased for: its timer and a margin.
pub(super) fn lease() -> Duration {
    FIRST_TOKEN_PROBE + LEASE_MARGIN
}

impl Walk<'_> {
    /// Which limit is used up, if one is.
    pub(super) fn out_of_time(&self) -> Option<Why> {
        if self.of_timeout().is_some_and(|left| left.is_zero()) {
            return Some(Why::Timeout);
        }
        let refused = self.options.timeout.is_none() && self.refused_for >= REFUSED;
        (refused || self.start.elapsed() >= self.policy.deadlines.call).then_some(Why::Deadline)
    }

    /// What is left of the caller's own limit, where there is one.
    fn of_timeout(&self) -> Option<Duration> {
        let spent = self.start.elapsed() + self.refused_for;
        self.options.timeout.map(|limit| limit.saturating_sub(spent))
    }

    /// How long a call that a provider refused may wait to be asked again; `None` where its router is not patient.
    pub(super) fn patience(&self) -> Option<Duration> {
        let left = || self.of_timeout().unwrap_or_else(|| REFUSED.saturating_sub(self.refused_for));
        self.router.limiter.patient.then(left)
    }

    pub(super) fn left(&self) -> Duration {
        let deadline = self.policy.deadlines.call.saturating_sub(self.start.elapsed());
        self.of_timeout().map_or(deadline, |left| deadline.min(left))
    }

    /// The timers of the next attempt. `n` candidates share what is left: this one and those still ready.
    pub(super) fn timers(&self, next: &Next) -> Timers {
        let deadlines = &self.policy.deadlines;
        let total = self.of_timeout();
        let left = self.left();
        if !self.options.stream {
            return Timers { first_token: left, idle: left, total };
        }
        let own = self.own_first_token(next);
        let n = u32::try_from(next.ready).unwrap_or(u32::MAX).saturating_add(1);
        Timers { first_token: own.min(left).min((left / n).max(LEAST_SHARE)), idle: deadlines.idle, total }
    }

    /// How long the candidate itself may take until its first content.
    pub(super) fn own_first_token(&self, next: &Next) -> Duration {
        let target = self.runners[next.index].target;
        let own = self.policy.deadlines.first_token.unwrap_or_else(|| {
            if target.is_local() {
                FIRST_TOKEN_LOCAL
            } else if target.facts.as_ref().is_some_and(|f| f.supports(Capability::Reasoning) == Some(true)) {
                FIRST_TOKEN_REASONING
            } else {
                FIRST_TOKEN
            }
        });
        if next.role == Role::Probe { own.min(FIRST_TOKEN_PROBE) } else { own }
    }
}
