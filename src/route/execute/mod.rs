//! Executes a plan: attempts, retries, failover, and stopping.

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
pub(crate) use attempt_usage::usage_cost;
use next_step::NextStep;
use preconnect::Preconnector;
use timeouts::probe_lease;

/// Maximum number of attempts for a call with this many candidates.
pub(crate) fn max_attempts(candidates: usize) -> usize {
    (candidates + 2).max(6)
}

/// State of a candidate during the call.
struct CandidateState<'a> {
    target: &'a Target,
    adjustments: &'a [RequestAdjustment],
    attempts: u32,
    /// Set once no further attempt is allowed.
    is_excluded: bool,
    /// Attempts that got a 429 and do not count, because the router waits for limits.
    uncounted_rate_limits: u32,
    /// Whether the last attempt was one of those.
    is_rate_limited: bool,
    /// Earliest retry, after a failure that allows one.
    retry_at: Option<Instant>,
    /// The limit that kept it from starting, and when capacity is free at the latest, in milliseconds since
    /// 1970.
    limit: Option<(CapacityLimit, i64)>,
    /// Whether its next attempt was already paid for from the retry budget.
    has_retry_credit: bool,
}

impl CandidateState<'_> {
    fn is_untried(&self) -> bool {
        self.attempts == 0 && !self.is_excluded
    }
}

pub(super) struct CallExecution<'a> {
    router: &'a Router,
    policy: &'a RoutePolicy,
    /// Key of the route's stats in the ledger.
    stats_key: String,
    request: &'a Request,
    options: &'a CallOptions,
    observer: &'a mut dyn CallObserver,
    candidates: Vec<CandidateState<'a>>,
    attempts: Vec<Attempt>,
    max_attempts: usize,
    start: Instant,
    first_token: Option<Duration>,
    /// Text that the user has seen. If there is any, failover restarts the answer.
    shown_text: String,
    /// Candidates that the execution skipped, with the reason.
    skipped: Vec<(ModelRef, SkipReason)>,
    /// Pending breaker transitions of this call's attempts.
    breaker_acks: Vec<(ModelRef, FailureClass, oneshot::Receiver<Option<BreakerTransition>>)>,
    preconnector: Preconnector,
    /// A candidate that got through its queue, and its permit.
    queued_permit: Option<(usize, Permit)>,
    /// Why a candidate could not be tried at all.
    admission_failure: Option<StopReason>,
    queued_time: Duration,
    /// Part of `queued_time` spent on 429s, if the router waits for limits.
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

    pub(super) async fn run(mut self, route: &Route, plan: &Plan) -> CallRecord {
        let outcome = self.run_attempts().await;
        let (latency, first_token) = (self.start.elapsed(), self.first_token);
        self.report_opened_breakers().await;
        if let Ok(answer) = &outcome {
            self.router.health.record_route_stats(&self.stats_key, &answer.response.usage);
        }
        let reached = |model: &ModelRef| self.attempts.iter().any(|a| a.model_ref == *model);
        let skipped_candidates: Vec<(ModelRef, SkipReason)> =
            self.skipped.iter().filter(|(model, _)| !reached(model)).cloned().collect();
        let untried =
            |model: &&ModelRef| !reached(model) && !skipped_candidates.iter().any(|(m, _)| m == *model);
        let untried = plan.targets().map(|t| &t.model_ref).filter(untried).cloned().collect();
        let skipped = plan.skipped().map(|(model, skip)| (model.clone(), skip.clone()));
        CallRecord {
            id: self.options.id.clone(),
            route: route.name.clone(),
            requested_model: self.options.requested_model.clone(),
            untried: if outcome.is_ok() { Vec::new() } else { untried },
            skipped: skipped.chain(skipped_candidates).collect(),
            attempts: self.attempts,
            outcome,
            first_token,
            latency,
            queued_time: self.queued_time,
        }
    }

    async fn run_attempts(&mut self) -> Result<CallAnswer, CallError> {
        let mut last: Option<(usize, Failure)> = None;
        // A failure is reported when the call continues after it; the last one is part of the call's error.
        let mut is_unreported = false;
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
            if let (Some((index, failure)), true) = (&last, std::mem::take(&mut is_unreported)) {
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
            if next.role == AttemptRole::LastResort
                && let Some(skip) = self.unavailable_reason(next.index)
            {
                let (model, skip) = (&target.model_ref, &skip);
                self.observer.on_notice(&CallNotice::LastResort { model, skip, wait: next.wait });
            }
            if !next.wait.is_zero() {
                let started = Instant::now();
                sleep(next.wait).await;
                if next.is_rate_limit_wait {
                    self.record_rate_limit_wait(started);
                    // Availability may have changed during the wait.
                    continue;
                }
            }
            let Some(permit) = self.admit(next.index).await else { continue };
            let probe = if next.role == AttemptRole::Probe {
                match self.router.health.acquire_probe(target, &self.options.id, probe_lease()).await {
                    Some(probe) => Some(probe),
                    // Another call acquired it first, so check availability again.
                    None => continue,
                }
            } else {
                None
            };
            let record = self.run_attempt(&next, permit, probe.as_ref()).await;
            // The attempt's feedback is recorded below.
            if let Some(probe) = probe {
                probe.complete();
            }
            let failure = match record.outcome {
                Ok(response) => {
                    self.record_success(&next, record.first_content, record.duration, &response.usage);
                    return Ok(CallAnswer { response, model_ref: target.model_ref.clone() });
                }
                Err(failure) => failure,
            };
            let can_fail_over = self.record_failure(&next, &failure);
            is_unreported = true;
            let broke_off = !self.shown_text.is_empty() && self.policy.on_midstream == StopOrContinue::Stop;
            last = Some((next.index, failure));
            if broke_off || !can_fail_over {
                let why = self.time_limit_reached().unwrap_or(StopReason::FatalFailure);
                return Err(self.call_error(why, last));
            }
        }
    }

    fn call_error(&self, why: StopReason, last: Option<(usize, Failure)>) -> CallError {
        // A user who has seen part of an answer must learn that it is incomplete.
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
        let timeouts = self.attempt_timeouts(next);
        let candidate = &mut self.candidates[next.index];
        candidate.attempts += 1;
        candidate.retry_at = None;
        candidate.has_retry_credit = false;
        let target = candidate.target;
        if candidate.attempts == 1 {
            for adjustment in candidate.adjustments {
                let (model, adjustment) = (&target.model_ref, *adjustment);
                self.observer.on_notice(&CallNotice::RequestAdjusted { model, adjustment });
            }
        }
        let adapted = target.adapt_request(self.request, candidate.adjustments);
        let start_offset = self.start.elapsed();
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
                && observer.is_live()
            {
                shown.push_str(text);
            }
            observer.on_event(event);
        };
        let exchange =
            exchange(&*self.router.transport, target, &adapted, self.options.stream, timeouts, &mut sink);
        let preconnect = self.preconnector.preconnect_next(
            self.router,
            &self.candidates,
            timeouts.first_token,
            &has_content,
        );
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
        permit.settle(&AttemptSettlement { is_answered: failure.is_none(), is_rate_limited, usage, cost });
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
