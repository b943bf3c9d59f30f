//! Who may begin: limits, money and the budget of second tries.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::super::breaker::AttemptRole;
use super::super::limits::{AdmissionOutcome, Permit};
use super::CallExecution;
use super::next_step::NextStep;
use crate::provider::ModelRef;
use crate::route::{
    Availability, BudgetExceeded, CallNotice, CapacityLimit, SkipReason, StopReason, Unavailable, to_millis,
};

/// Somebody who waits for longer is told why.
const QUEUE_NOTICE_DELAY: Duration = Duration::from_secs(1);

impl CallExecution<'_> {
    /// Lets this candidate begin; `None` where it cannot, and then it is noted why.
    pub(super) async fn admit(&mut self, index: usize) -> Option<Permit> {
        // What another one queued for goes back.
        if let Some((_, permit)) = self.queued_permit.take().filter(|(held, _)| *held == index) {
            return Some(permit);
        }
        let target = self.candidates[index].target;
        let begun = Instant::now();
        let admission = self.router.limiter.try_admit(target, self.request, &self.stats_key).await;
        // Where there are limits, this waits for the ledger's writer, and so for whoever else is at the disk.
        self.record_wait(begun);
        self.record_admission(index, admission)
    }

    /// Takes the time that was spent waiting out of the call's own, where its router is patient.
    fn record_wait(&mut self, begun: Instant) {
        let waited = begun.elapsed();
        self.queued_time += waited;
        if self.router.limiter.wait_for_limits {
            // The call's clock goes on where it was.
            self.start += waited;
        }
    }

    /// As [`waited_since`](Self::waited_since), for what a provider asked a patient router to wait. That counts against the
    /// caller's own limit and against nothing else.
    pub(super) fn record_rate_limit_wait(&mut self, begun: Instant) {
        self.rate_limited_time += begun.elapsed();
        self.record_wait(begun);
    }

    /// The attempts that count: under a patient router a provider that has too many takes none away.
    pub(super) fn counted_attempts(&self) -> usize {
        let refusals: usize =
            self.candidates.iter().map(|runner| runner.uncounted_rate_limits as usize).sum();
        self.attempts.len().saturating_sub(refusals)
    }

    /// Waits until one of those that are held back by limits can begin, or somebody else is ready, or for half of what is
    /// left. Who can begin keeps what it got until its turn.
    pub(super) async fn wait_in_queue(&mut self) {
        // Nobody waits for one thing and keeps others waiting for another.
        self.queued_permit = None;
        let begun = Instant::now();
        let patience = (!self.router.limiter.wait_for_limits).then(|| self.time_left() / 2);
        let limited = self.queueable_candidates(patience);
        if limited.is_empty() {
            self.admission_failure.get_or_insert(StopReason::AtLimit);
            return;
        }
        let ready = self.time_until_available().map(|wait| begun + wait);
        let (limiter, request, habits) = (&self.router.limiter, self.request, &self.stats_key);
        let targets = limited.iter().map(|(index, ..)| (*index, self.candidates[*index].target));
        let mut waiting: FuturesUnordered<_> =
            targets
                .map(|(index, target)| async move {
                    (index, limiter.admit_in_turn(target, request, habits).await)
                })
                .collect();
        let end = patience.map(|patience| begun + patience);
        let mut told = Some(begun + QUEUE_NOTICE_DELAY);
        let first = loop {
            let until = told.into_iter().chain(end).chain(ready).min();
            tokio::select! {
                first = waiting.next() => break first,
                () = sleep_until(until.unwrap_or(begun)), if until.is_some() => {}
            }
            let passed = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
            if passed(ready) {
                drop(waiting);
                return self.record_wait(begun);
            }
            if passed(end) {
                break None;
            }
            told = None;
            if let Some((_, model, full)) = limited.first() {
                self.observer.on_notice(&CallNotice::WaitingForLimit { model, full });
            }
        };
        drop(waiting);
        self.record_wait(begun);
        match first {
            Some((index, admission)) => {
                self.candidates[index].limit = None;
                self.queued_permit = self.record_admission(index, admission).map(|permit| (index, permit));
            }
            None => {
                for (index, _, full) in limited {
                    self.drop_limited(index, full);
                }
                self.admission_failure.get_or_insert(StopReason::AtLimit);
            }
        }
    }

    /// Those that are held back by limits, without those whose minute is known to last for longer than anybody waits.
    fn queueable_candidates(&mut self, patience: Option<Duration>) -> Vec<(usize, ModelRef, CapacityLimit)> {
        let now = self.router.health.now();
        let most = patience.map(|patience| now.saturating_add(to_millis(patience)));
        let mut worth = Vec::new();
        for index in 0..self.candidates.len() {
            let runner = &self.candidates[index];
            let Some((full, until)) = runner.limit.clone().filter(|_| !runner.is_excluded) else { continue };
            let known =
                matches!(full, CapacityLimit::RequestsPerMinute(_) | CapacityLimit::TokensPerMinute(_));
            if known && most.is_some_and(|most| until > most) {
                self.drop_limited(index, full);
            } else {
                worth.push((index, self.candidates[index].target.model_ref.clone(), full));
            }
        }
        worth
    }

    /// How long until somebody is ready whom no limit holds back.
    fn time_until_available(&self) -> Option<Duration> {
        let now = self.router.health.now();
        let until = self.untried_availability().into_iter().filter_map(|(_, standing)| match standing {
            Availability::Unavailable { why: Unavailable::AtLimit(_), .. } => None,
            Availability::Unavailable { until, .. } => Some(until),
            Availability::Ready | Availability::Demoted | Availability::HalfOpen => Some(now),
        });
        until.min().map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or(0)))
    }

    /// Leaves a candidate out whose limit takes too long.
    fn drop_limited(&mut self, index: usize, full: CapacityLimit) {
        self.candidates[index].is_excluded = true;
        let model = self.candidates[index].target.model_ref.clone();
        self.skipped.retain(|(passed, _)| *passed != model);
        self.skipped.push((model, SkipReason::Unavailable(Unavailable::AtLimit(full), Duration::ZERO)));
    }

    /// Whether this attempt may be made as far as second tries go. The first attempt of a call always may; it counts where
    /// nobody was ready for it.
    pub(super) fn try_spend_retry(&mut self, next: &NextStep) -> bool {
        let runner = &mut self.candidates[next.index];
        let forced = next.role == AttemptRole::LastResort;
        // Who was refused and waited for its turn tries nothing a second time.
        if next.is_rate_limit_wait || runner.has_retry_credit || runner.attempts == 0 && !forced {
            return true;
        }
        if self.router.retry_budget.try_spend() || self.attempts.is_empty() {
            runner.has_retry_credit = true;
            return true;
        }
        let away = self.untried_availability().into_iter().find(|(index, _)| *index == next.index);
        if let Some((_, Availability::Unavailable { until, why })) = away {
            self.report_unavailable(next.index, why, until);
        }
        self.candidates[next.index].is_excluded = true;
        false
    }

    fn record_admission(&mut self, index: usize, admission: AdmissionOutcome) -> Option<Permit> {
        match admission {
            AdmissionOutcome::Admitted(permit) => return Some(permit),
            AdmissionOutcome::AtLimit(full, until) => self.candidates[index].limit = Some((full, until)),
            AdmissionOutcome::BudgetExceeded(over) => {
                self.skip_candidate(index, SkipReason::BudgetExceeded(over));
                self.record_budget_exceeded(over);
            }
            AdmissionOutcome::PriceUnknown => self.skip_candidate(index, SkipReason::PriceUnknownForBudget),
        }
        None
    }

    /// Leaves a candidate out of what is left of the call.
    fn skip_candidate(&mut self, index: usize, skip: SkipReason) {
        let runner = &mut self.candidates[index];
        runner.is_excluded = true;
        let model = &runner.target.model_ref;
        // Where nobody is left, the end of the call says it.
        if self.candidates.iter().any(|runner| !runner.is_excluded) {
            self.observer.on_notice(&CallNotice::Skipped { model, skip: &skip });
        }
        self.skipped.push((model.clone(), skip));
    }

    /// The money of the cheapest one that could not be paid says most.
    fn record_budget_exceeded(&mut self, over: BudgetExceeded) {
        match self.admission_failure {
            Some(StopReason::BudgetExceeded(other)) if other.cost <= over.cost => {}
            _ => self.admission_failure = Some(StopReason::BudgetExceeded(over)),
        }
    }
}
