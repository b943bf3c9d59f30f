//! Runs work other than route calls under the same limits and budgets.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::usage_cost;
use crate::catalog::Cost;
use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure, FailureClass, Request, TokenCount, Usage};
use crate::provider::{Target, embed_texts};
use crate::route::backoff::full_jitter_delay;
use crate::route::call_options::CallOptions;
use crate::route::call_record::StopReason;
use crate::route::failure_reaction::reaction_to;
use crate::route::limits::{AdmissionOutcome, AttemptSettlement};
use crate::route::observer::{CallEvent, Observer};
use crate::route::policy::RoutePolicy;
use crate::route::reasons::BudgetWarning;
use crate::route::router::Router;
use crate::route::store::RouteStatsRow;

/// Timeout of an embedding call, unless another is set.
const DEFAULT_EMBEDDING_TIMEOUT: Duration = Duration::from_secs(60);

impl Router {
    /// Embeds texts once limits and budget allow it. A temporary failure is retried once; with
    /// `wait_for_limits`, 429s are retried without counting them. The timeout bounds all of this except the
    /// wait for limits and budget before each exchange.
    ///
    /// The outer error means that nothing was sent.
    pub async fn embed(
        &self,
        target: &Target,
        request: &EmbeddingRequest,
        options: &CallOptions,
        observer: &mut dyn Observer,
    ) -> Result<Result<EmbeddingResponse, Failure>, StopReason> {
        // For limits and budget, embeddings count as a prompt without output.
        let equivalent = Request {
            max_output_tokens: Some(TokenCount::ZERO),
            ..Request::from_prompt(request.texts.concat())
        };
        let usage_of = |response: &EmbeddingResponse| (response.usage, usage_cost(target, &response.usage));
        let (policy, deadline) =
            (RoutePolicy::default(), Instant::now() + options.timeout.unwrap_or(DEFAULT_EMBEDDING_TIMEOUT));
        let (mut attempts, mut counted, mut previous) = (0, 0, None::<Failure>);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let work = embed_texts(&*self.transport, target, request, left);
            let options = CallOptions { timeout: Some(left), ..options.clone() };
            let run = self.run_metered(target, &equivalent, &options, observer, work, usage_of);
            let failure = match run.await? {
                Ok(response) => return Ok(Ok(response)),
                Err(failure) => failure,
            };
            // If the last exchange timed out because little time was left, the earlier failure is more
            // informative.
            let is_timeout = failure.class == FailureClass::Timeout;
            if let Some(previous) = previous.take_if(|_| is_timeout) {
                return Ok(Err(previous));
            }
            let can_retry =
                reaction_to(failure.class, &policy, false).can_retry && failure.should_retry != Some(false);
            let is_uncounted = options.wait_for_limits && failure.class == FailureClass::RateLimited;
            counted += u32::from(!is_uncounted);
            let delay = {
                let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
                full_jitter_delay(&policy.retry, attempts, &mut rng)
            };
            let delay = failure.retry_after.map_or(delay, |retry_after| retry_after.max(delay));
            if !can_retry || counted > policy.retry.retries || Instant::now() + delay >= deadline {
                return Ok(Err(failure));
            }
            (attempts, previous) = (attempts + 1, Some(failure));
            tokio::time::sleep(delay).await;
        }
    }

    /// Runs work that uses a model once limits and budget allow it, waiting for limits until the timeout. The
    /// work's tokens and cost are estimated from `request` for admission; `usage_of` returns the actual ones.
    ///
    /// The outer error means that the work was not started.
    async fn run_metered<T>(
        &self,
        target: &Target,
        request: &Request,
        options: &CallOptions,
        observer: &mut dyn Observer,
        work: impl Future<Output = Result<T, Failure>>,
        usage_of: impl FnOnce(&T) -> (Usage, Cost),
    ) -> Result<Result<T, Failure>, StopReason> {
        let run_budget = options.run_budget.as_ref();
        let known = self.health.known_rows(target);
        // Embeddings have no output, so the statistics of a route do not matter.
        let stats = &RouteStatsRow::default();
        let max_wait = options.timeout.unwrap_or(DEFAULT_EMBEDDING_TIMEOUT);
        let mut admission = self.limiter.try_admit(target, request, stats, &known, run_budget).await;
        if let AdmissionOutcome::AtLimit(..) = admission {
            let turn = self.limiter.admit_in_turn(target, request, stats, run_budget);
            admission = tokio::time::timeout(max_wait, turn).await.map_err(|_| StopReason::AtLimit)?;
        }
        let mut permit = match admission {
            AdmissionOutcome::Admitted(permit) => permit,
            AdmissionOutcome::AtLimit(..) => return Err(StopReason::AtLimit),
            AdmissionOutcome::BudgetExceeded(exceeded) => return Err(StopReason::BudgetExceeded(exceeded)),
            AdmissionOutcome::PriceUnknown => return Err(StopReason::NoCandidate),
            AdmissionOutcome::Undecided => return Err(StopReason::Undecided),
        };
        let mut report = |warning: Option<BudgetWarning>| {
            if let Some(warning) = warning {
                observer.on_event(&CallEvent::BudgetWarning(&warning));
            }
        };
        report(permit.budget_warning());
        let result = permit.run(work).await;
        let is_rate_limited =
            result.as_ref().is_err_and(|failure| failure.class == FailureClass::RateLimited);
        let (usage, cost) = match &result {
            Ok(value) => {
                let (usage, cost) = usage_of(value);
                (Some(usage), cost)
            }
            Err(_) => (None, Cost::ZERO),
        };
        let settlement = AttemptSettlement { is_answered: result.is_ok(), is_rate_limited, usage, cost };
        report(permit.settle(&settlement));
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::EmbeddingPurpose;
    use crate::provider::scripted_transport::ScriptedReply;
    use crate::route::SilentObserver;
    use crate::route::route_fixture::{RouteFixture, route, status_reply, status_reply_with};

    fn embeddings_reply() -> ScriptedReply {
        let body = r#"{"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]}"#;
        status_reply_with(200, vec![("content-type", "application/json".to_owned())], body)
    }

    /// Whether the embeddings arrived, and the number of requests.
    async fn run_embed(replies: Vec<ScriptedReply>, limit: u64, wait_for_limits: bool) -> (bool, usize) {
        let fixture = RouteFixture::new([("a", replies)]);
        let options = CallOptions {
            timeout: Some(Duration::from_secs(limit)),
            wait_for_limits,
            ..CallOptions::default()
        };
        let route = route(&["a"], RoutePolicy::default());
        let target = route.candidates[0].target.as_ref().unwrap();
        let request = EmbeddingRequest {
            texts: vec!["a".into()],
            purpose: EmbeddingPurpose::Similarity,
            dimensions: None,
        };
        let result = fixture.router.embed(target, &request, &options, &mut SilentObserver).await.unwrap();
        (result.is_ok(), fixture.transport.hosts_called().len())
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
        let rate_limited = || status_reply_with(429, vec![("retry-after", "20".to_owned())], "{}");
        let replies = || vec![rate_limited(), rate_limited(), embeddings_reply()];
        assert_eq!(
            run_embed(replies(), 60, true).await,
            (true, 3),
            "with `wait_for_limits`, 429s are retried"
        );
        assert_eq!(run_embed(replies(), 60, false).await, (false, 2));
        assert_eq!(run_embed(replies(), 30, true).await, (false, 2), "stops at the time limit");
        let without_delay = || status_reply_with(429, vec![("retry-after", "0".to_owned())], "{}");
        let (is_ok, requests) = run_embed((0..99).map(|_| without_delay()).collect(), 60, true).await;
        assert!(
            !is_ok && requests < 60,
            "retries must back off even with `retry-after: 0`: {requests} requests"
        );
    }
}
