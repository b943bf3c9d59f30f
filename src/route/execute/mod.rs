//! Executes a plan: attempts, retries, failover, and stopping.

mod admission;
mod attempt_usage;
mod call_state;
mod call_timer;
mod feedback;
mod next_step;
mod preconnect;
mod run_metered;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use super::availability::{Availability, availability_at};
use super::call_record::{Attempt, CallAnswer, CallError, CallRecord, StopReason};
use super::health_signal::{AttemptRole, BreakerTransition};
use super::limits::{AttemptSettlement, Permit};
use super::observer::{CallEvent, Observer};
use super::plan::{Plan, PlanStep};
use super::policy::StopOrContinue;
use super::probe::BreakerProbe;
use super::reasons::Unavailable;
use super::router::Router;
use super::skip_reason::SkipReason;
use super::store::StoreFuture;
use crate::catalog::Cost;
use crate::chat::{Failure, FailureClass, StreamEvent};
use crate::provider::{ExchangeRecord, ModelRef, RequestAdjustment, Target, exchange};
use attempt_usage::attempt_usage;
pub(crate) use attempt_usage::usage_cost;
use call_state::CallState;
pub(crate) use call_state::max_attempts;
use call_timer::{CallTimer, first_token_timeout, probe_lease};
use next_step::{AttemptStep, NextStep, duration_until, next_step};
use preconnect::Preconnector;

/// A longer wait before an attempt is reported.
const MAX_SILENT_WAIT: Duration = Duration::from_secs(2);

/// A candidate that the plan tries.
#[derive(Clone, Copy)]
struct PlannedCandidate<'a> {
    /// Index in the plan's snapshot.
    index: usize,
    target: &'a Target,
    adjustments: &'a [RequestAdjustment],
}

/// The candidates of a call that have not been tried.
#[derive(Clone, Copy)]
struct UntriedCandidates<'a> {
    router: &'a Router,
    plan: &'a Plan<'a>,
    candidates: &'a [PlannedCandidate<'a>],
    state: &'a CallState,
}

impl UntriedCandidates<'_> {
    /// The index and availability of each.
    fn availability(&self) -> Vec<(usize, Availability)> {
        let untried = self.state.untried();
        if untried.is_empty() {
            return Vec::new();
        }
        let health = &self.router.health;
        let (snapshot, now) = (health.snapshot(&self.plan.keys), health.now());
        let availability = |index: usize| {
            let availability = availability_at(&snapshot.candidates[self.candidates[index].index], now);
            (index, self.state.limited_availability(index, availability))
        };
        untried.into_iter().map(availability).collect()
    }
}

/// A call in progress.
pub(super) struct CallExecution<'a> {
    router: &'a Router,
    plan: &'a Plan<'a>,
    observer: &'a mut dyn Observer,
    /// Key of the route's stats in the ledger.
    stats_key: String,
    candidates: Vec<PlannedCandidate<'a>>,
    state: CallState,
    timer: CallTimer<'a>,
    attempts: Vec<Attempt>,
    last_failure: Option<Failure>,
    is_last_failure_reported: bool,
    first_token: Option<Duration>,
    /// Text that the user has seen. If there is any, failover restarts the answer.
    shown_text: String,
    /// Candidates that the execution skipped, with the reason.
    skipped: Vec<(ModelRef, SkipReason)>,
    /// Pending breaker transitions of this call's attempts.
    breaker_acks: Vec<(ModelRef, FailureClass, StoreFuture<Option<BreakerTransition>>)>,
    preconnector: Preconnector,
    /// A candidate that got through its queue, and its permit.
    queued_permit: Option<(usize, Permit)>,
}

impl<'a> CallExecution<'a> {
    pub(super) fn new(router: &'a Router, plan: &'a Plan<'a>, observer: &'a mut dyn Observer) -> Self {
        let planned = plan.steps.iter().filter_map(|step| match step {
            PlanStep::Try { candidate, target, adjustments, .. } => {
                Some(PlannedCandidate { index: *candidate, target, adjustments })
            }
            PlanStep::Skip { .. } => None,
        });
        let candidates: Vec<PlannedCandidate<'a>> = planned.collect();
        Self {
            router,
            plan,
            observer,
            stats_key: plan.route.stats_key(),
            state: CallState::new(candidates.len()),
            candidates,
            timer: CallTimer::start(plan.options, plan.route.policy.timeouts),
            attempts: Vec::new(),
            last_failure: None,
            is_last_failure_reported: false,
            first_token: None,
            shown_text: String::new(),
            skipped: Vec::new(),
            breaker_acks: Vec::new(),
            preconnector: Preconnector::default(),
            queued_permit: None,
        }
    }

    pub(super) async fn run(mut self) -> CallRecord {
        let outcome = self.run_steps().await;
        let (latency, first_token) = (self.timer.elapsed(), self.first_token);
        self.report_opened_breakers().await;
        if let Ok(answer) = &outcome {
            self.router.health.record_route_stats(&self.stats_key, &answer.response.usage);
        }
        let plan = self.plan;
        let reached = |model: &ModelRef| self.attempts.iter().any(|a| a.model_ref == *model);
        let skipped_candidates: Vec<(ModelRef, SkipReason)> =
            self.skipped.iter().filter(|(model, _)| !reached(model)).cloned().collect();
        let untried =
            |model: &&ModelRef| !reached(model) && !skipped_candidates.iter().any(|(m, _)| m == *model);
        let untried = plan.targets().map(|t| &t.model_ref).filter(untried).cloned().collect();
        let skipped = plan.skipped().map(|(model, skip)| (model.clone(), skip.clone()));
        CallRecord {
            id: plan.options.id.clone(),
            route: plan.route.name.clone(),
            requested_model: plan.options.requested_model.clone(),
            untried: if outcome.is_ok() { Vec::new() } else { untried },
            skipped: skipped.chain(skipped_candidates).collect(),
            attempts: self.attempts,
            outcome,
            first_token,
            latency,
            queued_time: self.timer.queued_time(),
        }
    }

    async fn run_steps(&mut self) -> Result<CallAnswer, CallError> {
        loop {
            let availabilities = self.untried_availability();
            let time = self.timer.call_time(self.router.health.now());
            let step = next_step(&self.state, self.plan.route.policy.retry.when, &time, &availabilities);
            tracing::debug!(?step, "next step");
            if let NextStep::Stop(reason) = step {
                return Err(self.call_error(reason));
            }
            self.report_skipped(&step, &availabilities);
            self.report_failed_attempt();
            match step {
                NextStep::Stop(_) => {}
                NextStep::Queue => self.wait_in_queue().await,
                NextStep::Wait { index, duration, role } => {
                    self.report_wait(index, role, duration);
                    let started = Instant::now();
                    sleep(duration).await;
                    self.timer.add_rate_limit_wait(started);
                }
                NextStep::Probe(step) | NextStep::Attempt(step) => {
                    if let Some(outcome) = self.try_candidate(&step).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Makes one attempt. `None` if the call continues after it, or if it could not start.
    async fn try_candidate(&mut self, step: &AttemptStep) -> Option<Result<CallAnswer, CallError>> {
        if !self.try_spend_retry(step) {
            return None;
        }
        let target = self.candidates[step.index].target;
        self.report_wait(step.index, step.role, step.wait);
        if !step.wait.is_zero() {
            sleep(step.wait).await;
        }
        let permit = self.admit(step.index).await?;
        let probe = match step.role {
            // If another call acquired it first, availability is checked again.
            AttemptRole::Probe => {
                let call_id = &self.plan.options.id;
                match self.router.health.acquire_probe(target, call_id, probe_lease()).await {
                    Ok(probe) => Some(probe?),
                    Err(_) => {
                        self.exclude_undecided(step.index);
                        return None;
                    }
                }
            }
            AttemptRole::Ordinary | AttemptRole::LastResort => None,
        };
        let record = self.run_attempt(step, permit, probe.as_ref()).await;
        // The attempt's feedback is recorded below.
        if let Some(probe) = probe {
            probe.complete();
        }
        let failure = match record.outcome {
            Ok(response) => {
                self.record_success(step, record.first_content, record.duration, &response.usage);
                return Some(Ok(CallAnswer { response, model_ref: target.model_ref.clone() }));
            }
            Err(failure) => failure,
        };
        let can_fail_over = self.record_failure(step, &failure);
        (self.last_failure, self.is_last_failure_reported) = (Some(failure), false);
        self.state.last_failed = Some(step.index);
        let is_interrupted =
            !self.shown_text.is_empty() && self.plan.route.policy.on_midstream == StopOrContinue::Stop;
        if is_interrupted || !can_fail_over {
            let reason = self.timer.limit_reached().unwrap_or(StopReason::FatalFailure);
            return Some(Err(self.call_error(reason)));
        }
        None
    }

    fn call_error(&mut self, reason: StopReason) -> CallError {
        // A user who has seen part of an answer must learn that it is incomplete.
        let reason = if self.shown_text.is_empty() || reason == StopReason::CallerTimeout {
            reason
        } else {
            StopReason::AnswerInterrupted
        };
        CallError { reason, failure: self.last_failure.take(), shown_text: self.shown_text.clone() }
    }

    fn untried_availability(&self) -> Vec<(usize, Availability)> {
        let Self { router, plan, candidates, state, .. } = self;
        UntriedCandidates { router, plan, candidates, state }.availability()
    }

    /// Reports, once each, the unavailable candidates that precede the chosen one.
    fn report_skipped(&mut self, step: &NextStep, availabilities: &[(usize, Availability)]) {
        let (NextStep::Probe(step) | NextStep::Attempt(step)) = step else { return };
        let is_first_attempt = self.state.candidates[step.index].attempts == 0;
        if step.role == AttemptRole::LastResort || !is_first_attempt {
            return;
        }
        for (index, availability) in availabilities.iter().filter(|(index, _)| *index < step.index) {
            if let Availability::Unavailable { until, why } = availability {
                self.report_unavailable(*index, why.clone(), *until);
            }
        }
    }

    /// Reports, once, that a candidate is unavailable.
    fn report_unavailable(&mut self, index: usize, why: Unavailable, until: i64) {
        let model = &self.candidates[index].target.model_ref;
        if self.skipped.iter().any(|(skipped, _)| skipped == model) {
            return;
        }
        let skip = SkipReason::Unavailable(why, duration_until(until, self.router.health.now()));
        self.observer.on_event(&CallEvent::Skipped { model, skip: &skip });
        self.skipped.push((model.clone(), skip));
    }

    /// Reports the failure of the last attempt, once, when the call continues after it. The failure that ends
    /// a call is part of its error.
    fn report_failed_attempt(&mut self) {
        let Some((failure, index)) = self.last_failure.as_ref().zip(self.state.last_failed) else { return };
        if std::mem::replace(&mut self.is_last_failure_reported, true) {
            return;
        }
        let model = &self.candidates[index].target.model_ref;
        self.observer.on_event(&CallEvent::AttemptFailed { model, failure });
        if !self.shown_text.is_empty() {
            self.observer.on_event(&CallEvent::AnswerRestarted { model });
            self.shown_text.clear();
        }
    }

    /// Reports a long wait before an attempt, and that an unavailable candidate is tried, unless it has become
    /// available by now.
    fn report_wait(&mut self, index: usize, role: AttemptRole, wait: Duration) {
        if role != AttemptRole::LastResort {
            if wait > MAX_SILENT_WAIT {
                let model = &self.candidates[index].target.model_ref;
                self.observer.on_event(&CallEvent::WaitingToRetry { model, wait });
            }
            return;
        }
        let availability = self.untried_availability().into_iter().find(|(untried, _)| *untried == index);
        let Some((_, Availability::Unavailable { until, why })) = availability else { return };
        let skip = SkipReason::Unavailable(why, duration_until(until, self.router.health.now()));
        let model = &self.candidates[index].target.model_ref;
        self.observer.on_event(&CallEvent::LastResort { model, skip: &skip, wait });
    }

    async fn run_attempt(
        &mut self,
        step: &AttemptStep,
        mut permit: Permit,
        probe: Option<&BreakerProbe>,
    ) -> ExchangeRecord {
        let PlannedCandidate { target, adjustments, .. } = self.candidates[step.index];
        let timeouts = self.timer.attempt_timeouts(step, target);
        let candidate = &mut self.state.candidates[step.index];
        candidate.attempts += 1;
        candidate.retry_at = None;
        candidate.has_retry_credit = false;
        if candidate.attempts == 1 {
            for adjustment in adjustments {
                let (model, adjustment) = (&target.model_ref, *adjustment);
                self.observer.on_event(&CallEvent::RequestAdjusted { model, adjustment });
            }
        }
        let adapted = target.adapt_request(self.plan.request, adjustments);
        let start_offset = self.timer.elapsed();
        let shows_text = self.plan.options.shows_text;
        let (observer, shown) = (&mut *self.observer, &mut self.shown_text);
        let mut probe_renewal = probe.map(|probe| (probe, Instant::now()));
        let has_content = AtomicBool::new(false);
        let mut sink = |event: &StreamEvent| {
            if event.is_content() {
                has_content.store(true, Ordering::Relaxed);
            }
            if let Some((probe, last)) = &mut probe_renewal
                && event.is_content()
                && last.elapsed() >= Duration::from_secs(1)
            {
                probe.renew();
                *last = Instant::now();
            }
            if let StreamEvent::TextDelta(text) = event
                && shows_text
            {
                shown.push_str(text);
            }
            observer.on_event(&CallEvent::Stream(event));
        };
        let stream = self.plan.options.stream;
        let exchange = exchange(&*self.router.transport, target, &adapted, stream, timeouts, &mut sink);
        let others = UntriedCandidates {
            router: self.router,
            plan: self.plan,
            candidates: &self.candidates,
            state: &self.state,
        };
        let preconnect = self.preconnector.preconnect_next(others, timeouts.first_token, &has_content);
        let work = async {
            match select(pin!(exchange), pin!(preconnect)).await {
                Either::Left((record, _)) => record,
                Either::Right((never, _)) => match never {},
            }
        };
        let record = permit.run(work).await;
        let usage = attempt_usage(&record, &adapted.request);
        let cost = usage.map_or(Cost::ZERO, |usage| usage_cost(target, &usage));
        let failure = record.outcome.as_ref().err().cloned();
        let is_rate_limited =
            failure.as_ref().is_some_and(|failure| failure.class == FailureClass::RateLimited);
        let settlement = AttemptSettlement { is_answered: failure.is_none(), is_rate_limited, usage, cost };
        if let Some(warning) = permit.settle(&settlement) {
            self.observer.on_event(&CallEvent::BudgetWarning(&warning));
        }
        tracing::debug!(
            model = %target.model_ref,
            duration_ms = record.duration.as_millis(),
            first_content_ms = record.first_content.map(|first| first.as_millis()),
            failure = failure.as_ref().map(|failure| failure.class.as_str()),
            status = failure.as_ref().and_then(|failure| failure.status),
            "attempt ended"
        );
        if failure.is_none() {
            self.router.retry_budget.credit_success();
            self.first_token = record.first_content.map(|first| start_offset + first);
        }
        self.attempts.push(Attempt {
            model_ref: target.model_ref.clone(),
            is_simulated: target.provider.simulated,
            start_offset,
            duration: record.duration,
            usage,
            cost,
            failure,
            account: record.account.clone(),
        });
        record
    }
}
