//! Work that is no call along a route, under the same limits and the same budget.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::cost_of;
use crate::catalog::Cost;
use crate::chat::{EmbeddingRequest, Embeddings, Failure, FailureClass, Request, Usage};
use crate::provider::{Target, embed};
use crate::route::backoff::full_jitter;
use crate::route::limits::{Admission, Settled};
use crate::route::{Policy, Router, Why, reaction};

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
    ) -> Result<Result<Embeddings, Failure>, Why> {
        // For limits and the budget it is a prompt that nothing comes out of.
        let amount = Request { max_tokens: Some(0), ..Request::prompt(request.texts.concat()) };
        let bill = |made: &Embeddings| (made.usage, cost_of(target, &made.usage));
        let (policy, deadline) = (Policy::default(), Instant::now() + limit);
        let (mut tried, mut counted, mut before) = (0, 0, None::<Failure>);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let work = embed(&*self.transport, target, request, left);
            let failure = match self.apart(target, &amount, left, work, bill).await? {
                Ok(made) => return Ok(Ok(made)),
                Err(failure) => failure,
            };
            // Where the last exchange had but a moment, what failed before says more.
            let is_late = failure.class == FailureClass::Timeout;
            if let Some(before) = before.take_if(|_| is_late) {
                return Ok(Err(before));
            }
            let may_pass =
                reaction(failure.class, &policy, false).retry && failure.should_retry != Some(false);
            let waits = self.limiter.patient && failure.class == FailureClass::RateLimited;
            counted += u32::from(!waits);
            let pause = {
                let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
                full_jitter(&policy.retry, tried, &mut draw)
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
    pub async fn apart<T>(
        &self,
        target: &Target,
        request: &Request,
        patience: Duration,
        work: impl Future<Output = Result<T, Failure>>,
        bill: impl FnOnce(&T) -> (Usage, Cost),
    ) -> Result<Result<T, Failure>, Why> {
        let mut admission = self.limiter.admit(target, request, "").await;
        if let Admission::NotYet(..) = admission {
            let turn = tokio::time::timeout(patience, self.limiter.wait(target, request, "")).await;
            admission = turn.map_err(|_| Why::Limited)?;
        }
        let mut permit = match admission {
            Admission::Go(permit) => permit,
            Admission::NotYet(..) => return Err(Why::Limited),
            Admission::Never(over) => return Err(Why::Over(over)),
            Admission::Unpriced => return Err(Why::NobodyToTry),
        };
        let done = permit.hold(work).await;
        let refused = done.as_ref().is_err_and(|failure| failure.class == FailureClass::RateLimited);
        let (usage, cost) = match &done {
            Ok(value) => {
                let (usage, cost) = bill(value);
                (Some(usage), cost)
            }
            Err(_) => (None, Cost::NOTHING),
        };
        permit.settle(&Settled { answered: done.is_ok(), refused, usage, cost });
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Purpose;
    use crate::provider::scripted::Scene;
    use crate::route::test_world::{World, refuses, refuses_with, route};

    fn vectors() -> Scene {
        let body = r#"{"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]}"#;
        refuses_with(200, vec![("content-type", "application/json".to_owned())], body)
    }

    /// Whether vectors came, and how often they were asked for.
    async fn embedded(scenes: Vec<Scene>, limit: u64, patient: bool) -> (bool, usize) {
        let world = World::new([("a", scenes)]);
        let router = if patient { world.router.patient() } else { world.router };
        let route = route(&["a"], Policy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let request =
            EmbeddingRequest { texts: vec!["a".into()], purpose: Purpose::Similarity, dimensions: None };
        let done = router.embed(target, &request, Duration::from_secs(limit)).await.unwrap();
        (done.is_ok(), world.transport.order().len())
    }

    #[tokio::test(start_paused = true)]
    async fn vectors_are_asked_for_again_where_that_helps() {
        assert_eq!(embedded(vec![vectors()], 60, false).await, (true, 1));
        assert_eq!(embedded(vec![refuses(503), vectors()], 60, false).await, (true, 2));
        assert_eq!(embedded(vec![refuses(503), refuses(503), vectors()], 60, false).await, (false, 2));
        assert_eq!(embedded(vec![refuses(400), vectors()], 60, false).await, (false, 1));
        let refused = || refuses_with(429, vec![("retry-after", "20".to_owned())], "{}");
        let scenes = || vec![refused(), refused(), vectors()];
        assert_eq!(embedded(scenes(), 60, true).await, (true, 3), "an eval waits");
        assert_eq!(embedded(scenes(), 60, false).await, (false, 2));
        assert_eq!(embedded(scenes(), 30, true).await, (false, 2), "for as long as it may");
        let hasty = || refuses_with(429, vec![("retry-after", "0".to_owned())], "{}");
        let (came, asked) = embedded((0..99).map(|_| hasty()).collect(), 60, true).await;
        assert!(!came && asked < 60, "who says nothing of when is asked ever less often: {asked} times");
    }
}
