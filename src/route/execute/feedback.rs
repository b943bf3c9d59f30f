//! Feeds the result of each attempt back into health and retry state.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::super::backoff::full_jitter_delay;
use super::super::health_signal::{AttemptRole, BreakerTransition, HealthSignal};
use super::next_step::AttemptStep;
use super::{CallExecution, first_token_timeout};
use crate::chat::{Failure, FailureClass, FailurePhase, TokenCount, Usage};
use crate::provider::Target;
use crate::route::failure_reaction::reaction_to;
use crate::route::observer::{BreakerOpened, CallEvent};
use crate::route::store::{CallChange, HealthFeedback};

/// With fewer output tokens, the time per token is mostly noise.
const MIN_TOKENS_FOR_RATE: TokenCount = TokenCount::new(8);

impl CallExecution<'_> {
    /// Whether the caller's time limit or the shared deadline ended the attempt, rather than the candidate's
    /// own timeout.
    fn is_cut_by_caller(&self, step: &AttemptStep, failure: &Failure) -> bool {
        let duration = self.attempts.last().map_or(Duration::ZERO, |attempt| attempt.duration);
        failure.class == FailureClass::Timeout
            && match failure.phase {
                FailurePhase::Total => self.plan.options.timeout.is_some(),
                FailurePhase::FirstToken => {
                    let target = self.candidates[step.index].target;
                    duration < first_token_timeout(&self.plan.route.policy.timeouts, step.role, target)
                }
                _ => false,
            }
    }

    pub(super) fn record_success(
        &self,
        step: &AttemptStep,
        first: Option<Duration>,
        total: Duration,
        usage: &Usage,
    ) {
        let (health, target) = (&self.router.health, self.candidates[step.index].target);
        let feedback = HealthFeedback {
            latencies_ms: latencies_ms(first, total, usage),
            ..health.feedback(target, step.role, HealthSignal::Success)
        };
        match step.role {
            AttemptRole::Ordinary => health.store().enqueue(CallChange::Learn(Box::new(feedback))),
            // Other calls are waiting for the breaker to close, and an acknowledged write is not delayed.
            AttemptRole::Probe | AttemptRole::LastResort => drop(health.store().learn(feedback)),
        }
    }

    /// Updates health and retry state after a failure; returns whether the call may fail over.
    pub(super) fn record_failure(&mut self, step: &AttemptStep, failure: &Failure) -> bool {
        let now = Instant::now();
        let (policy, target) = (&self.plan.route.policy, self.candidates[step.index].target);
        let reaction = reaction_to(failure.class, policy, failure.is_model_retired);
        let signal = if self.is_cut_by_caller(step, failure) {
            HealthSignal::Failure(0.5)
        } else {
            reaction.health_signal
        };
        let health = &self.router.health;
        let feedback = HealthFeedback {
            cooldown: reaction.cooldown,
            class: Some(failure.class),
            retry_after: failure.retry_after.filter(|_| reaction.can_retry),
            ..health.feedback(target, step.role, signal)
        };
        self.breaker_acks.push((target.model_ref.clone(), failure.class, health.store().learn(feedback)));
        let can_retry = reaction.can_retry && failure.should_retry != Some(false);
        let is_rate_limited =
            can_retry && failure.class == FailureClass::RateLimited && self.plan.options.wait_for_limits;
        let candidate = &self.state.candidates[step.index];
        let counted =
            candidate.attempts.saturating_sub(candidate.uncounted_rate_limits + u32::from(is_rate_limited));
        let may_retry = can_retry && counted <= policy.retry.retries;
        let mut rng = self.router.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let delay = failure
            .retry_after
            .unwrap_or_else(|| full_jitter_delay(&policy.retry, candidate.attempts - 1, &mut rng));
        drop(rng);
        if failure.class == FailureClass::ContextOverflow {
            self.drop_smaller_windows(step.index);
        }
        let candidate = &mut self.state.candidates[step.index];
        candidate.is_rate_limited = is_rate_limited;
        candidate.uncounted_rate_limits += u32::from(is_rate_limited);
        candidate.retry_at = may_retry.then(|| now + delay);
        candidate.is_excluded = !may_retry;
        reaction.can_fail_over
    }

    /// Reports the breakers that this call opened, once the results are written.
    pub(super) async fn report_opened_breakers(&mut self) {
        for (model, class, ack) in std::mem::take(&mut self.breaker_acks) {
            if let Ok(Some(BreakerTransition::Opened(duration))) = ack.await
                && !self.router.is_drill
            {
                let opened = BreakerOpened { model, duration, class };
                self.observer.on_event(&CallEvent::BreakerOpened(&opened));
            }
        }
    }

    /// A prompt that overflowed one context window overflows every window that is not larger.
    fn drop_smaller_windows(&mut self, index: usize) {
        let window = |target: &Target| target.facts.as_ref().and_then(|facts| facts.context_tokens);
        let Some(overflowed) = window(self.candidates[index].target) else { return };
        for (planned, candidate) in self.candidates.iter().zip(&mut self.state.candidates) {
            if window(planned.target).is_some_and(|own| own <= overflowed) {
                candidate.is_excluded = true;
            }
        }
    }
}

/// Milliseconds to the first token, and per token after it; `None` where not measurable.
fn latencies_ms(first: Option<Duration>, total: Duration, usage: &Usage) -> [Option<f64>; 2] {
    let Some(first) = first else { return [None, None] };
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let tokens = usage.output_tokens.filter(|tokens| *tokens >= MIN_TOKENS_FOR_RATE);
    let token = tokens.map(|tokens| milliseconds(total.saturating_sub(first)) / tokens.get() as f64);
    [Some(milliseconds(first)), token]
}
