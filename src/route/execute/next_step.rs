//! Who comes next.

use std::time::Duration;

use tokio::time::Instant;

use super::super::breaker::AttemptRole;
use super::{CallExecution, CandidateState};
use crate::route::{Availability, CallNotice, HealthStore, RetryWhen, SkipReason, Unavailable};

/// Who comes next, and after which wait.
pub(super) struct NextStep {
    pub(super) index: usize,
    pub(super) wait: Duration,
    pub(super) role: AttemptRole,
    /// How many others could be tried at once, were it not for this one.
    pub(super) other_available: usize,
    /// Whether nobody can begin, and somebody could wait for that.
    pub(super) is_queueing: bool,
    /// Whether it waits because the provider asked a patient router to: that is no second try.
    pub(super) is_rate_limit_wait: bool,
}

/// Something that a limit holds back comes before what would be free later than this by other reasons.
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
    /// Who comes next. A fresh candidate that is ready comes first, in order; with `when: first` the one that just
    /// failed comes before it. When nobody is ready, whoever frees first.
    pub(super) fn next_step(&mut self, last: Option<usize>) -> Option<NextStep> {
        let standings = self.untried_availability();
        let mut next = self.choose_step(last, &standings)?;
        let ready = |(index, standing): &&(usize, Availability)| {
            *index != next.index && !matches!(standing, Availability::Unavailable { .. })
        };
        next.other_available = standings.iter().filter(ready).count();
        Some(next)
    }

    fn choose_step(&mut self, last: Option<usize>, standings: &[(usize, Availability)]) -> Option<NextStep> {
        let half = self.time_left() / 2;
        let patience = self.rate_limit_wait_left();
        let now = Instant::now();
        let retry = |runner: &CandidateState<'_>, index: usize| {
            let wait = runner.retry_at?.saturating_duration_since(now);
            let patience = patience.filter(|_| runner.is_rate_limited);
            let (most, back_in_line) = (patience.unwrap_or(half), patience.is_some());
            let ready = !runner.is_excluded && runner.limit.is_none() && (back_in_line || wait <= half);
            ready.then(|| NextStep {
                wait: wait.min(most),
                is_rate_limit_wait: back_in_line,
                ..NextStep::immediate(index, AttemptRole::Ordinary)
            })
        };
        if self.policy.retry.when == RetryWhen::First
            && let Some(next) = last.and_then(|index| retry(&self.candidates[index], index))
        {
            return Some(next);
        }
        if let Some(index) = pick_first_available(standings) {
            let half_open = standings.contains(&(index, Availability::HalfOpen));
            let role = if half_open { AttemptRole::Probe } else { AttemptRole::Ordinary };
            self.report_skipped(standings, index);
            return Some(NextStep::immediate(index, role));
        }
        let again = self.candidates.iter().enumerate().filter_map(|(index, runner)| retry(runner, index));
        let now = self.router.health.now();
        let freed = standings.iter().filter_map(|(index, standing)| {
            let Availability::Unavailable { until, why } = standing else { return None };
            if matches!(why, Unavailable::AtLimit(_)) {
                return None;
            }
            let free_in = duration_until(*until, now);
            // Only what a provider asked for is worth waiting for: it answers then. Too long, it is asked at once, but
            // for a router that has all the time that its caller gives it.
            let asked = *why == Unavailable::RetryAfter;
            let wait = match patience.filter(|_| asked) {
                Some(patience) => free_in.min(patience),
                None if asked && free_in <= half => free_in,
                None => Duration::ZERO,
            };
            let back_in_line = asked && patience.is_some();
            Some((
                free_in,
                NextStep {
                    wait,
                    is_rate_limit_wait: back_in_line,
                    ..NextStep::immediate(*index, AttemptRole::LastResort)
                },
            ))
        });
        let limited = self.candidates.iter().enumerate().filter_map(|(index, runner)| {
            let (_, until) = runner.limit.as_ref().filter(|_| !runner.is_excluded)?;
            let next = NextStep { is_queueing: true, ..NextStep::immediate(index, AttemptRole::Ordinary) };
            Some((duration_until(*until, now).min(MAX_RANKED_LIMIT_WAIT), next))
        });
        again
            .map(|next| (next.wait, next))
            .chain(limited)
            .chain(freed)
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, next)| next)
    }

    /// How the candidates stand that were not tried yet.
    pub(super) fn untried_availability(&self) -> Vec<(usize, Availability)> {
        untried_availability(&self.router.health, &self.candidates)
    }

    /// Tells, once each, who is left alone before this one is tried.
    fn report_skipped(&mut self, standings: &[(usize, Availability)], chosen: usize) {
        for (index, standing) in standings.iter().filter(|(index, _)| *index <= chosen) {
            if let Availability::Unavailable { until, why } = standing {
                self.report_unavailable(*index, why.clone(), *until);
            }
        }
    }

    /// Tells, once, that somebody is left alone, and why.
    pub(super) fn report_unavailable(&mut self, index: usize, why: Unavailable, until: i64) {
        let model = &self.candidates[index].target.model_ref;
        if self.skipped.iter().any(|(passed, _)| passed == model) {
            return;
        }
        let skip = SkipReason::Unavailable(why, duration_until(until, self.router.health.now()));
        self.observer.on_notice(&CallNotice::Skipped { model, skip: &skip });
        self.skipped.push((model.clone(), skip));
    }
}

/// How the candidates stand that were not tried yet.
pub(super) fn untried_availability(
    health: &HealthStore,
    runners: &[CandidateState<'_>],
) -> Vec<(usize, Availability)> {
    let fresh: Vec<usize> = (0..runners.len()).filter(|index| runners[*index].is_untried()).collect();
    let standings = health.availability(fresh.iter().map(|index| runners[*index].target));
    let limited = |index: usize| {
        let (full, until) = runners[index].limit.clone()?;
        Some(Availability::Unavailable { until, why: Unavailable::AtLimit(full) })
    };
    fresh.into_iter().zip(standings).map(|(i, standing)| (i, limited(i).unwrap_or(standing))).collect()
}

/// Whose turn it is, by these standings.
pub(super) fn pick_first_available(standings: &[(usize, Availability)]) -> Option<usize> {
    Availability::pick_first(standings.iter().map(|(index, standing)| (*index, standing)))
}

fn duration_until(until: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(until - now).unwrap_or(0))
}
