//! How long anything may take.

use std::time::Duration;

use super::super::breaker::AttemptRole;
use super::CallExecution;
use super::next_step::NextStep;
use crate::catalog::Capability;
use crate::provider::ExchangeTimeouts;
use crate::route::StopReason;

/// A first-token timer is not cut below this by sharing the deadline among candidates.
const MIN_FIRST_TOKEN_SHARE: Duration = Duration::from_secs(5);

/// Until the first content, where nothing else is said.
const FIRST_TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The same for models that reason before they answer.
const FIRST_TOKEN_TIMEOUT_REASONING: Duration = Duration::from_secs(120);

/// The same on this machine, where a first call may have to load the model.
const FIRST_TOKEN_TIMEOUT_LOCAL: Duration = Duration::from_secs(300);

/// The same for the probe of a half-open breaker: a user waits for it.
const FIRST_TOKEN_TIMEOUT_PROBE: Duration = Duration::from_secs(10);

/// So long a patient call waits for providers that refuse it, where the caller set no limit.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(600);

/// A probe's lease outlasts its timer by this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How long a probe is leased for: its timer and a margin.
pub(super) fn probe_lease() -> Duration {
    FIRST_TOKEN_TIMEOUT_PROBE + LEASE_MARGIN
}

impl CallExecution<'_> {
    /// Which limit is used up, if one is.
    pub(super) fn time_limit_reached(&self) -> Option<StopReason> {
        if self.caller_time_left().is_some_and(|left| left.is_zero()) {
            return Some(StopReason::CallerTimeout);
        }
        let refused = self.options.timeout.is_none() && self.rate_limited_time >= MAX_RATE_LIMIT_WAIT;
        (refused || self.start.elapsed() >= self.policy.timeouts.deadline)
            .then_some(StopReason::DeadlineExceeded)
    }

    /// What is left of the caller's own limit, where there is one.
    fn caller_time_left(&self) -> Option<Duration> {
        let spent = self.start.elapsed() + self.rate_limited_time;
        self.options.timeout.map(|limit| limit.saturating_sub(spent))
    }

    /// How long a call that a provider refused may wait to be asked again; `None` where its router is not patient.
    pub(super) fn rate_limit_wait_left(&self) -> Option<Duration> {
        let left = || {
            self.caller_time_left()
                .unwrap_or_else(|| MAX_RATE_LIMIT_WAIT.saturating_sub(self.rate_limited_time))
        };
        self.router.limiter.wait_for_limits.then(left)
    }

    pub(super) fn time_left(&self) -> Duration {
        let deadline = self.policy.timeouts.deadline.saturating_sub(self.start.elapsed());
        self.caller_time_left().map_or(deadline, |left| deadline.min(left))
    }

    /// The timers of the next attempt. `n` candidates share what is left: this one and those still ready.
    pub(super) fn attempt_timeouts(&self, next: &NextStep) -> ExchangeTimeouts {
        let deadlines = &self.policy.timeouts;
        let total = self.caller_time_left();
        let left = self.time_left();
        if !self.options.stream {
            return ExchangeTimeouts { first_token: left, idle: left, total };
        }
        let own = self.first_token_timeout(next);
        let n = u32::try_from(next.other_available).unwrap_or(u32::MAX).saturating_add(1);
        ExchangeTimeouts {
            first_token: own.min(left).min((left / n).max(MIN_FIRST_TOKEN_SHARE)),
            idle: deadlines.idle,
            total,
        }
    }

    /// How long the candidate itself may take until its first content.
    pub(super) fn first_token_timeout(&self, next: &NextStep) -> Duration {
        let target = self.candidates[next.index].target;
        let own = self.policy.timeouts.first_token.unwrap_or_else(|| {
            if target.is_local() {
                FIRST_TOKEN_TIMEOUT_LOCAL
            } else if target.facts.as_ref().is_some_and(|f| f.supports(Capability::Reasoning) == Some(true)) {
                FIRST_TOKEN_TIMEOUT_REASONING
            } else {
                FIRST_TOKEN_TIMEOUT
            }
        });
        if next.role == AttemptRole::Probe { own.min(FIRST_TOKEN_TIMEOUT_PROBE) } else { own }
    }
}
