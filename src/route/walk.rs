//! The walk along a plan: attempt, retry, fail over, stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::backoff::full_jitter;
use super::{
    Answer, Attempt, CallRecord, Choice, Health, Listener, NoAnswer, Notice, Plan, PlanStep, Policy,
    RetryWhen, Route, Why, reaction,
};
use crate::catalog::{Capability, Cost, CostSource, estimated_usage};
use crate::chat::{Event, Failure, FailureClass, Phase, Request, Usage};
use crate::provider::{Adjustment, Exchanged, ModelRef, Target, Timers, Transport, exchange};

/// A first-token timer is not cut below this by sharing the deadline among candidates.
const LEAST_SHARE: Duration = Duration::from_secs(5);

/// Until the first content, where nothing else is said.
const FIRST_TOKEN: Duration = Duration::from_secs(30);

/// The same for models that reason before they answer.
const FIRST_TOKEN_REASONING: Duration = Duration::from_secs(120);

/// The same on this machine, where a first call may have to load the model.
const FIRST_TOKEN_LOCAL: Duration = Duration::from_secs(300);

/// What one call is to be.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The id of the call.
    pub id: String,
    /// What was asked for, as it was typed.
    pub requested_model: String,
    /// Whether to ask for a stream on the wire, so that stalls are seen.
    pub stream: bool,
    /// The caller's own limit for the whole call.
    pub timeout: Option<Duration>,
}

/// Carries out calls. One serves all calls of a process and remembers what they taught.
pub struct Router {
    transport: Arc<dyn Transport>,
    health: Health,
    draw: Mutex<fastrand::Rng>,
}

impl Router {
    /// A router over a transport, whose chance comes from `draw`.
    pub fn new(transport: Arc<dyn Transport>, draw: fastrand::Rng) -> Self {
        Self { transport, health: Health::default(), draw: Mutex::new(draw) }
    }

    /// Carries out one call along the route's plan for this request.
    pub async fn call(
        &self,
        route: &Route,
        request: &Request,
        options: &CallOptions,
        listener: &mut dyn Listener,
    ) -> CallRecord {
        let plan = route.plan(request);
        let mut walk = Walk::new(self, route, &plan, request, options, listener);
        let outcome = walk.run().await;
        let (latency, first_token) = (walk.start.elapsed(), walk.first_token);
        let reached = |model: &ModelRef| walk.attempts.iter().any(|a| a.model_ref == *model);
        let not_tried = plan.targets().map(|t| &t.model_ref).filter(|m| !reached(m)).cloned().collect();
        CallRecord {
            id: options.id.clone(),
            route: route.name.clone(),
            requested_model: options.requested_model.clone(),
            not_tried: if outcome.is_ok() { Vec::new() } else { not_tried },
            attempts: walk.attempts,
            skipped: plan.skipped().map(|(model, skip)| (model.clone(), skip.clone())).collect(),
            outcome,
            first_token,
            latency,
        }
    }
}

/// A candidate on the way.
struct Runner<'a> {
    target: &'a Target,
    adjustments: &'a [Adjustment],
    attempts: u32,
    /// No more attempts, whatever happens.
    out: bool,
    /// When it may be tried again, after a failure that allows that.
    again_at: Option<Instant>,
}

struct Walk<'a> {
    router: &'a Router,
    policy: &'a Policy,
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
}

/// Who comes next, and after which wait.
struct Next {
    index: usize,
    wait: Duration,
    /// Nobody was ready, so somebody is tried who wanted to be left alone.
    forced: bool,
}

impl<'a> Walk<'a> {
    fn new(
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
                PlanStep::Try { target, adjustments } => {
                    Some(Runner { target, adjustments, attempts: 0, out: false, again_at: None })
                }
                PlanStep::Skip { .. } => None,
            })
            .collect();
        let most_attempts = (runners.len() + 2).max(6);
        Self {
            router,
            policy: &route.policy,
            request,
            options,
            listener,
            runners,
            attempts: Vec::new(),
            most_attempts,
            start: Instant::now(),
            first_token: None,
            shown: String::new(),
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
            let next = if self.attempts.len() < self.most_attempts {
                self.next(last.as_ref().map(|l| l.0))
            } else {
                None
            };
            let Some(next) = next else {
                let why = if last.is_some() { Why::AllFailed } else { Why::NobodyToTry };
                return Err(self.no_answer(why, last));
            };
            if let (Some((index, failure)), true) = (&last, std::mem::take(&mut untold)) {
                let model = &self.runners[*index].target.model_ref;
                self.listener.notice(&Notice::Failed { model, failure });
            }
            let target = self.runners[next.index].target;
            if next.forced {
                self.listener.notice(&Notice::NobodyReady { model: &target.model_ref, wait: next.wait });
            }
            if !next.wait.is_zero() {
                sleep(next.wait).await;
            }
            let exchanged = self.attempt(next.index).await;
            let failure = match exchanged.outcome {
                Ok(response) => return Ok(Answer { response, model_ref: target.model_ref.clone() }),
                Err(failure) => failure,
            };
            untold = true;
            if !self.shown.is_empty() {
                if self.policy.on_midstream == Choice::Stop {
                    let why = self.out_of_time().filter(|why| *why == Why::Timeout).unwrap_or(Why::BrokeOff);
                    return Err(self.no_answer(why, Some((next.index, failure))));
                }
                self.listener.notice(&Notice::Failed { model: &target.model_ref, failure: &failure });
                untold = false;
                self.listener.notice(&Notice::Restart { model: &target.model_ref });
                self.shown.clear();
            }
            let goes_on = self.learn(next.index, &failure);
            last = Some((next.index, failure));
            if !goes_on {
                let why = self.out_of_time().unwrap_or(Why::Stopped);
                return Err(self.no_answer(why, last));
            }
        }
    }

    fn no_answer(&self, why: Why, last: Option<(usize, Failure)>) -> NoAnswer {
        NoAnswer { why, failure: last.map(|(_, failure)| failure), shown: self.shown.clone() }
    }

    /// Which limit is used up, if one is.
    fn out_of_time(&self) -> Option<Why> {
        let elapsed = self.start.elapsed();
        if self.options.timeout.is_some_and(|limit| elapsed >= limit) {
            return Some(Why::Timeout);
        }
        (elapsed >= self.policy.deadlines.call).then_some(Why::Deadline)
    }

    fn left(&self) -> Duration {
        let elapsed = self.start.elapsed();
        let deadline = self.policy.deadlines.call.saturating_sub(elapsed);
        self.options.timeout.map_or(deadline, |limit| deadline.min(limit.saturating_sub(elapsed)))
    }

    /// Who comes next. A fresh candidate that is ready comes first, in order; with `when: first` the one that just
    /// failed comes before it. When nobody is ready, whoever frees first.
    fn next(&self, last: Option<usize>) -> Option<Next> {
        let now = Instant::now();
        let half = self.left() / 2;
        let retry = |index: usize| {
            let wait = self.runners[index].again_at?.saturating_duration_since(now);
            (!self.runners[index].out && wait <= half).then_some(Next { index, wait, forced: false })
        };
        if self.policy.retry.when == RetryWhen::First
            && let Some(next) = last.and_then(retry)
        {
            return Some(next);
        }
        let fresh = || self.runners.iter().enumerate().filter(|(_, r)| r.attempts == 0 && !r.out);
        let blocked = |r: &Runner<'_>| self.router.health.blocked_until(r.target, now);
        if let Some((index, _)) = fresh().find(|(_, r)| blocked(r).is_none()) {
            return Some(Next { index, wait: Duration::ZERO, forced: false });
        }
        let again = (0..self.runners.len()).filter_map(retry);
        let freed = fresh().filter_map(|(index, r)| {
            let wait = blocked(r)?.saturating_duration_since(now);
            // Too long to wait for: asked at once, since nobody else is left to ask.
            let (wait, rank) = if wait <= half { (wait, wait) } else { (Duration::ZERO, wait) };
            Some((rank, Next { index, wait, forced: true }))
        });
        again.map(|next| (next.wait, next)).chain(freed).min_by_key(|(rank, _)| *rank).map(|(_, next)| next)
    }

    async fn attempt(&mut self, index: usize) -> Exchanged {
        let timers = self.timers(index);
        let runner = &mut self.runners[index];
        runner.attempts += 1;
        runner.again_at = None;
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
        let mut sink = |event: &Event| {
            if let Event::Text(text) = event
                && listener.shows()
            {
                shown.push_str(text);
            }
            listener.event(event);
        };
        let exchanged =
            exchange(&*self.router.transport, target, &fitted, self.options.stream, timers, &mut sink).await;
        let usage = spent(&exchanged, &fitted.request);
        let failure = exchanged.outcome.as_ref().err().cloned();
        if failure.is_none() {
            self.first_token = exchanged.first_content.map(|first| started + first);
        }
        self.attempts.push(Attempt {
            model_ref: target.model_ref.clone(),
            simulated: target.provider.simulated,
            started,
            duration: exchanged.duration,
            usage,
            cost: usage.map_or(Cost::NOTHING, |usage| cost_of(target, &usage)),
            failure,
            account: exchanged.account.clone(),
        });
        exchanged
    }

    /// The timers of the next attempt. `n` candidates share what is left: this one and those still ready.
    fn timers(&self, index: usize) -> Timers {
        let (target, deadlines, now) = (self.runners[index].target, &self.policy.deadlines, Instant::now());
        let total = self.options.timeout.map(|limit| limit.saturating_sub(self.start.elapsed()));
        let left = self.left();
        if !self.options.stream {
            return Timers { first_token: left, idle: left, total };
        }
        let own = deadlines.first_token.unwrap_or_else(|| {
            if target.is_local() {
                FIRST_TOKEN_LOCAL
            } else if target.facts.as_ref().is_some_and(|f| f.supports(Capability::Reasoning) == Some(true)) {
                FIRST_TOKEN_REASONING
            } else {
                FIRST_TOKEN
            }
        });
        let ready = |(at, r): &(usize, &Runner<'_>)| {
            *at != index
                && r.attempts == 0
                && !r.out
                && self.router.health.blocked_until(r.target, now).is_none()
        };
        let n = u32::try_from(self.runners.iter().enumerate().filter(ready).count())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        Timers { first_token: own.min(left).min((left / n).max(LEAST_SHARE)), idle: deadlines.idle, total }
    }

    /// Draws the conclusions of a failure; says whether the call goes on.
    fn learn(&mut self, index: usize, failure: &Failure) -> bool {
        let now = Instant::now();
        let runner = &self.runners[index];
        let reaction = reaction(failure.class, self.policy, failure.gone);
        let health = &self.router.health;
        health.block(runner.target, reaction.block, now);
        if let Some(wait) = failure.retry_after.filter(|_| reaction.retry) {
            health.not_before(runner.target, wait, now);
        }
        let may = reaction.retry
            && runner.attempts <= self.policy.retry.retries
            && failure.should_retry != Some(false);
        let mut draw = self.router.draw.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = failure
            .retry_after
            .unwrap_or_else(|| full_jitter(&self.policy.retry, runner.attempts - 1, &mut draw));
        drop(draw);
        if failure.class == FailureClass::ContextOverflow {
            self.leave_out_smaller_windows(index);
        }
        let runner = &mut self.runners[index];
        runner.again_at = may.then(|| now + pause);
        runner.out = !may;
        reaction.fail_over
    }

    /// What overflowed one window overflows every window that is no larger.
    fn leave_out_smaller_windows(&mut self, index: usize) {
        let window =
            |runner: &Runner<'_>| runner.target.facts.as_ref().and_then(|facts| facts.context_tokens);
        let Some(overflowed) = window(&self.runners[index]) else { return };
        for runner in &mut self.runners {
            if window(runner).is_some_and(|own| own <= overflowed) {
                runner.out = true;
            }
        }
    }
}

/// The tokens that an attempt used: as reported, else, where it was cut off, estimated. A refusal used none.
fn spent(exchanged: &Exchanged, request: &Request) -> Option<Usage> {
    match &exchanged.outcome {
        Ok(response) => Some(response.usage),
        Err(failure) if failure.status.is_some() || failure.phase == Phase::Connect => None,
        // The provider closed its own account of it: that is what it bills.
        Err(failure)
            if matches!(failure.class, FailureClass::Empty)
                && exchanged.partial_usage.output_tokens.is_some() =>
        {
            Some(exchanged.partial_usage)
        }
        Err(_) if exchanged.partial_usage.output_tokens.is_some() => {
            let estimate = estimated_usage(request, exchanged.output_bytes);
            let output = exchanged.partial_usage.output_tokens.max(estimate.output_tokens);
            Some(Usage { output_tokens: output, estimated: true, ..exchanged.partial_usage })
        }
        Err(failure) if exchanged.output_bytes > 0 || failure.class == FailureClass::Timeout => {
            let mut usage = estimated_usage(request, exchanged.output_bytes);
            usage.input_tokens = exchanged.partial_usage.input_tokens.or(usage.input_tokens);
            Some(usage)
        }
        Err(_) => None,
    }
}

/// What tokens of a model cost, marked where it is the simulator's.
pub fn cost_of(target: &Target, usage: &Usage) -> Cost {
    let cost = Cost::of(usage, target.facts.as_ref().map(|facts| &facts.price));
    let fictional = target.provider.simulated && cost.nano_dollars.is_some();
    if fictional { Cost { source: CostSource::Simulated, ..cost } } else { cost }
}
