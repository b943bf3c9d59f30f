//! Admission of attempts: limits, budgets, and the retry budget.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::super::health_signal::AttemptRole;
use super::super::limits::{AdmissionOutcome, Permit};
use super::CallExecution;
use super::next_step::AttemptStep;
use crate::provider::ModelRef;
use crate::route::availability::Availability;
use crate::route::call_record::StopReason;
use crate::route::observer::CallEvent;
use crate::route::plan::Plan;
use crate::route::reasons::{BudgetExceeded, CapacityLimit, Unavailable};
use crate::route::skip_reason::SkipReason;
use crate::route::spans::to_millis;

/// A call that waits longer than this reports it.
const QUEUE_NOTICE_DELAY: Duration = Duration::from_secs(1);

impl CallExecution<'_> {
    /// Requests a permit for this candidate; `None`, with the reason recorded, if it cannot start.
    pub(super) async fn admit(&mut self, index: usize) -> Option<Permit> {
        // A permit that was queued for another candidate is released.
        if let Some((_, permit)) = self.queued_permit.take().filter(|(queued, _)| *queued == index) {
            return Some(permit);
        }
        let target = self.candidates[index].target;
        let started = Instant::now();
        let Plan { request, options, .. } = self.plan;
        let (limiter, run_budget) = (&self.router.limiter, options.run_budget.as_ref());
        // Other calls may have changed what the plan knew.
        let snapshot = self.router.health.snapshot(&self.plan.keys);
        let known = &snapshot.candidates[self.candidates[index].index];
        let admission = limiter.try_admit(target, request, &snapshot.route_stats, known, run_budget).await;
        // With limits, admission waits for the ledger's writer thread, and so for other processes that write.
        self.timer.add_queue_wait(started);
        self.record_admission(index, admission)
    }

    /// Waits until a candidate at a limit can start, another one becomes available, or half of the remaining
    /// time has passed. A candidate that can start keeps its permit until its turn.
    pub(super) async fn wait_in_queue(&mut self) {
        // Do not hold one permit while waiting for another.
        self.queued_permit = None;
        let started = Instant::now();
        let Plan { request, options, .. } = self.plan;
        let max_wait = (!options.wait_for_limits).then(|| self.timer.time_left() / 2);
        let limited = self.queueable_candidates(max_wait);
        if limited.is_empty() {
            self.state.admission_failure.get_or_insert(StopReason::AtLimit);
            return;
        }
        let available_at = self.time_until_available().map(|wait| started + wait);
        let (limiter, stats) = (&self.router.limiter, &self.plan.snapshot.route_stats);
        let run_budget = options.run_budget.as_ref();
        let targets = limited.iter().map(|(index, ..)| (*index, self.candidates[*index].target));
        let mut waiting: FuturesUnordered<_> = targets
            .map(|(index, target)| async move {
                (index, limiter.admit_in_turn(target, request, stats, run_budget).await)
            })
            .collect();
        let end = max_wait.map(|max_wait| started + max_wait);
        let mut notice_at = Some(started + QUEUE_NOTICE_DELAY);
        let first = loop {
            let until = notice_at.into_iter().chain(end).chain(available_at).min();
            tokio::select! {
                first = waiting.next() => break first,
                () = sleep_until(until.unwrap_or(started)), if until.is_some() => {}
            }
            let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
            if is_past(available_at) {
                drop(waiting);
                return self.timer.add_queue_wait(started);
            }
            if is_past(end) {
                break None;
            }
            notice_at = None;
            if let Some((_, model, limit)) = limited.first() {
                self.observer.on_event(&CallEvent::WaitingForLimit { model, full: limit });
            }
        };
        drop(waiting);
        self.timer.add_queue_wait(started);
        match first {
            Some((index, admission)) => {
                self.state.candidates[index].limit = None;
                self.queued_permit = self.record_admission(index, admission).map(|permit| (index, permit));
            }
            None => {
                for (index, _, limit) in limited {
                    self.drop_limited(index, limit);
                }
                self.state.admission_failure.get_or_insert(StopReason::AtLimit);
            }
        }
    }

    /// Candidates at a limit that the call can queue for. Excludes those whose rate limit has no capacity
    /// within `max_wait`.
    fn queueable_candidates(&mut self, max_wait: Option<Duration>) -> Vec<(usize, ModelRef, CapacityLimit)> {
        let now = self.router.health.now();
        let latest = max_wait.map(|max_wait| now.saturating_add(to_millis(max_wait)));
        let mut queueable = Vec::new();
        for index in 0..self.state.candidates.len() {
            let candidate = &self.state.candidates[index];
            let Some((limit, until)) = candidate.limit.clone().filter(|_| !candidate.is_excluded) else {
                continue;
            };
            let is_rate_limit =
                matches!(limit, CapacityLimit::RequestsPerMinute(_) | CapacityLimit::TokensPerMinute(_));
            if is_rate_limit && latest.is_some_and(|latest| until > latest) {
                self.drop_limited(index, limit);
            } else {
                queueable.push((index, self.candidates[index].target.model_ref.clone(), limit));
            }
        }
        queueable
    }

    /// Time until a candidate that is not at a limit becomes available.
    fn time_until_available(&self) -> Option<Duration> {
        let now = self.router.health.now();
        let until =
            self.untried_availability().into_iter().filter_map(|(_, availability)| match availability {
                Availability::Unavailable { why: Unavailable::AtLimit(_), .. } => None,
                Availability::Unavailable { until, .. } => Some(until),
                Availability::Ready | Availability::Demoted | Availability::HalfOpen => Some(now),
            });
        until.min().map(|until| Duration::from_millis(u64::try_from(until - now).unwrap_or(0)))
    }

    /// Excludes a candidate whose limit has no capacity soon enough.
    fn drop_limited(&mut self, index: usize, limit: CapacityLimit) {
        self.state.candidates[index].is_excluded = true;
        let model = self.candidates[index].target.model_ref.clone();
        self.skipped.retain(|(skipped, _)| *skipped != model);
        self.skipped.push((model, SkipReason::Unavailable(Unavailable::AtLimit(limit), Duration::ZERO)));
    }

    /// Whether the retry budget allows this attempt. The first attempt of a call is always allowed, but as a
    /// last resort it spends budget too.
    pub(super) fn try_spend_retry(&mut self, step: &AttemptStep) -> bool {
        let candidate = &mut self.state.candidates[step.index];
        let is_last_resort = step.role == AttemptRole::LastResort;
        // Waiting for a rate limit is not a retry.
        if step.is_after_rate_limit
            || candidate.has_retry_credit
            || candidate.attempts == 0 && !is_last_resort
        {
            return true;
        }
        if self.router.retry_budget.try_spend() || self.attempts.is_empty() {
            candidate.has_retry_credit = true;
            return true;
        }
        let state = self.untried_availability().into_iter().find(|(index, _)| *index == step.index);
        if let Some((_, Availability::Unavailable { until, why })) = state {
            self.report_unavailable(step.index, why, until);
        }
        self.state.candidates[step.index].is_excluded = true;
        false
    }

    fn record_admission(&mut self, index: usize, admission: AdmissionOutcome) -> Option<Permit> {
        match admission {
            AdmissionOutcome::Admitted(permit) => {
                if let Some(warning) = permit.budget_warning() {
                    self.observer.on_event(&CallEvent::BudgetWarning(&warning));
                }
                return Some(permit);
            }
            AdmissionOutcome::AtLimit(limit, until) => {
                self.state.candidates[index].limit = Some((limit, until));
            }
            AdmissionOutcome::BudgetExceeded(exceeded) => {
                self.skip_candidate(index, SkipReason::BudgetExceeded(exceeded));
                self.record_budget_exceeded(exceeded);
            }
            AdmissionOutcome::PriceUnknown => self.skip_candidate(index, SkipReason::PriceUnknownForBudget),
            AdmissionOutcome::Undecided => self.exclude_undecided(index),
        }
        None
    }

    /// Excludes a candidate for which no decision can be read.
    pub(super) fn exclude_undecided(&mut self, index: usize) {
        self.skip_candidate(index, SkipReason::SpendingUnknown);
        self.state.admission_failure.get_or_insert(StopReason::Undecided);
    }

    /// Excludes a candidate for the rest of the call.
    fn skip_candidate(&mut self, index: usize, skip: SkipReason) {
        self.state.candidates[index].is_excluded = true;
        let model = &self.candidates[index].target.model_ref;
        // If no candidate is left, the call's error gives the reason.
        if self.state.candidates.iter().any(|candidate| !candidate.is_excluded) {
            self.observer.on_event(&CallEvent::Skipped { model, skip: &skip });
        }
        self.skipped.push((model.clone(), skip));
    }

    /// Keeps the denial with the lowest cost, which is the most informative one.
    fn record_budget_exceeded(&mut self, exceeded: BudgetExceeded) {
        match self.state.admission_failure {
            Some(StopReason::BudgetExceeded(other)) if other.cost <= exceeded.cost => {}
            _ => self.state.admission_failure = Some(StopReason::BudgetExceeded(exceeded)),
        }
    }
}
