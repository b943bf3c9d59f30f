//! The walk along a plan: attempt, retry, fail over, stop.

mod admission;
mod attempt_usage;
mod feedback;
mod next_step;
mod preconnect;
mod run_metered;
mod timeouts;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::breaker::{AttemptRole, BreakerTransition};
use super::limits::{AttemptSettlement, Permit};
use super::probe::BreakerProbe;
use super::{
    Attempt, CallAnswer, CallError, CallNotice, CallObserver, CallOptions, CallRecord, CapacityLimit, Plan,
    PlanStep, Route, RoutePolicy, Router, SkipReason, StopOrContinue, StopReason,
};
use crate::catalog::Cost;
use crate::chat::{Failure, FailureClass, Request, StreamEvent};
use crate::provider::{ExchangeRecord, ModelRef, RequestAdjustment, Target, exchange};
use attempt_usage::attempt_usage;
pub use attempt_usage::usage_cost;
use next_step::NextStep;
use preconnect::Preconnector;
use timeouts::probe_lease;

/// How many attempts a call may make over so many candidates.
pub fn max_attempts(candidates: usize) -> usize {
    (candidates + 2).max(6)
}

/// A candidate on the way.
struct CandidateState<'a> {
    target: &'a Target,
    adjustments: &'a [RequestAdjustment],
    attempts: u32,
    /// No more attempts, whatever happens.
    is_excluded: bool,
    /// Attempts that the provider refused because there were too many, and that a patient router does not count.
    uncounted_rate_limits: u32,
    /// Whether the last attempt was such a one.
    is_rate_limited: bool,
    /// When it may be tried again, after a failure that allows that.
    retry_at: Option<Instant>,
    /// Why it could not begin, and until when at most, in milliseconds since 1970.
    limit: Option<(CapacityLimit, i64)>,
    /// Whether its next attempt is paid for out of the budget of second tries.
    has_retry_credit: bool,
}

impl CandidateState<'_> {
    /// Whether it was not tried yet, and may be.
    fn is_untried(&self) -> bool {
        self.attempts == 0 && !self.is_excluded
    }
}

pub(super) struct CallExecution<'a> {
    router: &'a Router,
    policy: &'a RoutePolicy,
    /// Under which name it is kept what such answers are like.
    stats_key: String,
    request: &'a Request,
    options: &'a CallOptions,
    observer: &'a mut dyn CallObserver,
    candidates: Vec<CandidateState<'a>>,
    attempts: Vec<Attempt>,
    max_attempts: usize,
    start: Instant,
    first_token: Option<Duration>,
    /// Text that a user has seen: the commit point is behind it.
    shown_text: String,
    /// Who was left alone while another one was ready.
    skipped: Vec<(ModelRef, SkipReason)>,
    /// What will be known of breakers that attempts may have moved.
    breaker_acks: Vec<(ModelRef, FailureClass, oneshot::Receiver<Option<BreakerTransition>>)>,
    preconnector: Preconnector,
    /// Who has queued to the end, and what it got.
    queued_permit: Option<(usize, Permit)>,
    /// Why somebody could not be tried at all.
    admission_failure: Option<StopReason>,
    queued_time: Duration,
    /// How much of that it waited because providers refused it, under a patient router.
    rate_limited_time: Duration,
}

impl<'a> CallExecution<'a> {
    pub(super) fn new(
        router: &'a Router,
        route: &'a Route,
        plan: &'a Plan,
        request: &'a Request,
        options: &'a CallOptions,
        observer: &'a mut dyn CallObserver,
    ) -> Self {
        let candidates: Vec<CandidateState<'a>> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                PlanStep::Try { target, adjustments, .. } => Some(CandidateState {
                    target,
                    adjustments,
                    attempts: 0,
                    is_excluded: false,
                    uncounted_rate_limits: 0,
                    is_rate_limited: false,
                    retry_at: None,
                    limit: None,
                    has_retry_credit: false,
                }),
                PlanStep::Skip { .. } => None,
            })
            .collect();
        let max_attempts = max_attempts(candidates.len());
        Self {
            router,
            policy: &route.policy,
            stats_key: route.stats_key(),
            request,
            options,
            observer,
            candidates,
            attempts: Vec::new(),
            max_attempts,
            start: Instant::now(),
            first_token: None,
            shown_text: String::new(),
            skipped: Vec::new(),
            breaker_acks: Vec::new(),
            preconnector: Preconnector::default(),
            queued_permit: None,
            admission_failure: None,
            queued_time: Duration::ZERO,
            rate_limited_time: Duration::ZERO,
        }
    }

    /// Walks to the end, and says what became of it.
    pub(super) async fn run(mut self, route: &Route, plan: &Plan) -> CallRecord {
        let outcome = self.run_attempts().await;
        let (latency, first_token) = (self.start.elapsed(), self.first_token);
        self.report_opened_breakers().await;
        if let Ok(answer) = &outcome {
            self.router.health.record_route_stats(&self.stats_key, &answer.response.usage);
        }
        let reached = |model: &ModelRef| self.attempts.iter().any(|a| a.model_ref == *model);
        let passed_over: Vec<(ModelRef, SkipReason)> =
            self.skipped.iter().filter(|(model, _)| !reached(model)).cloned().collect();
        let not_tried = |model: &&ModelRef| !reached(model) && !passed_over.iter().any(|(m, _)| m == *model);
        let not_tried = plan.targets().map(|t| &t.model_ref).filter(not_tried).cloned().collect();
        let skipped = plan.skipped().map(|(model, skip)| (model.clone(), skip.clone()));
        CallRecord {
            id: self.options.id.clone(),
            route: route.name.clone(),
            requested_model: self.options.requested_model.clone(),
            untried: if outcome.is_ok() { Vec::new() } else { not_tried },
            skipped: skipped.chain(passed_over).collect(),
            attempts: self.attempts,
            outcome,
            first_token,
            latency,
            queued_time: self.queued_time,
        }
    }

    async fn run_attempts(&mut self) -> Result<CallAnswer, CallError> {
        let mut last: Option<(usize, Failure)> = None;
        // A failure is told once the call goes on from it; the one that ends it is told with the rest.
        let mut untold = false;
        loop {
            if let Some(why) = self.time_limit_reached() {
                return Err(self.call_error(why, last));
            }
            let next = if self.counted_attempts() < self.max_attempts {
                self.next_step(last.as_ref().map(|l| l.0))
            } else {
                None
            };
            let Some(next) = next else {
                let why =
                    if last.is_some() { StopReason::AllAttemptsFailed } else { StopReason::NoCandidate };
                return Err(self.call_error(self.admission_failure.unwrap_or(why), last));
            };
            if let (Some((index, failure)), true) = (&last, std::mem::take(&mut untold)) {
                let model = &self.candidates[*index].target.model_ref;
                self.observer.on_notice(&CallNotice::AttemptFailed { model, failure });
                if !self.shown_text.is_empty() {
                    self.observer.on_notice(&CallNotice::AnswerRestarted { model });
                    self.shown_text.clear();
                }
            }
            if next.is_queueing {
                self.wait_in_queue().await;
                continue;
            }
            if !self.try_spend_retry(&next) {
                continue;
            }
            let target = self.candidates[next.index].target;
            if next.role == AttemptRole::LastResort {
                self.observer
                    .on_notice(&CallNotice::LastResort { model: &target.model_ref, wait: next.wait });
            }
            if !next.wait.is_zero() {
                let begun = Instant::now();
                sleep(next.wait).await;
                if next.is_rate_limit_wait {
                    self.record_rate_limit_wait(begun);
                    // Others may have been refused meanwhile. How everybody stands is looked at again.
                    continue;
                }
            }
            let Some(permit) = self.admit(next.index).await else { continue };
            let probe = if next.role == AttemptRole::Probe {
                match self.router.health.acquire_probe(target, &self.options.id, probe_lease()).await {
                    Some(probe) => Some(probe),
                    // Another call was faster. How everybody stands is looked at again.
                    None => continue,
                }
            } else {
                None
            };
            let exchanged = self.run_attempt(&next, permit, probe.as_ref()).await;
            // What it taught follows at once.
            if let Some(probe) = probe {
                probe.complete();
            }
            let failure = match exchanged.outcome {
                Ok(response) => {
                    self.record_success(&next, exchanged.first_content, exchanged.duration, &response.usage);
                    return Ok(CallAnswer { response, model_ref: target.model_ref.clone() });
                }
                Err(failure) => failure,
            };
            let goes_on = self.record_failure(&next, &failure);
            untold = true;
            let broke_off = !self.shown_text.is_empty() && self.policy.on_midstream == StopOrContinue::Stop;
            last = Some((next.index, failure));
            if broke_off || !goes_on {
                let why = self.time_limit_reached().unwrap_or(StopReason::FatalFailure);
                return Err(self.call_error(why, last));
            }
        }
    }

    fn call_error(&self, why: StopReason, last: Option<(usize, Failure)>) -> CallError {
        // Whoever saw a part of an answer must hear that it is one, whatever ended the call.
        let why = if self.shown_text.is_empty() || why == StopReason::CallerTimeout {
            why
        } else {
            StopReason::AnswerInterrupted
        };
        CallError {
            reason: why,
            failure: last.map(|(_, failure)| failure),
            shown_text: self.shown_text.clone(),
        }
    }

    async fn run_attempt(
        &mut self,
        next: &NextStep,
        mut permit: Permit,
        probe: Option<&BreakerProbe>,
    ) -> ExchangeRecord {
        let timers = self.attempt_timeouts(next);
        let runner = &mut self.candidates[next.index];
        runner.attempts += 1;
        runner.retry_at = None;
        runner.has_retry_credit = false;
        let target = runner.target;
        if runner.attempts == 1 {
            for adjustment in runner.adjustments {
                let (model, adjustment) = (&target.model_ref, *adjustment);
                self.observer.on_notice(&CallNotice::RequestAdjusted { model, adjustment });
            }
        }
        let fitted = target.adapt_request(self.request, runner.adjustments);
        let started = self.start.elapsed();
        let (listener, shown) = (&mut *self.observer, &mut self.shown_text);
        let mut kept = probe.map(|probe| (probe, Instant::now()));
        let content = AtomicBool::new(false);
        let mut sink = |event: &StreamEvent| {
            if event.is_content() {
                content.store(true, Ordering::Relaxed);
            }
            if let Some((probe, last)) = &mut kept
                && event.is_content()
                && last.elapsed() >= Duration::from_secs(1)
            {
                probe.renew();
                *last = Instant::now();
            }
            if let StreamEvent::TextDelta(text) = event
                && listener.is_live()
            {
                shown.push_str(text);
            }
            listener.on_event(event);
        };
        let exchanging =
            exchange(&*self.router.transport, target, &fitted, self.options.stream, timers, &mut sink);
        let warming =
            self.preconnector.preconnect_next(self.router, &self.candidates, timers.first_token, &content);
        let work = async {
            match select(pin!(exchanging), pin!(warming)).await {
                Either::Left((exchanged, _)) => exchanged,
                Either::Right((never, _)) => match never {},
            }
        };
        let exchanged = permit.run(work).await;
        let usage = attempt_usage(&exchanged, &fitted.request);
        let cost = usage.map_or(Cost::ZERO, |usage| usage_cost(target, &usage));
        let failure = exchanged.outcome.as_ref().err().cloned();
        let refused = failure.as_ref().is_some_and(|failure| failure.class == FailureClass::RateLimited);
        permit.settle(&AttemptSettlement {
            is_answered: failure.is_none(),
            is_rate_limited: refused,
            usage,
            cost,
        });
        if failure.is_none() {
            self.router.retry_budget.credit_success();
            self.first_token = exchanged.first_content.map(|first| started + first);
        }
        self.attempts.push(Attempt {
            model_ref: target.model_ref.clone(),
            is_simulated: target.provider.simulated,
            start_offset: started,
            duration: exchanged.duration,
            usage,
            cost,
            failure,
            account: exchanged.account.clone(),
        });
        exchanged
    }
}
