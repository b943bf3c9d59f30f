//! Timeouts of calls and attempts.

use std::time::Duration;

use super::super::breaker::AttemptRole;
use super::CallExecution;
use super::next_step::NextStep;
use crate::catalog::Capability;
use crate::provider::ExchangeTimeouts;
use crate::route::StopReason;

/// Sharing the deadline among candidates does not shorten a first-token timeout below this.
const MIN_FIRST_TOKEN_SHARE: Duration = Duration::from_secs(5);

/// Default timeout for the first content.
const FIRST_TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Default for models that reason before they answer.
const FIRST_TOKEN_TIMEOUT_REASONING: Duration = Duration::from_secs(120);

/// Default for local servers, where the first call may have to load the model.
const FIRST_TOKEN_TIMEOUT_LOCAL: Duration = Duration::from_secs(300);

/// Maximum for the probe of a half-open breaker; short, because a user is waiting for it.
const FIRST_TOKEN_TIMEOUT_PROBE: Duration = Duration::from_secs(10);

/// Maximum total wait after 429s per call, if the router waits for limits and the caller set no time limit.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(600);

/// A probe's lease is this much longer than its first-token timeout.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

pub(super) fn probe_lease() -> Duration {
    FIRST_TOKEN_TIMEOUT_PROBE + LEASE_MARGIN
}

impl CallExecution<'_> {
    /// The time limit that the call has reached, if any.
    pub(super) fn time_limit_reached(&self) -> Option<StopReason> {
        if self.caller_time_left().is_some_and(|left| left.is_zero()) {
            return Some(StopReason::CallerTimeout);
        }
        let is_wait_used_up = self.options.timeout.is_none() && self.rate_limited_time >= MAX_RATE_LIMIT_WAIT;
        (is_wait_used_up || self.start.elapsed() >= self.policy.timeouts.deadline)
            .then_some(StopReason::DeadlineExceeded)
    }

    /// Time left before the caller's own limit; `None` if there is none.
    fn caller_time_left(&self) -> Option<Duration> {
        let spent = self.start.elapsed() + self.rate_limited_time;
        self.options.timeout.map(|limit| limit.saturating_sub(spent))
    }

    /// How much longer the call may wait after 429s; `None` if the router does not wait for limits.
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

    /// Timeouts of the next attempt. This candidate and the others still available share the remaining time.
    pub(super) fn attempt_timeouts(&self, next: &NextStep) -> ExchangeTimeouts {
        let timeouts = &self.policy.timeouts;
        let total = self.caller_time_left();
        let left = self.time_left();
        if !self.options.stream {
            return ExchangeTimeouts { first_token: left, idle: left, total };
        }
        let own = self.first_token_timeout(next);
        let n = u32::try_from(next.other_available).unwrap_or(u32::MAX).saturating_add(1);
        ExchangeTimeouts {
            first_token: own.min(left).min((left / n).max(MIN_FIRST_TOKEN_SHARE)),
            idle: timeouts.idle,
            total,
        }
    }

    /// The candidate's own time to the first content, before the deadline is shared.
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
