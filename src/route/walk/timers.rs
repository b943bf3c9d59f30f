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

/// A probe's lease outlasts its timer by this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long a probe is leased for: its timer and a margin.
pub(super) fn lease() -> Duration {
    FIRST_TOKEN_PROBE + LEASE_MARGIN
}

impl Walk<'_> {
    /// Which limit is used up, if one is.
    pub(super) fn out_of_time(&self) -> Option<Why> {
        let elapsed = self.start.elapsed();
        if self.options.timeout.is_some_and(|limit| elapsed >= limit) {
            return Some(Why::Timeout);
        }
        (elapsed >= self.policy.deadlines.call).then_some(Why::Deadline)
    }

    pub(super) fn left(&self) -> Duration {
        let elapsed = self.start.elapsed();
        let deadline = self.policy.deadlines.call.saturating_sub(elapsed);
        self.options.timeout.map_or(deadline, |limit| deadline.min(limit.saturating_sub(elapsed)))
    }

    /// The timers of the next attempt. `n` candidates share what is left: this one and those still ready.
    pub(super) fn timers(&self, next: &Next) -> Timers {
        let deadlines = &self.policy.deadlines;
        let total = self.options.timeout.map(|limit| limit.saturating_sub(self.start.elapsed()));
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
