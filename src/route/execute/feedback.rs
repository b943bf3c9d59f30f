//! What an attempt teaches.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::super::backoff::full_jitter_delay;
use super::super::breaker::{AttemptRole, BreakerTransition};
use super::super::health_store::AttemptFeedback;
use super::next_step::NextStep;
use super::{CallExecution, CandidateState};
use crate::chat::{Failure, FailureClass, FailurePhase, Usage};
use crate::route::{BreakerOpened, Cooldown, HealthSignal, reaction_to};

/// Below so many tokens, the time for each of them cannot be told from noise.
const MIN_TOKENS_FOR_RATE: u64 = 8;

impl CallExecution<'_> {
    /// Whether a timer ran out that was the caller's and not the candidate's own.
    fn is_cut_by_caller(&self, next: &NextStep, failure: &Failure) -> bool {
        let duration = self.attempts.last().map_or(Duration::ZERO, |attempt| attempt.duration);
        failure.class == FailureClass::Timeout
            && match failure.phase {
                FailurePhase::Total => self.options.timeout.is_some(),
                FailurePhase::FirstToken => duration < self.first_token_timeout(next),
                _ => false,
            }
    }

    pub(super) fn record_success(
        &self,
        next: &NextStep,
        first: Option<Duration>,
        whole: Duration,
        usage: &Usage,
    ) {
        let times = latencies_ms(first, whole, usage);
        let lesson = AttemptFeedback {
            role: next.role,
            signal: HealthSignal::Success,
            cooldown: Cooldown::None,
            class: None,
            retry_after: None,
            latencies_ms: times,
        };
        let (health, target) = (&self.router.health, self.candidates[next.index].target);
        match next.role {
            AttemptRole::Ordinary => health.record_feedback(target, lesson),
            // Others wait to hear that the breaker is closed.
            AttemptRole::Probe | AttemptRole::LastResort => {
                drop(health.record_feedback_with_ack(target, lesson));
            }
        }
    }

    /// Draws the conclusions of a failure; says whether the call goes on.
    pub(super) fn record_failure(&mut self, next: &NextStep, failure: &Failure) -> bool {
        let now = Instant::now();
        let runner = &self.candidates[next.index];
        let reaction = reaction_to(failure.class, self.policy, failure.is_model_retired);
        let sign = if self.is_cut_by_caller(next, failure) {
            HealthSignal::Failure(0.5)
        } else {
            reaction.health_signal
        };
        let lesson = AttemptFeedback {
            role: next.role,
            signal: sign,
            cooldown: reaction.cooldown,
            class: Some(failure.class),
            retry_after: failure.retry_after.filter(|_| reaction.can_retry),
            latencies_ms: [None, None],
        };
        let receipt = self.router.health.record_feedback_with_ack(runner.target, lesson);
        self.breaker_acks.push((runner.target.model_ref.clone(), failure.class, receipt));
        let may_come_back = reaction.can_retry && failure.should_retry != Some(false);
        let refused = may_come_back
            && failure.class == FailureClass::RateLimited
            && self.router.limiter.wait_for_limits;
        let counted = runner.attempts.saturating_sub(runner.uncounted_rate_limits + u32::from(refused));
        let may = may_come_back && counted <= self.policy.retry.retries;
        let mut draw = self.router.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = failure
            .retry_after
            .unwrap_or_else(|| full_jitter_delay(&self.policy.retry, runner.attempts - 1, &mut draw));
        drop(draw);
        if failure.class == FailureClass::ContextOverflow {
            self.drop_smaller_windows(next.index);
        }
        let runner = &mut self.candidates[next.index];
        runner.is_rate_limited = refused;
        runner.uncounted_rate_limits += u32::from(refused);
        runner.retry_at = may.then(|| now + pause);
        runner.is_excluded = !may;
        reaction.can_fail_over
    }

    /// Tells of breakers that this call opened. By now that is known, or will be in a moment.
    pub(super) async fn report_opened_breakers(&mut self) {
        for (model, class, receipt) in std::mem::take(&mut self.breaker_acks) {
            if let (Ok(Some(BreakerTransition::Opened(time))), Some(watch)) =
                (receipt.await, &self.router.breaker_opened_fn)
            {
                watch(&BreakerOpened { model, duration: time, class });
            }
        }
    }

    /// What overflowed one window overflows every window that is no larger.
    fn drop_smaller_windows(&mut self, index: usize) {
        let window =
            |runner: &CandidateState<'_>| runner.target.facts.as_ref().and_then(|facts| facts.context_tokens);
        let Some(overflowed) = window(&self.candidates[index]) else { return };
        for runner in &mut self.candidates {
            if window(runner).is_some_and(|own| own <= overflowed) {
                runner.is_excluded = true;
            }
        }
    }
}

/// Milliseconds until the first token, and for each one after it, where they can be told.
fn latencies_ms(first: Option<Duration>, whole: Duration, usage: &Usage) -> [Option<f64>; 2] {
    let Some(first) = first else { return [None, None] };
    let milliseconds = |span: Duration| span.as_secs_f64() * 1000.0;
    let tokens = usage.output_tokens.filter(|tokens| *tokens >= MIN_TOKENS_FOR_RATE);
    let token = tokens.map(|tokens| milliseconds(whole.saturating_sub(first)) / tokens as f64);
    [Some(milliseconds(first)), token]
}
