//! Who comes next.

use std::time::Duration;

use tokio::time::Instant;

use super::super::breaker::Role;
use super::{Runner, Walk};
use crate::route::{Away, Health, Notice, RetryWhen, Skip, Standing};

/// Who comes next, and after which wait.
pub(super) struct Next {
    pub(super) index: usize,
    pub(super) wait: Duration,
    pub(super) role: Role,
    /// How many others could be tried at once, were it not for this one.
    pub(super) ready: usize,
    /// Whether nobody can begin, and somebody could wait for that.
    pub(super) queues: bool,
    /// Whether it waits because the provider asked a patient router to: that is no second try.
    pub(super) back_in_line: bool,
}

/// Something that a limit holds back comes before what would be free later than this by other reasons.
const SOON: Duration = Duration::from_secs(1);

impl Next {
    fn at_once(index: usize, role: Role) -> Self {
        Self { index, wait: Duration::ZERO, role, queues: false, ready: 0, back_in_line: false }
    }
}

impl Walk<'_> {
    /// Who comes next. A fresh candidate that is ready comes first, in order; with `when: first` the one that just
    /// failed comes before it. When nobody is ready, whoever frees first.
    pub(super) fn next(&mut self, last: Option<usize>) -> Option<Next> {
        let standings = self.standings();
        let mut next = self.choose(last, &standings)?;
        let ready = |(index, standing): &&(usize, Standing)| {
            *index != next.index && !matches!(standing, Standing::Away { .. })
        };
        next.ready = standings.iter().filter(ready).count();
        Some(next)
    }

    fn choose(&mut self, last: Option<usize>, standings: &[(usize, Standing)]) -> Option<Next> {
        let half = self.left() / 2;
        let patience = self.patience();
        let now = Instant::now();
        let retry = |runner: &Runner<'_>, index: usize| {
            let wait = runner.again_at?.saturating_duration_since(now);
            let patience = patience.filter(|_| runner.refused);
            let (most, back_in_line) = (patience.unwrap_or(half), patience.is_some());
            let ready = !runner.out && runner.limited.is_none() && (back_in_line || wait <= half);
            ready.then(|| Next { wait: wait.min(most), back_in_line, ..Next::at_once(index, Role::Ordinary) })
        };
        if self.policy.retry.when == RetryWhen::First
            && let Some(next) = last.and_then(|index| retry(&self.runners[index], index))
        {
            return Some(next);
        }
        if let Some(index) = turn(standings) {
            let half_open = standings.contains(&(index, Standing::HalfOpen));
            let role = if half_open { Role::Probe } else { Role::Ordinary };
            self.pass_over(standings, index);
            return Some(Next::at_once(index, role));
        }
        let again = self.runners.iter().enumerate().filter_map(|(index, runner)| retry(runner, index));
        let now = self.router.health.now();
        let freed = standings.iter().filter_map(|(index, standing)| {
            let Standing::Away { until, why } = standing else { return None };
            if matches!(why, Away::Limited(_)) {
                return None;
            }
            let free_in = wait(*until, now);
            // Only what a provider asked for is worth waiting for: it answers then. Too long, it is asked at once, but
            // for a router that has all the time that its caller gives it.
            let asked = *why == Away::Asked;
            let wait = match patience.filter(|_| asked) {
                Some(patience) => free_in.min(patience),
                None if asked && free_in <= half => free_in,
                None => Duration::ZERO,
            };
            let back_in_line = asked && patience.is_some();
            Some((free_in, Next { wait, back_in_line, ..Next::at_once(*index, Role::Forced) }))
        });
        let limited = self.runners.iter().enumerate().filter_map(|(index, runner)| {
            let (_, until) = runner.limited.as_ref().filter(|_| !runner.out)?;
            let next = Next { queues: true, ..Next::at_once(index, Role::Ordinary) };
            Some((wait(*until, now).min(SOON), next))
        });
        again
            .map(|next| (next.wait, next))
            .chain(limited)
            .chain(freed)
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, next)| next)
    }

    /// How the candidates stand that were not tried yet.
    pub(super) fn standings(&self) -> Vec<(usize, Standing)> {
        standings(&self.router.health, &self.runners)
    }

    /// Tells, once each, who is left alone before this one is tried.
    fn pass_over(&mut self, standings: &[(usize, Standing)], chosen: usize) {
        for (index, standing) in standings.iter().filter(|(index, _)| *index <= chosen) {
            if let Standing::Away { until, why } = standing {
                self.leave_alone(*index, why.clone(), *until);
            }
        }
    }

    /// Tells, once, that somebody is left alone, and why.
    pub(super) fn leave_alone(&mut self, index: usize, why: Away, until: i64) {
        let model = &self.runners[index].target.model_ref;
        if self.passed_over.iter().any(|(passed, _)| passed == model) {
            return;
        }
        let skip = Skip::Away(why, wait(until, self.router.health.now()));
        self.listener.notice(&Notice::PassedOver { model, skip: &skip });
        self.passed_over.push((model.clone(), skip));
    }
}

/// How the candidates stand that were not tried yet.
pub(super) fn standings(health: &Health, runners: &[Runner<'_>]) -> Vec<(usize, Standing)> {
    let fresh: Vec<usize> = (0..runners.len()).filter(|index| runners[*index].is_fresh()).collect();
    let standings = health.standings(fresh.iter().map(|index| runners[*index].target));
    let limited = |index: usize| {
        let (full, until) = runners[index].limited.clone()?;
        Some(Standing::Away { until, why: Away::Limited(full) })
    };
    fresh.into_iter().zip(standings).map(|(i, standing)| (i, limited(i).unwrap_or(standing))).collect()
}

/// Whose turn it is, by these standings.
pub(super) fn turn(standings: &[(usize, Standing)]) -> Option<usize> {
    Standing::whose_turn(standings.iter().map(|(index, standing)| (*index, standing)))
}

fn wait(until: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(until - now).unwrap_or(0))
}
