//! The walk along a plan: attempt, retry, fail over, stop.

mod admit;
mod apart;
mod learn;
mod next;
mod spent;
mod timers;
mod warm;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::breaker::{Change, Role};
use super::limits::{Permit, Settled};
use super::probe::Probe;
use super::{
    Answer, Attempt, CallOptions, CallRecord, Choice, Full, Listener, NoAnswer, Notice, Plan, PlanStep,
    Policy, Route, Router, Skip, Why,
};
use crate::catalog::Cost;
use crate::chat::{Event, Failure, FailureClass, Request};
use crate::provider::{Adjustment, Exchanged, ModelRef, Target, exchange};
use next::Next;
pub use spent::cost_of;
use spent::spent;
use timers::lease;
use warm::Warming;

/// How many attempts a call may make over so many candidates.
pub fn most_attempts(candidates: usize) -> usize {
    (candidates + 2).max(6)
}

/// A candidate on the way.
struct Runner<'a> {
    target: &'a Target,
    adjustments: &'a [Adjustment],
    attempts: u32,
    /// No more attempts, whatever happens.
    out: bool,
    /// Attempts that the provider refused because there were too many, and that a patient router does not count.
    refusals: u32,
    /// Whether the last attempt was such a one.
    refused: bool,
    /// When it may be tried again, after a failure that allows that.
    again_at: Option<Instant>,
    /// Why it could not begin, and until when at most, in milliseconds since 1970.
    limited: Option<(Full, i64)>,
    /// Whether its next attempt is paid for out of the budget of second tries.
    may_retry: bool,
}

impl Runner<'_> {
    /// Whether it was not tried yet, and may be.
    fn is_fresh(&self) -> bool {
        self.attempts == 0 && !self.out
    }
}

pub(super) struct Walk<'a> {
    router: &'a Router,
    policy: &'a Policy,
    /// Under which name it is kept what such answers are like.
    habits: String,
    request: &'a Request,
    options: &'a CallOptions,
    listener: &'a mut dyn Listener,
    runners: Vec<Runner<'a>>,
    attempts: Vec<Attempt>,
    most_attempts: usize,
    start: Instant,
    first_token: Option<Duration>,
    /// Text that a user has seen: the commit point is behind it.
    shown: String,
    /// Who was left alone while another one was ready.
    passed_over: Vec<(ModelRef, Skip)>,
    /// What will be known of breakers that attempts may have moved.
    receipts: Vec<(ModelRef, FailureClass, oneshot::Receiver<Option<Change>>)>,
    warming: Warming,
    /// Who has queued to the end, and what it got.
    held: Option<(usize, Permit)>,
    /// Why somebody could not be tried at all.
    barred: Option<Why>,
    queued: Duration,
    /// How much of that it waited because providers refused it, under a patient router.
    refused_for: Duration,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        router: &'a Router,
        route: &'a Route,
        plan: &'a Plan,
        request: &'a Request,
        options: &'a CallOptions,
        listener: &'a mut dyn Listener,
    ) -> Self {
        let runners: Vec<Runner<'a>> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                PlanStep::Try { target, adjustments, .. } => Some(Runner {
                    target,
                    adjustments,
                    attempts: 0,
                    out: false,
                    refusals: 0,
                    refused: false,
                    again_at: None,
                    limited: None,
                    may_retry: false,
                }),
                PlanStep::Skip { .. } => None,
            })
            .collect();
        let most_attempts = most_attempts(runners.len());
        Self {
            router,
            policy: &route.policy,
            habits: route.habits(),
            request,
            options,
            listener,
            runners,
            attempts: Vec::new(),
            most_attempts,
            start: Instant::now(),
            first_token: None,
            shown: String::new(),
            passed_over: Vec::new(),
            receipts: Vec::new(),
            warming: Warming::default(),
            held: None,
            barred: None,
            queued: Duration::ZERO,
            refused_for: Duration::ZERO,
        }
    }

    /// Walks to the end, and says what became of it.
    pub(super) async fn record(mut self, route: &Route, plan: &Plan) -> CallRecord {
        let outcome = self.run().await;
        let (latency, first_token) = (self.start.elapsed(), self.first_token);
        self.tell_of_breakers().await;
        if let Ok(answer) = &outcome {
            self.router.health.learn_habits(&self.habits, &answer.response.usage);
        }
        let reached = |model: &ModelRef| self.attempts.iter().any(|a| a.model_ref == *model);
        let passed_over: Vec<(ModelRef, Skip)> =
            self.passed_over.iter().filter(|(model, _)| !reached(model)).cloned().collect();
        let not_tried = |model: &&ModelRef| !reached(model) && !passed_over.iter().any(|(m, _)| m == *model);
        let not_tried = plan.targets().map(|t| &t.model_ref).filter(not_tried).cloned().collect();
        let skipped = plan.skipped().map(|(model, skip)| (model.clone(), skip.clone()));
        CallRecord {
            id: self.options.id.clone(),
            route: route.name.clone(),
            requested_model: self.options.requested_model.clone(),
            not_tried: if outcome.is_ok() { Vec::new() } else { not_tried },
            skipped: skipped.chain(passed_over).collect(),
            attempts: self.attempts,
            outcome,
            first_token,
            latency,
            queued: self.queued,
        }
    }

    async fn run(&mut self) -> Result<Answer, NoAnswer> {
        let mut last: Option<(usize, Failure)> = None;
        // A failure is told once the call goes on from it; the one that ends it is told with the rest.
        let mut untold = false;
        loop {
            if let Some(why) = self.out_of_time() {
                return Err(self.no_answer(why, last));
            }
            let next = if self.counted_attempts() < self.most_attempts {
                self.next(last.as_ref().map(|l| l.0))
            } else {
                None
            };
            let Some(next) = next else {
                let why = if last.is_some() { Why::AllFailed } else { Why::NobodyToTry };
                return Err(self.no_answer(self.barred.unwrap_or(why), last));
            };
            if let (Some((index, failure)), true) = (&last, std::mem::take(&mut untold)) {
                let model = &self.runners[*index].target.model_ref;
                self.listener.notice(&Notice::Failed { model, failure });
                if !self.shown.is_empty() {
                    self.listener.notice(&Notice::Restart { model });
                    self.shown.clear();
                }
            }
            if next.queues {
                self.queue().await;
                continue;
            }
            if !self.pays_for_another_try(&next) {
                continue;
            }
            let target = self.runners[next.index].target;
            if next.role == Role::Forced {
                self.listener.notice(&Notice::NobodyReady { model: &target.model_ref, wait: next.wait });
            }
            if !next.wait.is_zero() {
                let begun = Instant::now();
                sleep(next.wait).await;
                if next.back_in_line {
                    self.was_refused_since(begun);
                    // Others may have been refused meanwhile. How everybody stands is looked at again.
                    continue;
                }
            }
            let Some(permit) = self.admit(next.index).await else { continue };
            let probe = if next.role == Role::Probe {
                match self.router.health.take_probe(target, &self.options.id, lease()).await {
                    Some(probe) => Some(probe),
                    // Another call was faster. How everybody stands is looked at again.
                    None => continue,
                }
            } else {
                None
            };
            let exchanged = self.attempt(&next, permit, probe.as_ref()).await;
            // What it taught follows at once.
            if let Some(probe) = probe {
                probe.over();
            }
            let failure = match exchanged.outcome {
                Ok(response) => {
                    self.learn_success(&next, exchanged.first_content, exchanged.duration, &response.usage);
                    return Ok(Answer { response, model_ref: target.model_ref.clone() });
                }
                Err(failure) => failure,
            };
            let goes_on = self.learn(&next, &failure);
            untold = true;
            let broke_off = !self.shown.is_empty() && self.policy.on_midstream == Choice::Stop;
            last = Some((next.index, failure));
            if broke_off || !goes_on {
                let why = self.out_of_time().unwrap_or(Why::Stopped);
                return Err(self.no_answer(why, last));
            }
        }
    }

    fn no_answer(&self, why: Why, last: Option<(usize, Failure)>) -> NoAnswer {
        // Whoever saw a part of an answer must hear that it is one, whatever ended the call.
        let why = if self.shown.is_empty() || why == Why::Timeout { why } else { Why::BrokeOff };
        NoAnswer { why, failure: last.map(|(_, failure)| failure), shown: self.shown.clone() }
    }

    async fn attempt(&mut self, next: &Next, mut permit: Permit, probe: Option<&Probe>) -> Exchanged {
        let timers = self.timers(next);
        let runner = &mut self.runners[next.index];
        runner.attempts += 1;
        runner.again_at = None;
        runner.may_retry = false;
        let target = runner.target;
        if runner.attempts == 1 {
            for adjustment in runner.adjustments {
                let (model, adjustment) = (&target.model_ref, *adjustment);
                self.listener.notice(&Notice::Adjusted { model, adjustment });
            }
        }
        let fitted = target.fitted(self.request, runner.adjustments);
        let started = self.start.elapsed();
        let (listener, shown) = (&mut *self.listener, &mut self.shown);
        let mut kept = probe.map(|probe| (probe, Instant::now()));
        let content = AtomicBool::new(false);
        let mut sink = |event: &Event| {
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
            if let Event::Text(text) = event
                && listener.shows()
            {
                shown.push_str(text);
            }
            listener.event(event);
        };
        let exchanging =
            exchange(&*self.router.transport, target, &fitted, self.options.stream, timers, &mut sink);
        let warming = self.warming.next(self.router, &self.runners, timers.first_token, &content);
        let work = async {
            match select(pin!(exchanging), pin!(warming)).await {
                Either::Left((exchanged, _)) => exchanged,
                Either::Right((never, _)) => match never {},
            }
        };
        let exchanged = permit.hold(work).await;
        let usage = spent(&exchanged, &fitted.request);
        let cost = usage.map_or(Cost::NOTHING, |usage| cost_of(target, &usage));
        let failure = exchanged.outcome.as_ref().err().cloned();
        let refused = failure.as_ref().is_some_and(|failure| failure.class == FailureClass::RateLimited);
        permit.settle(&Settled { answered: failure.is_none(), refused, usage, cost });
        if failure.is_none() {
            self.router.retries.add();
            self.first_token = exchanged.first_content.map(|first| started + first);
        }
        self.attempts.push(Attempt {
            model_ref: target.model_ref.clone(),
            simulated: target.provider.simulated,
            started,
            duration: exchanged.duration,
            usage,
            cost,
            failure,
            account: exchanged.account.clone(),
        });
        exchanged
    }
}
