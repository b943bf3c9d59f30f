//! What an attempt teaches.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::super::backoff::full_jitter;
use super::super::breaker::{Change, Role};
use super::super::health::Lesson;
use super::next::Next;
use super::{Runner, Walk};
use crate::chat::{Failure, FailureClass, Phase, Usage};
use crate::route::{Block, Opened, Sign, reaction};

/// Below so many tokens, the time for each of them cannot be told from noise.
const LEAST_TOKENS: u64 = 8;

impl Walk<'_> {
    /// Whether a timer ran out that was the caller's and not the candidate's own.
    fn cut_by_caller(&self, next: &Next, failure: &Failure) -> bool {
        let duration = self.attempts.last().map_or(Duration::ZERO, |attempt| attempt.duration);
        failure.class == FailureClass::Timeout
            && match failure.phase {
                Phase::Total => self.options.timeout.is_some(),
                Phase::FirstToken => duration < self.own_first_token(next),
                _ => false,
            }
    }

    pub(super) fn learn_success(&self, next: &Next, first: Option<Duration>, whole: Duration, usage: &Usage) {
        let times = times(first, whole, usage);
        let lesson = Lesson {
            role: next.role,
            sign: Sign::Success,
            block: Block::None,
            class: None,
            wait: None,
            times,
        };
        let (health, target) = (&self.router.health, self.runners[next.index].target);
        match next.role {
            Role::Ordinary => health.learn_unawaited(target, lesson),
            // Others wait to hear that the breaker is closed.
            Role::Probe | Role::Forced => drop(health.learn(target, lesson)),
        }
    }

    /// Draws the conclusions of a failure; says whether the call goes on.
    pub(super) fn learn(&mut self, next: &Next, failure: &Failure) -> bool {
        let now = Instant::now();
        let runner = &self.runners[next.index];
        let reaction = reaction(failure.class, self.policy, failure.gone);
        let sign = if self.cut_by_caller(next, failure) { Sign::Sick(0.5) } else { reaction.sign };
        let lesson = Lesson {
            role: next.role,
            sign,
            block: reaction.block,
            class: Some(failure.class),
            wait: failure.retry_after.filter(|_| reaction.retry),
            times: [None, None],
        };
        let receipt = self.router.health.learn(runner.target, lesson);
        self.receipts.push((runner.target.model_ref.clone(), failure.class, receipt));
        let may_come_back = reaction.retry && failure.should_retry != Some(false);
        let refused =
            may_come_back && failure.class == FailureClass::RateLimited && self.router.limiter.patient;
        let counted = runner.attempts.saturating_sub(runner.refusals + u32::from(refused));
        let may = may_come_back && counted <= self.policy.retry.retries;
        let mut draw = self.router.draw.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = failure
            .retry_after
            .unwrap_or_else(|| full_jitter(&self.policy.retry, runner.attempts - 1, &mut draw));
        drop(draw);
        if failure.class == FailureClass::ContextOverflow {
            self.leave_out_smaller_windows(next.index);
        }
        let runner = &mut self.runners[next.index];
        runner.refused = refused;
        runner.refusals += u32::from(refused);
        runner.again_at = may.then(|| now + pause);
        runner.out = !may;
        reaction.fail_over
    }

    /// Tells of breakers that this call opened. By now that is known, or will be in a moment.
    pub(super) async fn tell_of_breakers(&mut self) {
        for (model, class, receipt) in std::mem::take(&mut self.receipts) {
            if let (Ok(Some(Change::Opened(time))), Some(watch)) = (receipt.await, &self.router.watch) {
                watch(&Opened { model, time, class });
            }
        }
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

/// Milliseconds until the first token, and for each one after it, where they can be told.
fn times(first: Option<Duration>, whole: Duration, usage: &Usage) -> [Option<f64>; 2] {
    let Some(first) = first else { return [None, None] };
    let milliseconds = |span: Duration| span.as_secs_f64() * 1000.0;
    let tokens = usage.output_tokens.filter(|tokens| *tokens >= LEAST_TOKENS);
    let token = tokens.map(|tokens| milliseconds(whole.saturating_sub(first)) / tokens as f64);
    [Some(milliseconds(first)), token]
}
