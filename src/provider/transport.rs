//! The one seam between meaning and I/O.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, Stream};

use super::ModelRef;
use crate::dialect::WireHeaders;

/// The bytes of a reply's body as they arrive. An error is a connection that broke; its text says how.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// Sends a body to be answered.
    Post,
    /// Fetches.
    Get,
}

/// A request, ready to go.
#[derive(Clone)]
pub struct OutgoingRequest {
    /// The model that is asked; `None` where a host is asked for something else.
    pub model: Option<ModelRef>,
    /// What it does.
    pub method: HttpMethod,
    /// The whole URL.
    pub url: String,
    /// Headers, the key's among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// A reply whose headers have come.
pub struct IncomingResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: WireHeaders,
    /// The body, still to come.
    pub body: BodyStream,
}

/// No reply at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No connection, or it broke before the headers; in words.
    Unreachable(String),
    /// The connection took longer than its timer.
    ConnectTimeout,
}

/// Carries a request to its host and the reply back. Over HTTP; from a script, for tests of everything that has to do
/// with time; and through a wrapper that puts faults in.
pub trait Transport: Send + Sync {
    /// Sends one request, once: whoever calls counts the attempts.
    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>>;

    /// Opens a connection to where a base URL leads, so that a request that may follow does not wait for one. Nothing is
    /// asked of anybody there, and no key is sent; whatever comes of it, nobody is told.
    fn preconnect<'a>(&'a self, _base_url: &'a str) -> BoxFuture<'a, ()> {
        ready(()).boxed()
    }
}
