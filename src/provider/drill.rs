//! Simulated outages: a transport that injects faults below the code that has to survive them, so that
//! dialect, timeouts, and route see what a real outage looks like. Faults that replace the response do not
//! call the provider and cost nothing; faults that break a response need a real one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt, stream};

use super::ModelRef;
use super::transport::{BodyStream, IncomingResponse, OutgoingRequest, SendError, Transport};
use crate::dialect::WireHeaders;

/// The type and message of every injected error.
const ERROR_TYPE: &str = "simulated_outage";
const ERROR_MESSAGE: &str = "simulated by --drill";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrillFault {
    /// Connections are refused.
    Down,
    /// The provider responds with this status.
    Status(u16),
    /// The request is delayed by this time.
    Slow(Duration),
    /// The response starts and then hangs.
    Stall,
    /// The response starts and then the connection breaks.
    Cut,
    /// The response is an HTML page.
    Malformed,
    /// The response is empty.
    Empty,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DrillTarget {
    Provider(String),
    Model(ModelRef),
}

impl DrillTarget {
    pub(crate) fn matches(&self, model: &ModelRef) -> bool {
        match self {
            Self::Provider(provider) => model.provider == *provider,
            Self::Model(target) => target == model,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DrillRule {
    pub target: DrillTarget,
    pub fault: DrillFault,
    /// The share of matching requests that fail, from 0 to 1.
    pub share: f64,
}

/// A transport with injected faults. Other requests pass through unchanged.
pub(crate) struct DrillTransport {
    inner: Arc<dyn Transport>,
    rules: Vec<DrillRule>,
    rng: Mutex<fastrand::Rng>,
}

impl DrillTransport {
    /// `rng` decides which requests fail. If several rules match, the first one that takes effect applies.
    pub(crate) fn new(inner: Arc<dyn Transport>, rules: Vec<DrillRule>, rng: fastrand::Rng) -> Self {
        Self { inner, rules, rng: Mutex::new(rng) }
    }

    fn pick_fault(&self, outgoing: &OutgoingRequest) -> Option<DrillFault> {
        let model = outgoing.model.as_ref()?;
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        // `f64()` is below 1, so a share of 1 always applies.
        let applies = |rule: &&DrillRule| rule.target.matches(model) && rng.f64() < rule.share;
        self.rules.iter().find(applies).map(|rule| rule.fault)
    }

    /// Makes the real call and passes on half of the first chunk, because a short answer may fit in one
    /// chunk.
    fn truncate_answer(
        &self,
        outgoing: OutgoingRequest,
        ending: BodyStream,
    ) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        async move {
            let mut incoming = self.inner.send(outgoing).await?;
            if !(200..300).contains(&incoming.status) {
                return Ok(incoming);
            }
            // Drop the rest and its connection, so that no more of the answer is billed.
            let first = async move { incoming.body.next().await };
            let first_half = stream::once(first).filter_map(|piece| {
                ready(piece.map(|piece| piece.map(|bytes| bytes.slice(..bytes.len() / 2))))
            });
            Ok(IncomingResponse { body: first_half.chain(ending).boxed(), ..incoming })
        }
        .boxed()
    }
}

impl Transport for DrillTransport {
    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        let Some(fault) = self.pick_fault(&outgoing) else { return self.inner.send(outgoing) };
        match fault {
            DrillFault::Down => ready(Err(SendError::Unreachable(ERROR_MESSAGE.to_owned()))).boxed(),
            DrillFault::Status(status) => simulate_response(status, "application/json", error_body(status)),
            DrillFault::Slow(wait) => async move {
                tokio::time::sleep(wait).await;
                self.inner.send(outgoing).await
            }
            .boxed(),
            DrillFault::Stall => self.truncate_answer(outgoing, stream::pending().boxed()),
            DrillFault::Cut => {
                self.truncate_answer(outgoing, stream::iter([Err(ERROR_MESSAGE.to_owned())]).boxed())
            }
            DrillFault::Malformed => simulate_response(200, "text/html", html_page()),
            DrillFault::Empty => simulate_response(200, "application/json", String::new()),
        }
    }

    fn preconnect<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        self.inner.preconnect(base_url)
    }
}

/// A response without a call to the provider.
fn simulate_response(
    status: u16,
    content_type: &'static str,
    body: String,
) -> BoxFuture<'static, Result<IncomingResponse, SendError>> {
    let headers: WireHeaders = [("content-type", content_type)].into_iter().collect();
    let pieces = (!body.is_empty()).then(|| Ok(Bytes::from(body)));
    ready(Ok(IncomingResponse { status, headers, body: stream::iter(pieces).boxed() })).boxed()
}

/// An error in the most common format. Its message matches no known error, so that the status alone decides
/// the class.
fn error_body(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let message = format!("{} ({ERROR_MESSAGE})", reason.unwrap_or("Refused"));
    serde_json::json!({"error": {"type": ERROR_TYPE, "message": message}}).to_string()
}

fn html_page() -> String {
    format!(
        "<!DOCTYPE html>\n<html><head><title>{ERROR_MESSAGE}</title></head><body>{ERROR_MESSAGE}</body></html>\n"
    )
}
