//! Chooses the next attempt.

use std::time::Duration;

use tokio::time::Instant;

use super::super::breaker::AttemptRole;
use super::{CallExecution, CandidateState};
use crate::route::{Availability, CallNotice, HealthStore, RetryWhen, SkipReason, Unavailable};

pub(super) struct NextStep {
    pub(super) index: usize,
    /// Time to wait before the attempt.
    pub(super) wait: Duration,
    pub(super) role: AttemptRole,
    /// Number of other candidates that could be tried immediately.
    pub(super) other_available: usize,
    /// Whether every candidate is at a limit and the call should queue.
    pub(super) is_queueing: bool,
    /// Whether the provider requested the wait and the router waits for limits. Such an attempt does not
    /// count as a retry.
    pub(super) is_rate_limit_wait: bool,
}

/// A candidate at a limit ranks ahead of candidates that take longer than this to become available.
const MAX_RANKED_LIMIT_WAIT: Duration = Duration::from_secs(1);

impl NextStep {
    fn immediate(index: usize, role: AttemptRole) -> Self {
        Self {
            index,
            wait: Duration::ZERO,
            role,
            is_queueing: false,
            other_available: 0,
            is_rate_limit_wait: false,
        }
    }
}

impl CallExecution<'_> {
    /// Chooses the next step: the first untried candidate that is available, or else the candidate that
    /// becomes available soonest. With `when: first`, a retry of the candidate that just failed comes before
    /// both. `None` if no attempt is left.
    pub(super) fn next_step(&mut self, last: Option<usize>) -> Option<NextStep> {
        let availabilities = self.untried_availability();
        let mut next = self.choose_step(last, &availabilities)?;
        let is_available = |(index, availability): &&(usize, Availability)| {
            *index != next.index && !matches!(availability, Availability::Unavailable { .. })
        };
        next.other_available = availabilities.iter().filter(is_available).count();
        Some(next)
    }

    fn choose_step(
        &mut self,
        last: Option<usize>,
        availabilities: &[(usize, Availability)],
    ) -> Option<NextStep> {
        let half = self.time_left() / 2;
        let rate_limit_wait = self.rate_limit_wait_left();
        let now = Instant::now();
        let retry = |candidate: &CandidateState<'_>, index: usize| {
            let wait = candidate.retry_at?.saturating_duration_since(now);
            let rate_limit_wait = rate_limit_wait.filter(|_| candidate.is_rate_limited);
            let (max_wait, is_rate_limit_wait) = (rate_limit_wait.unwrap_or(half), rate_limit_wait.is_some());
            let ready =
                !candidate.is_excluded && candidate.limit.is_none() && (is_rate_limit_wait || wait <= half);
            ready.then(|| NextStep {
                wait: wait.min(max_wait),
                is_rate_limit_wait,
                ..NextStep::immediate(index, AttemptRole::Ordinary)
            })
        };
        if self.policy.retry.when == RetryWhen::First
            && let Some(next) = last.and_then(|index| retry(&self.candidates[index], index))
        {
            return Some(next);
        }
        if let Some(index) = pick_first_available(availabilities) {
            let half_open = availabilities.contains(&(index, Availability::HalfOpen));
            let role = if half_open { AttemptRole::Probe } else { AttemptRole::Ordinary };
            self.report_skipped(availabilities, index);
            return Some(NextStep::immediate(index, role));
        }
        let retries =
            self.candidates.iter().enumerate().filter_map(|(index, candidate)| retry(candidate, index));
        let now = self.router.health.now();
        let unavailable = availabilities.iter().filter_map(|(index, availability)| {
            let Availability::Unavailable { until, why } = availability else { return None };
            if matches!(why, Unavailable::AtLimit(_)) {
                return None;
            }
            let available_in = duration_until(*until, now);
            // Waiting is worthwhile only if the provider requested it, because then the model will answer. If
            // the wait is too long, the model is called immediately, unless the router waits for limits.
            let is_retry_after = *why == Unavailable::RetryAfter;
            let wait = match rate_limit_wait.filter(|_| is_retry_after) {
                Some(rate_limit_wait) => available_in.min(rate_limit_wait),
                None if is_retry_after && available_in <= half => available_in,
                None => Duration::ZERO,
            };
            let is_rate_limit_wait = is_retry_after && rate_limit_wait.is_some();
            Some((
                available_in,
                NextStep { wait, is_rate_limit_wait, ..NextStep::immediate(*index, AttemptRole::LastResort) },
            ))
        });
        let limited = self.candidates.iter().enumerate().filter_map(|(index, candidate)| {
            let (_, until) = candidate.limit.as_ref().filter(|_| !candidate.is_excluded)?;
            let next = NextStep { is_queueing: true, ..NextStep::immediate(index, AttemptRole::Ordinary) };
            Some((duration_until(*until, now).min(MAX_RANKED_LIMIT_WAIT), next))
        });
        retries
            .map(|next| (next.wait, next))
            .chain(limited)
            .chain(unavailable)
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, next)| next)
    }

    /// Availability of the candidates that have not been tried.
    pub(super) fn untried_availability(&self) -> Vec<(usize, Availability)> {
        untried_availability(&self.router.health, &self.candidates)
    }

    /// Why an untried candidate is unavailable; `None` if it is available by now.
    pub(super) fn unavailable_reason(&self, index: usize) -> Option<SkipReason> {
        match self.untried_availability().into_iter().find(|(untried, _)| *untried == index)?.1 {
            Availability::Unavailable { until, why } => {
                Some(SkipReason::Unavailable(why, duration_until(until, self.router.health.now())))
            }
            _ => None,
        }
    }

    /// Reports, once each, the unavailable candidates that precede the chosen one.
    fn report_skipped(&mut self, availabilities: &[(usize, Availability)], chosen: usize) {
        for (index, availability) in availabilities.iter().filter(|(index, _)| *index <= chosen) {
            if let Availability::Unavailable { until, why } = availability {
                self.report_unavailable(*index, why.clone(), *until);
            }
        }
    }

    /// Reports, once, that a candidate is unavailable.
    pub(super) fn report_unavailable(&mut self, index: usize, why: Unavailable, until: i64) {
        let model = &self.candidates[index].target.model_ref;
        if self.skipped.iter().any(|(skipped, _)| skipped == model) {
            return;
        }
        let skip = SkipReason::Unavailable(why, duration_until(until, self.router.health.now()));
        self.observer.on_notice(&CallNotice::Skipped { model, skip: &skip });
        self.skipped.push((model.clone(), skip));
    }
}

/// Availability of the candidates that have not been tried.
pub(super) fn untried_availability(
    health: &HealthStore,
    candidates: &[CandidateState<'_>],
) -> Vec<(usize, Availability)> {
    let untried: Vec<usize> = (0..candidates.len()).filter(|index| candidates[*index].is_untried()).collect();
    let availabilities = health.availability(untried.iter().map(|index| candidates[*index].target));
    let limited = |index: usize| {
        let (limit, until) = candidates[index].limit.clone()?;
        Some(Availability::Unavailable { until, why: Unavailable::AtLimit(limit) })
    };
    untried
        .into_iter()
        .zip(availabilities)
        .map(|(i, availability)| (i, limited(i).unwrap_or(availability)))
        .collect()
}

pub(super) fn pick_first_available(availabilities: &[(usize, Availability)]) -> Option<usize> {
    Availability::pick_first(availabilities.iter().map(|(index, availability)| (*index, availability)))
}

fn duration_until(until: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(until - now).unwrap_or(0))
}
