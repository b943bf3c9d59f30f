//! Rehearsed outages: a transport that puts faults in, below everything that has to survive them.
//!
//! What it breaks looks to the dialect, the timers and the route as the real thing would. A fault that stands in the
//! answer's place asks nobody, so that it costs nothing; one that breaks an answer needs one to break.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt, stream};

use super::ModelRef;
use super::transport::{BodyStream, IncomingResponse, OutgoingRequest, SendError, Transport};
use crate::dialect::WireHeaders;

/// What every made-up error says of itself, as its type and in words.
const ERROR_TYPE: &str = "simulated_outage";
const ERROR_MESSAGE: &str = "a drill, simulated outage";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillFault {
    /// There is no connection.
    Down,
    /// The provider answers with this HTTP status.
    Status(u16),
    /// The request leaves only after this time.
    Slow(Duration),
    /// The answer begins, and then nothing more comes.
    Stall,
    /// The answer begins, and the connection breaks.
    Cut,
    /// The answer is a page of HTML.
    Malformed,
    /// The answer is empty.
    Empty,
}

/// Whom a fault is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillTarget {
    /// Every model of a provider.
    Provider(String),
    /// One model.
    Model(ModelRef),
}

impl DrillTarget {
    /// Whether this is the model, or one of them.
    pub fn matches(&self, model: &ModelRef) -> bool {
        match self {
            Self::Provider(provider) => model.provider == *provider,
            Self::Model(struck) => struck == model,
        }
    }
}

/// One fault, and which requests it is put into.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillRule {
    /// Whom it is for.
    pub target: DrillTarget,
    /// What goes wrong.
    pub fault: DrillFault,
    /// The share of the requests that it is put into, 0 to 1.
    pub share: f64,
}

/// A transport with faults put in. Everything that no fault is for goes through as it is.
pub struct DrillTransport {
    inner: Arc<dyn Transport>,
    rules: Vec<DrillRule>,
    rng: Mutex<fastrand::Rng>,
}

impl DrillTransport {
    /// Puts faults into what a transport carries. Whether one with a share strikes comes from `draw`; of several that
    /// are for a request, the first that strikes acts.
    pub fn new(inner: Arc<dyn Transport>, rules: Vec<DrillRule>, draw: fastrand::Rng) -> Self {
        Self { inner, rules, rng: Mutex::new(draw) }
    }

    fn pick_fault(&self, outgoing: &OutgoingRequest) -> Option<DrillFault> {
        let model = outgoing.model.as_ref()?;
        let mut draw = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        // A number below 1 is under the share of every request.
        let strikes = |drill: &&DrillRule| drill.target.matches(model) && draw.f64() < drill.share;
        self.rules.iter().find(strikes).map(|drill| drill.fault)
    }

    /// Makes the real call and lets half of the answer's first piece through: a short answer may be whole in it.
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
            // The rest is let go with its connection: nobody is to pay for what nobody reads.
            let first = async move { incoming.body.next().await };
            let begins = stream::once(first).filter_map(|piece| {
                ready(piece.map(|piece| piece.map(|bytes| bytes.slice(..bytes.len() / 2))))
            });
            Ok(IncomingResponse { body: begins.chain(ending).boxed(), ..incoming })
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

/// A reply that nobody was asked for.
fn simulate_response(
    status: u16,
    content_type: &'static str,
    body: String,
) -> BoxFuture<'static, Result<IncomingResponse, SendError>> {
    let headers: WireHeaders = [("content-type", content_type)].into_iter().collect();
    let pieces = (!body.is_empty()).then(|| Ok(Bytes::from(body)));
    ready(Ok(IncomingResponse { status, headers, body: stream::iter(pieces).boxed() })).boxed()
}

/// An error as most providers write theirs. Its words name no class, so that the status alone decides it.
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
