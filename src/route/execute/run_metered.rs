//! Work that is no call along a route, under the same limits and the same budget.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::usage_cost;
use crate::catalog::Cost;
use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure, FailureClass, Request, Usage};
use crate::provider::{Target, embed_texts};
use crate::route::backoff::full_jitter_delay;
use crate::route::limits::{AdmissionOutcome, AttemptSettlement};
use crate::route::{RoutePolicy, Router, StopReason, reaction_to};

impl Router {
    /// Turns texts into vectors when limits and budget let it. What fails in a way that passes is tried once more, and a
    /// patient router asks again for as long as it is refused. `limit` bounds all of that together, but for the wait that limits
    /// and budget ask for before an exchange.
    ///
    /// # Errors
    /// Why nothing was sent; within it, what failed.
    pub async fn embed(
        &self,
        target: &Target,
        request: &EmbeddingRequest,
        limit: Duration,
    ) -> Result<Result<EmbeddingResponse, Failure>, StopReason> {
        // For limits and the budget it is a prompt that nothing comes out of.
        let amount = Request { max_output_tokens: Some(0), ..Request::from_prompt(request.texts.concat()) };
        let bill = |made: &EmbeddingResponse| (made.usage, usage_cost(target, &made.usage));
        let (policy, deadline) = (RoutePolicy::default(), Instant::now() + limit);
        let (mut tried, mut counted, mut before) = (0, 0, None::<Failure>);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let work = embed_texts(&*self.transport, target, request, left);
            let failure = match self.run_metered(target, &amount, left, work, bill).await? {
                Ok(made) => return Ok(Ok(made)),
                Err(failure) => failure,
            };
            // Where the last exchange had but a moment, what failed before says more.
            let is_late = failure.class == FailureClass::Timeout;
            if let Some(before) = before.take_if(|_| is_late) {
                return Ok(Err(before));
            }
            let may_pass =
                reaction_to(failure.class, &policy, false).can_retry && failure.should_retry != Some(false);
            let waits = self.limiter.wait_for_limits && failure.class == FailureClass::RateLimited;
            counted += u32::from(!waits);
            let pause = {
                let mut draw = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
                full_jitter_delay(&policy.retry, tried, &mut draw)
            };
            let pause = failure.retry_after.map_or(pause, |wanted| wanted.max(pause));
            if !may_pass || counted > policy.retry.retries || Instant::now() + pause >= deadline {
                return Ok(Err(failure));
            }
            (tried, before) = (tried + 1, Some(failure));
            tokio::time::sleep(pause).await;
        }
    }

    /// Does work at a model when limits and budget let it, waiting for no longer than `patience`. `request` is what the work
    /// amounts to, for what it may use and cost; `bill` says what it did.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run_metered<T>(
        &self,
        target: &Target,
        request: &Request,
        patience: Duration,
        work: impl Future<Output = Result<T, Failure>>,
        bill: impl FnOnce(&T) -> (Usage, Cost),
    ) -> Result<Result<T, Failure>, StopReason> {
        let mut admission = self.limiter.try_admit(target, request, "").await;
        if let AdmissionOutcome::AtLimit(..) = admission {
            let turn = tokio::time::timeout(patience, self.limiter.admit_in_turn(target, request, "")).await;
            admission = turn.map_err(|_| StopReason::AtLimit)?;
        }
        let mut permit = match admission {
            AdmissionOutcome::Admitted(permit) => permit,
            AdmissionOutcome::AtLimit(..) => return Err(StopReason::AtLimit),
            AdmissionOutcome::BudgetExceeded(over) => return Err(StopReason::BudgetExceeded(over)),
            AdmissionOutcome::PriceUnknown => return Err(StopReason::NoCandidate),
        };
        let done = permit.run(work).await;
        let refused = done.as_ref().is_err_and(|failure| failure.class == FailureClass::RateLimited);
        let (usage, cost) = match &done {
            Ok(value) => {
                let (usage, cost) = bill(value);
                (Some(usage), cost)
            }
            Err(_) => (None, Cost::ZERO),
        };
        permit.settle(&AttemptSettlement {
            is_answered: done.is_ok(),
            is_rate_limited: refused,
            usage,
            cost,
        });
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::EmbeddingPurpose;
    use crate::provider::scripted_transport::ScriptedReply;
    use crate::route::route_fixture::{RouteFixture, route, status_reply, status_reply_with};

    fn embeddings_reply() -> ScriptedReply {
        let body = r#"{"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]}"#;
        status_reply_with(200, vec![("content-type", "application/json".to_owned())], body)
    }

    /// Whether vectors came, and how often they were asked for.
    async fn run_embed(scenes: Vec<ScriptedReply>, limit: u64, patient: bool) -> (bool, usize) {
        let world = RouteFixture::new([("a", scenes)]);
        let router = if patient { world.router.wait_for_limits() } else { world.router };
        let route = route(&["a"], RoutePolicy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let request = EmbeddingRequest {
            texts: vec!["a".into()],
            purpose: EmbeddingPurpose::Similarity,
            dimensions: None,
        };
        let done = router.embed(target, &request, Duration::from_secs(limit)).await.unwrap();
        (done.is_ok(), world.transport.hosts_called().len())
    }

    #[tokio::test(start_paused = true)]
    async fn embed_retry_cases() {
        assert_eq!(run_embed(vec![embeddings_reply()], 60, false).await, (true, 1));
        assert_eq!(run_embed(vec![status_reply(503), embeddings_reply()], 60, false).await, (true, 2));
        assert_eq!(
            run_embed(vec![status_reply(503), status_reply(503), embeddings_reply()], 60, false).await,
            (false, 2)
        );
        assert_eq!(run_embed(vec![status_reply(400), embeddings_reply()], 60, false).await, (false, 1));
        let refused = || status_reply_with(429, vec![("retry-after", "20".to_owned())], "{}");
        let scenes = || vec![refused(), refused(), embeddings_reply()];
        assert_eq!(run_embed(scenes(), 60, true).await, (true, 3), "an eval waits");
        assert_eq!(run_embed(scenes(), 60, false).await, (false, 2));
        assert_eq!(run_embed(scenes(), 30, true).await, (false, 2), "for as long as it may");
        let hasty = || status_reply_with(429, vec![("retry-after", "0".to_owned())], "{}");
        let (came, asked) = run_embed((0..99).map(|_| hasty()).collect(), 60, true).await;
        assert!(!came && asked < 60, "who says nothing of when is asked ever less often: {asked} times");
    }
}
