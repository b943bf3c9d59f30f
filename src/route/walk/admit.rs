//! Who may begin: limits, money and the budget of second tries.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::super::breaker::Role;
use super::super::limits::{Admission, Permit};
use super::Walk;
use super::next::Next;
use crate::provider::ModelRef;
use crate::route::{Away, Full, Notice, Over, Skip, Standing, Why, milliseconds};

/// Somebody who waits for longer is told why.
const PATIENCE: Duration = Duration::from_secs(1);

impl Walk<'_> {
    /// Lets this candidate begin; `None` where it cannot, and then it is noted why.
    pub(super) async fn admit(&mut self, index: usize) -> Option<Permit> {
        // What another one queued for goes back.
        if let Some((_, permit)) = self.held.take().filter(|(held, _)| *held == index) {
            return Some(permit);
        }
        let target = self.runners[index].target;
        let begun = Instant::now();
        let admission = self.router.limiter.admit(target, self.request, &self.habits).await;
        // Where there are limits, this waits for the ledger's writer, and so for whoever else is at the disk.
        self.waited_since(begun);
        self.note(index, admission)
    }

    /// Takes the time that was spent waiting out of the call's own, where its router is patient.
    fn waited_since(&mut self, begun: Instant) {
        let waited = begun.elapsed();
        self.queued += waited;
        if self.router.limiter.patient {
            // The call's clock goes on where it was.
            self.start += waited;
        }
    }

    /// As [`waited_since`](Self::waited_since), for what a provider asked a patient router to wait. That counts against the
    /// caller's own limit and against nothing else.
    pub(super) fn was_refused_since(&mut self, begun: Instant) {
        self.refused_for += begun.elapsed();
        self.waited_since(begun);
    }

    /// The attempts that count: under a patient router a provider that has too many takes none away.
    pub(super) fn counted_attempts(&self) -> usize {
        let refusals: usize = self.runners.iter().map(|runner| runner.refusals as usize).sum();
        self.attempts.len().saturating_sub(refusals)
    }

    /// Waits until one of those that are held back by limits can begin, or somebody else is ready, or for half of what is
    /// left. Who can begin keeps what it got until its turn.
    pub(super) async fn queue(&mut self) {
        // Nobody waits for one thing and keeps others waiting for another.
        self.held = None;
        let begun = Instant::now();
        let patience = (!self.router.limiter.patient).then(|| self.left() / 2);
        let limited = self.worth_waiting_for(patience);
        if limited.is_empty() {
            self.barred.get_or_insert(Why::Limited);
            return;
        }
        let ready = self.ready_in().map(|wait| begun + wait);
        let (limiter, request, habits) = (&self.router.limiter, self.request, &self.habits);
        let targets = limited.iter().map(|(index, ..)| (*index, self.runners[*index].target));
        let mut waiting: FuturesUnordered<_> = targets
            .map(|(index, target)| async move { (index, limiter.wait(target, request, habits).await) })
            .collect();
        let end = patience.map(|patience| begun + patience);
        let mut told = Some(begun + PATIENCE);
        let first = loop {
            let until = told.into_iter().chain(end).chain(ready).min();
            tokio::select! {
                first = waiting.next() => break first,
                () = sleep_until(until.unwrap_or(begun)), if until.is_some() => {}
            }
            let passed = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
            if passed(ready) {
                drop(waiting);
                return self.waited_since(begun);
            }
            if passed(end) {
                break None;
            }
            told = None;
            if let Some((_, model, full)) = limited.first() {
                self.listener.notice(&Notice::Queued { model, full });
            }
        };
        drop(waiting);
        self.waited_since(begun);
        match first {
            Some((index, admission)) => {
                self.runners[index].limited = None;
                self.held = self.note(index, admission).map(|permit| (index, permit));
            }
            None => {
                for (index, _, full) in limited {
                    self.give_up(index, full);
                }
                self.barred.get_or_insert(Why::Limited);
            }
        }
    }

    /// Those that are held back by limits, without those whose minute is known to last for longer than anybody waits.
    fn worth_waiting_for(&mut self, patience: Option<Duration>) -> Vec<(usize, ModelRef, Full)> {
        let now = self.router.health.now();
        let most = patience.map(|patience| now.saturating_add(milliseconds(patience)));
        let mut worth = Vec::new();
        for index in 0..self.runners.len() {
            let runner = &self.runners[index];
            let Some((full, until)) = runner.limited.clone().filter(|_| !runner.out) else { continue };
            let known = matches!(full, Full::Requests(_) | Full::Tokens(_));
            if known && most.is_some_and(|most| until > most) {
                self.give_up(index, full);
            } else {
                worth.push((index, self.runners[index].target.model_ref.clone(), full));
            }
        }
        worth
    }

    /// How long until somebody is ready whom no limit holds back.
    fn ready_in(&self) -> Option<Duration> {
        let now = self.router.health.now();
        let until = self.standings().into_iter().filter_map(|(_, standing)| match standing {
            Standing::Away { why: Away::Limited(_), .. } => None,
            Standing::Away { until, .. } => Some(until),
            Standing::Ready | Standing::Demoted | Standing::HalfOpen => Some(now),
        });
        until.min().map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or(0)))
    }

    /// Leaves a candidate out whose limit takes too long.
    fn give_up(&mut self, index: usize, full: Full) {
        self.runners[index].out = true;
        let model = self.runners[index].target.model_ref.clone();
        self.passed_over.retain(|(passed, _)| *passed != model);
        self.passed_over.push((model, Skip::Away(Away::Limited(full), Duration::ZERO)));
    }

    /// Whether this attempt may be made as far as second tries go. The first attempt of a call always may; it counts where
    /// nobody was ready for it.
    pub(super) fn pays_for_another_try(&mut self, next: &Next) -> bool {
        let runner = &mut self.runners[next.index];
        let forced = next.role == Role::Forced;
        // Who was refused and waited for its turn tries nothing a second time.
        if next.back_in_line || runner.may_retry || runner.attempts == 0 && !forced {
            return true;
        }
        if self.router.retries.take() || self.attempts.is_empty() {
            runner.may_retry = true;
            return true;
        }
        let away = self.standings().into_iter().find(|(index, _)| *index == next.index);
        if let Some((_, Standing::Away { until, why })) = away {
            self.leave_alone(next.index, why, until);
        }
        self.runners[next.index].out = true;
        false
    }

    fn note(&mut self, index: usize, admission: Admission) -> Option<Permit> {
        match admission {
            Admission::Go(permit) => return Some(permit),
            Admission::NotYet(full, until) => self.runners[index].limited = Some((full, until)),
            Admission::Never(over) => {
                self.leave_out(index, Skip::Over(over));
                self.bar(over);
            }
            Admission::Unpriced => self.leave_out(index, Skip::Unpriced),
        }
        None
    }

    /// Leaves a candidate out of what is left of the call.
    fn leave_out(&mut self, index: usize, skip: Skip) {
        let runner = &mut self.runners[index];
        runner.out = true;
        let model = &runner.target.model_ref;
        // Where nobody is left, the end of the call says it.
        if self.runners.iter().any(|runner| !runner.out) {
            self.listener.notice(&Notice::PassedOver { model, skip: &skip });
        }
        self.passed_over.push((model.clone(), skip));
    }

    /// The money of the cheapest one that could not be paid says most.
    fn bar(&mut self, over: Over) {
        match self.barred {
            Some(Why::Over(other)) if other.cost <= over.cost => {}
            _ => self.barred = Some(Why::Over(over)),
        }
    }
}
