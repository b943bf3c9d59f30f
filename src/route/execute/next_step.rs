//! Chooses the next step of a call: a pure function of its state, the time, and the availability of its
//! candidates.

use std::time::Duration;

use tokio::time::Instant;

use super::super::health_signal::AttemptRole;
use super::call_state::{CallState, CandidateState};
use crate::route::availability::Availability;
use crate::route::call_record::StopReason;
use crate::route::policy::RetryWhen;
use crate::route::reasons::Unavailable;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NextStep {
    /// Queue for the candidates that are at a limit.
    Queue,
    /// Wait as long as the provider requested, then decide again.
    Wait {
        index: usize,
        duration: Duration,
        role: AttemptRole,
    },
    /// Try a candidate whose breaker is half-open, if no other call is trying it.
    Probe(AttemptStep),
    Attempt(AttemptStep),
    Stop(StopReason),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AttemptStep {
    pub(super) index: usize,
    /// Time to wait before the attempt.
    pub(super) wait: Duration,
    pub(super) role: AttemptRole,
    /// Number of other candidates that could be tried immediately.
    pub(super) other_available: usize,
    /// Whether it follows a wait that the provider requested from a call that waits for limits. Such an
    /// attempt does not count as a retry.
    pub(super) is_after_rate_limit: bool,
}

/// Where the call stands in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallTime {
    pub(super) now: Instant,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
    /// The time limit that the call has reached.
    pub(super) limit_reached: Option<StopReason>,
    pub(super) left: Duration,
    /// How much longer the call may wait after 429s; `None` if it does not wait for limits.
    pub(super) rate_limit_wait_left: Option<Duration>,
}

/// A candidate at a limit ranks ahead of candidates that take longer than this to become available.
const MAX_RANKED_LIMIT_WAIT: Duration = Duration::from_secs(1);

/// Chooses the first untried candidate that is available, or else the candidate that becomes available
/// soonest. With `when: first`, a retry of the candidate that just failed comes before both. `availabilities`
/// covers the untried candidates, by index.
pub(super) fn next_step(
    state: &CallState,
    when: RetryWhen,
    time: &CallTime,
    availabilities: &[(usize, Availability)],
) -> NextStep {
    if let Some(reason) = time.limit_reached {
        return NextStep::Stop(reason);
    }
    let step = if state.is_out_of_attempts() { None } else { choose(state, when, time, availabilities) };
    let Some(step) = step else {
        let reason =
            if state.has_attempted() { StopReason::AllAttemptsFailed } else { StopReason::NoCandidate };
        return NextStep::Stop(state.admission_failure.unwrap_or(reason));
    };
    let is_other_available = |(index, availability): &&(usize, Availability)| match &step {
        NextStep::Probe(step) | NextStep::Attempt(step) => {
            *index != step.index && availability.is_available()
        }
        _ => false,
    };
    let other_available = availabilities.iter().filter(is_other_available).count();
    match step {
        NextStep::Probe(step) => NextStep::Probe(AttemptStep { other_available, ..step }),
        NextStep::Attempt(step) => NextStep::Attempt(AttemptStep { other_available, ..step }),
        step => step,
    }
}

fn choose(
    state: &CallState,
    when: RetryWhen,
    time: &CallTime,
    availabilities: &[(usize, Availability)],
) -> Option<NextStep> {
    let retry_of = |index: usize| Some((index, retry_wait(&state.candidates[index], time)?));
    if when == RetryWhen::First
        && let Some((index, wait)) = state.last_failed.and_then(retry_of)
    {
        return Some(wait.step(index, AttemptRole::Ordinary));
    }
    if let Some(index) = pick_first_available(availabilities) {
        let is_half_open = availabilities.contains(&(index, Availability::HalfOpen));
        return Some(match is_half_open {
            true => NextStep::Probe(immediate_attempt(index, AttemptRole::Probe)),
            false => NextStep::Attempt(immediate_attempt(index, AttemptRole::Ordinary)),
        });
    }
    // The rank is the time until the candidate can be expected to answer.
    let retries = (0..state.candidates.len())
        .filter_map(retry_of)
        .map(|(index, wait)| (wait.duration, wait.step(index, AttemptRole::Ordinary)));
    let limited = state.candidates.iter().filter_map(|candidate| {
        let (_, until) = candidate.limit.as_ref().filter(|_| !candidate.is_excluded)?;
        Some((duration_until(*until, time.now_ms).min(MAX_RANKED_LIMIT_WAIT), NextStep::Queue))
    });
    let unavailable = availabilities.iter().filter_map(|(index, availability)| {
        let Availability::Unavailable { until, why } = availability else { return None };
        let available_in = duration_until(*until, time.now_ms);
        let wait = unavailable_wait(why, available_in, time)?;
        Some((available_in, wait.step(*index, AttemptRole::LastResort)))
    });
    retries.chain(limited).chain(unavailable).min_by_key(|(rank, _)| *rank).map(|(_, step)| step)
}

/// How long to wait before an attempt.
#[derive(Clone, Copy)]
struct StepWait {
    duration: Duration,
    /// Whether the provider requested it, and the call waits for limits.
    is_for_rate_limit: bool,
}

impl StepWait {
    fn step(self, index: usize, role: AttemptRole) -> NextStep {
        let Self { duration, is_for_rate_limit } = self;
        if is_for_rate_limit && !duration.is_zero() {
            return NextStep::Wait { index, duration, role };
        }
        let step = immediate_attempt(index, role);
        NextStep::Attempt(AttemptStep { wait: duration, is_after_rate_limit: is_for_rate_limit, ..step })
    }
}

fn immediate_attempt(index: usize, role: AttemptRole) -> AttemptStep {
    AttemptStep { index, wait: Duration::ZERO, role, other_available: 0, is_after_rate_limit: false }
}

/// The wait before a retry of a candidate that failed; `None` if it may not be retried, or not in time.
fn retry_wait(candidate: &CandidateState, time: &CallTime) -> Option<StepWait> {
    let duration = candidate.retry_at?.saturating_duration_since(time.now);
    if candidate.is_excluded || candidate.limit.is_some() {
        return None;
    }
    match time.rate_limit_wait_left.filter(|_| candidate.is_rate_limited) {
        Some(left) => Some(StepWait { duration: duration.min(left), is_for_rate_limit: true }),
        None => (duration <= time.left / 2).then_some(StepWait { duration, is_for_rate_limit: false }),
    }
}

/// The wait before a last resort. Waiting is worthwhile only if the provider requested it, because then the
/// model will answer. If the wait is too long, the model is called immediately, unless the call waits for
/// limits. `None` for a candidate at a limit, which has a queue.
fn unavailable_wait(why: &Unavailable, available_in: Duration, time: &CallTime) -> Option<StepWait> {
    let is_requested = *why == Unavailable::RetryAfter;
    match time.rate_limit_wait_left.filter(|_| is_requested) {
        _ if matches!(why, Unavailable::AtLimit(_)) => None,
        Some(left) => Some(StepWait { duration: available_in.min(left), is_for_rate_limit: true }),
        None if is_requested && available_in <= time.left / 2 => {
            Some(StepWait { duration: available_in, is_for_rate_limit: false })
        }
        None => Some(StepWait { duration: Duration::ZERO, is_for_rate_limit: false }),
    }
}

pub(super) fn pick_first_available(availabilities: &[(usize, Availability)]) -> Option<usize> {
    Availability::pick_first(availabilities.iter().map(|(index, availability)| (*index, availability)))
}

pub(super) fn duration_until(until: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(until - now).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::reasons::CapacityLimit;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn time_left(left: u64) -> CallTime {
        CallTime {
            now: Instant::now(),
            now_ms: NOW_MS,
            limit_reached: None,
            left: seconds(left),
            rate_limit_wait_left: None,
        }
    }

    fn unavailable(why: Unavailable, in_ms: i64) -> Availability {
        Availability::Unavailable { until: NOW_MS + in_ms, why }
    }

    fn attempt(index: usize, role: AttemptRole, other_available: usize) -> AttemptStep {
        AttemptStep { other_available, ..immediate_attempt(index, role) }
    }

    /// Two candidates; the first one failed and may be retried after this many seconds.
    fn failed_state(time: &CallTime, retry_in: u64) -> CallState {
        let mut state = CallState::new(2);
        state.last_failed = Some(0);
        (state.candidates[0].attempts, state.candidates[0].retry_at) =
            (1, Some(time.now + seconds(retry_in)));
        state
    }

    #[tokio::test(start_paused = true)]
    async fn first_available_candidate_comes_first() {
        let (state, time) = (CallState::new(3), time_left(60));
        let step = |first, second, third| {
            next_step(&state, RetryWhen::Alone, &time, &[(0, first), (1, second), (2, third)])
        };
        let open = || unavailable(Unavailable::BreakerOpen, 5_000);
        let ready = || Availability::Ready;
        assert_eq!(step(ready(), ready(), open()), NextStep::Attempt(attempt(0, AttemptRole::Ordinary, 1)));
        assert_eq!(
            step(open(), Availability::Demoted, ready()),
            NextStep::Attempt(attempt(2, AttemptRole::Ordinary, 1))
        );
        assert_eq!(
            step(open(), Availability::HalfOpen, ready()),
            NextStep::Probe(attempt(1, AttemptRole::Probe, 1))
        );
        // The one that becomes available first is the last resort.
        assert_eq!(
            step(open(), unavailable(Unavailable::BreakerOpen, 900), open()),
            NextStep::Attempt(attempt(1, AttemptRole::LastResort, 0))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn retry_waits_for_other_candidates_unless_it_comes_first() {
        let time = time_left(60);
        let state = failed_state(&time, 3);
        let ready = [(1, Availability::Ready)];
        let retry =
            |wait| NextStep::Attempt(AttemptStep { wait, ..attempt(0, AttemptRole::Ordinary, ready.len()) });
        assert_eq!(
            next_step(&state, RetryWhen::Alone, &time, &ready),
            NextStep::Attempt(attempt(1, AttemptRole::Ordinary, 0))
        );
        assert_eq!(next_step(&state, RetryWhen::First, &time, &ready), retry(seconds(3)));
        // A retry that would use up more than half of the time left is not made.
        let short = CallTime { left: seconds(5), ..time };
        assert_eq!(
            next_step(&state, RetryWhen::First, &short, &[]),
            NextStep::Stop(StopReason::AllAttemptsFailed)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn rate_limit_is_waited_for_only_if_the_call_waits_for_limits() {
        let time = time_left(4);
        let mut state = failed_state(&time, 30);
        state.candidates[0].is_rate_limited = true;
        assert_eq!(
            next_step(&state, RetryWhen::Alone, &time, &[]),
            NextStep::Stop(StopReason::AllAttemptsFailed)
        );
        let patient = CallTime { rate_limit_wait_left: Some(seconds(20)), ..time };
        assert_eq!(
            next_step(&state, RetryWhen::Alone, &patient, &[]),
            NextStep::Wait { index: 0, duration: seconds(20), role: AttemptRole::Ordinary }
        );
        let requested = [(1, unavailable(Unavailable::RetryAfter, 7_000))];
        assert_eq!(
            next_step(&CallState::new(2), RetryWhen::Alone, &patient, &requested),
            NextStep::Wait { index: 1, duration: seconds(7), role: AttemptRole::LastResort }
        );
        assert_eq!(
            next_step(&CallState::new(2), RetryWhen::Alone, &time, &requested),
            NextStep::Attempt(attempt(1, AttemptRole::LastResort, 0)),
            "a wait that is too long is not made"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn candidates_at_limit_are_queued_for() {
        let (mut state, time) = (CallState::new(1), time_left(60));
        let limit = CapacityLimit::Concurrency(1);
        state.candidates[0].limit = Some((limit.clone(), NOW_MS + 30_000));
        let availabilities = [(0, unavailable(Unavailable::AtLimit(limit), 30_000))];
        assert_eq!(next_step(&state, RetryWhen::Alone, &time, &availabilities), NextStep::Queue);
        state.candidates[0].is_excluded = true;
        state.admission_failure = Some(StopReason::AtLimit);
        assert_eq!(next_step(&state, RetryWhen::Alone, &time, &[]), NextStep::Stop(StopReason::AtLimit));
    }

    #[tokio::test(start_paused = true)]
    async fn stops_at_limits_of_time_and_attempts() {
        let time = time_left(60);
        let mut state = failed_state(&time, 0);
        let ready = [(1, Availability::Ready)];
        let over = CallTime { limit_reached: Some(StopReason::CallerTimeout), ..time };
        assert_eq!(
            next_step(&state, RetryWhen::Alone, &over, &ready),
            NextStep::Stop(StopReason::CallerTimeout)
        );
        state.candidates[0].attempts = 6;
        assert_eq!(
            next_step(&state, RetryWhen::Alone, &time, &ready),
            NextStep::Stop(StopReason::AllAttemptsFailed)
        );
        state.candidates[0].uncounted_rate_limits = 1;
        assert!(matches!(next_step(&state, RetryWhen::Alone, &time, &ready), NextStep::Attempt(_)));
        assert_eq!(
            next_step(&CallState::new(0), RetryWhen::Alone, &time, &[]),
            NextStep::Stop(StopReason::NoCandidate)
        );
    }
}
