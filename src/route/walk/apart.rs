//! Work that is no call along a route, under the same limits and the same budget.

use std::time::Duration;

use super::cost_of;
use crate::catalog::Cost;
use crate::chat::{EmbeddingRequest, Embeddings, Failure, FailureClass, Request, Usage};
use crate::provider::{Target, embed};
use crate::route::Router;
use crate::route::Why;
use crate::route::limits::{Admission, Settled};

impl Router {
    /// Turns texts into vectors when limits and budget let it. `limit` bounds each exchange, and the wait before them.
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
        let work = embed(&*self.transport, target, request, limit);
        let bill = |made: &Embeddings| (made.usage, cost_of(target, &made.usage));
        self.apart(target, &amount, limit, work, bill).await
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
