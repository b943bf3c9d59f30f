//! Timeouts of calls and attempts.

use std::time::Duration;

use tokio::time::Instant;

use super::super::health_signal::AttemptRole;
use super::next_step::{AttemptStep, CallTime};
use crate::catalog::Capability;
use crate::provider::{ExchangeTimeouts, Target};
use crate::route::call_options::CallOptions;
use crate::route::call_record::StopReason;
use crate::route::policy::CallTimeouts;

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

/// Maximum total wait after 429s per call, if the call waits for limits and the caller set no time limit.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(600);

/// A probe's lease is this much longer than its first-token timeout.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

pub(super) fn probe_lease() -> Duration {
    FIRST_TOKEN_TIMEOUT_PROBE + LEASE_MARGIN
}

/// Measures a call against its time limits.
pub(super) struct CallTimer<'a> {
    options: &'a CallOptions,
    timeouts: CallTimeouts,
    start: Instant,
    queued_time: Duration,
    /// Part of `queued_time` spent on 429s, if the call waits for limits.
    rate_limited_time: Duration,
}

impl<'a> CallTimer<'a> {
    pub(super) fn start(options: &'a CallOptions, timeouts: CallTimeouts) -> Self {
        Self {
            options,
            timeouts,
            start: Instant::now(),
            queued_time: Duration::ZERO,
            rate_limited_time: Duration::ZERO,
        }
    }

    /// Time since the start of the call. Excludes waiting for limits, if the call waits for them.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Time spent waiting for limits.
    pub(super) fn queued_time(&self) -> Duration {
        self.queued_time
    }

    pub(super) fn add_queue_wait(&mut self, started: Instant) {
        let waited = started.elapsed();
        self.queued_time += waited;
        if self.options.wait_for_limits {
            // Move the start, so that the timers do not count the wait.
            self.start += waited;
        }
    }

    /// Like [`add_queue_wait`](Self::add_queue_wait), for a wait that a provider requested from a call that
    /// waits for limits. It counts only toward the caller's own limit.
    pub(super) fn add_rate_limit_wait(&mut self, started: Instant) {
        self.rate_limited_time += started.elapsed();
        self.add_queue_wait(started);
    }

    /// The time limit that the call has reached, if any.
    pub(super) fn limit_reached(&self) -> Option<StopReason> {
        if self.caller_time_left().is_some_and(|left| left.is_zero()) {
            return Some(StopReason::CallerTimeout);
        }
        let is_wait_used_up = self.options.timeout.is_none() && self.rate_limited_time >= MAX_RATE_LIMIT_WAIT;
        (is_wait_used_up || self.elapsed() >= self.timeouts.deadline).then_some(StopReason::DeadlineExceeded)
    }

    pub(super) fn time_left(&self) -> Duration {
        let deadline = self.timeouts.deadline.saturating_sub(self.elapsed());
        self.caller_time_left().map_or(deadline, |left| deadline.min(left))
    }

    /// Where the call stands; `now_ms` is the time in milliseconds since 1970.
    pub(super) fn call_time(&self, now_ms: i64) -> CallTime {
        CallTime {
            now: Instant::now(),
            now_ms,
            limit_reached: self.limit_reached(),
            left: self.time_left(),
            rate_limit_wait_left: self.rate_limit_wait_left(),
        }
    }

    /// Timeouts of the next attempt. This candidate and the others still available share the remaining time.
    pub(super) fn attempt_timeouts(&self, step: &AttemptStep, target: &Target) -> ExchangeTimeouts {
        let total = self.caller_time_left();
        let left = self.time_left();
        if !self.options.stream {
            return ExchangeTimeouts { first_token: left, idle: left, total };
        }
        let own = first_token_timeout(&self.timeouts, step.role, target);
        let n = u32::try_from(step.other_available).unwrap_or(u32::MAX).saturating_add(1);
        ExchangeTimeouts {
            first_token: own.min(left).min((left / n).max(MIN_FIRST_TOKEN_SHARE)),
            idle: self.timeouts.idle,
            total,
        }
    }

    /// Time left before the caller's own limit; `None` if there is none.
    fn caller_time_left(&self) -> Option<Duration> {
        let spent = self.elapsed() + self.rate_limited_time;
        self.options.timeout.map(|limit| limit.saturating_sub(spent))
    }

    /// How much longer the call may wait after 429s; `None` if it does not wait for limits.
    fn rate_limit_wait_left(&self) -> Option<Duration> {
        let left = || {
            self.caller_time_left()
                .unwrap_or_else(|| MAX_RATE_LIMIT_WAIT.saturating_sub(self.rate_limited_time))
        };
        self.options.wait_for_limits.then(left)
    }
}

/// The candidate's own time to the first content, before the deadline is shared.
pub(super) fn first_token_timeout(timeouts: &CallTimeouts, role: AttemptRole, target: &Target) -> Duration {
    let own = timeouts.first_token.unwrap_or_else(|| {
        if target.is_local() {
            FIRST_TOKEN_TIMEOUT_LOCAL
        } else if target.facts.as_ref().is_some_and(|f| f.supports(Capability::Reasoning) == Some(true)) {
            FIRST_TOKEN_TIMEOUT_REASONING
        } else {
            FIRST_TOKEN_TIMEOUT
        }
    });
    if role == AttemptRole::Probe { own.min(FIRST_TOKEN_TIMEOUT_PROBE) } else { own }
}
