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
use super::transport::{BodyStream, Incoming, Outgoing, SendError, Transport};
use crate::dialect::Headers;

/// What every made-up error says of itself, as its type and in words.
const TYPE: &str = "simulated_outage";
const WORDS: &str = "a drill, simulated outage";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
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
pub enum Struck {
    /// Every model of a provider.
    Provider(String),
    /// One model.
    Model(ModelRef),
}

impl Struck {
    /// Whether this is the model, or one of them.
    pub fn covers(&self, model: &ModelRef) -> bool {
        match self {
            Self::Provider(provider) => model.provider == *provider,
            Self::Model(struck) => struck == model,
        }
    }
}

/// One fault, and which requests it is put into.
#[derive(Clone, Debug, PartialEq)]
pub struct Drill {
    /// Whom it is for.
    pub struck: Struck,
    /// What goes wrong.
    pub fault: Fault,
    /// The share of the requests that it is put into, 0 to 1.
    pub share: f64,
}

/// A transport with faults put in. Everything that no fault is for goes through as it is.
pub struct Drilled {
    inner: Arc<dyn Transport>,
    drills: Vec<Drill>,
    draw: Mutex<fastrand::Rng>,
}

impl Drilled {
    /// Puts faults into what a transport carries. Whether one with a share strikes comes from `draw`; of several that
    /// are for a request, the first that strikes acts.
    pub fn new(inner: Arc<dyn Transport>, drills: Vec<Drill>, draw: fastrand::Rng) -> Self {
        Self { inner, drills, draw: Mutex::new(draw) }
    }

    fn fault(&self, outgoing: &Outgoing) -> Option<Fault> {
        let model = outgoing.model.as_ref()?;
        let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
        // A number below 1 is under the share of every request.
        let strikes = |drill: &&Drill| drill.struck.covers(model) && draw.f64() < drill.share;
        self.drills.iter().find(strikes).map(|drill| drill.fault)
    }

    /// Makes the real call and lets half of the answer's first piece through: a short answer may be whole in it.
    fn broken_off(
        &self,
        outgoing: Outgoing,
        ending: BodyStream,
    ) -> BoxFuture<'_, Result<Incoming, SendError>> {
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
            Ok(Incoming { body: begins.chain(ending).boxed(), ..incoming })
        }
        .boxed()
    }
}

impl Transport for Drilled {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Incoming, SendError>> {
        let Some(fault) = self.fault(&outgoing) else { return self.inner.send(outgoing) };
        match fault {
            Fault::Down => ready(Err(SendError::Unreachable(WORDS.to_owned()))).boxed(),
            Fault::Status(status) => made_up(status, "application/json", refusal(status)),
            Fault::Slow(wait) => async move {
                tokio::time::sleep(wait).await;
                self.inner.send(outgoing).await
            }
            .boxed(),
            Fault::Stall => self.broken_off(outgoing, stream::pending().boxed()),
            Fault::Cut => self.broken_off(outgoing, stream::iter([Err(WORDS.to_owned())]).boxed()),
            Fault::Malformed => made_up(200, "text/html", page()),
            Fault::Empty => made_up(200, "application/json", String::new()),
        }
    }

    fn warm<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        self.inner.warm(base_url)
    }
}

/// A reply that nobody was asked for.
fn made_up(
    status: u16,
    content_type: &'static str,
    body: String,
) -> BoxFuture<'static, Result<Incoming, SendError>> {
    let headers: Headers = [("content-type", content_type)].into_iter().collect();
    let pieces = (!body.is_empty()).then(|| Ok(Bytes::from(body)));
    ready(Ok(Incoming { status, headers, body: stream::iter(pieces).boxed() })).boxed()
}

/// An error as most providers write theirs. Its words name no class, so that the status alone decides it.
fn refusal(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let message = format!("{} ({WORDS})", reason.unwrap_or("Refused"));
    serde_json::json!({"error": {"type": TYPE, "message": message}}).to_string()
}

fn page() -> String {
    format!("<!DOCTYPE html>\n<html><head><title>{WORDS}</title></head><body>{WORDS}</body></html>\n")
}
