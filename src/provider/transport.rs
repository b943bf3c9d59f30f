//! The interface between the program and the network.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, Stream};

use super::ModelRef;
use crate::dialect::{WireHeaders, percent_encode};

/// A response body as it arrives. An error is a lost connection, with the reason.
pub(crate) type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    Post,
    Get,
}

#[derive(Clone)]
pub struct OutgoingRequest {
    /// `None` for requests that are not model calls.
    pub model: Option<ModelRef>,
    pub method: HttpMethod,
    pub url: String,
    /// Includes the key.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl OutgoingRequest {
    /// Sets a header and replaces any with the same name.
    pub(super) fn set_header(&mut self, name: &str, value: String) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }

    /// Appends a query parameter and percent-encodes its value.
    pub(super) fn append_query(&mut self, name: &str, value: &str) {
        append_query(&mut self.url, name, value);
    }
}

/// Appends a query parameter to a URL and percent-encodes its value.
pub(super) fn append_query(url: &mut String, name: &str, value: &str) {
    append_raw_query(url, name, &percent_encode(value, b"-_.~"));
}

/// Appends a query parameter whose value needs no percent-encoding.
pub(super) fn append_raw_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(&format!("{name}={value}"));
}

/// A response whose headers have arrived.
pub struct IncomingResponse {
    pub status: u16,
    pub headers: WireHeaders,
    pub body: BodyStream,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Connecting failed or the connection broke before the headers, with the reason.
    Unreachable(String),
    ConnectTimeout,
}

/// Sends requests. Implemented over HTTP, with scripted replies for tests, and by a wrapper that injects
/// faults.
pub trait Transport: Send + Sync {
    /// Sends one request. Must not retry: the caller counts the attempts.
    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>>;

    /// Opens a connection to a base URL in advance, so that a later request does not wait for one. Sends no
    /// key and reports no error.
    fn preconnect<'a>(&'a self, _base_url: &'a str) -> BoxFuture<'a, ()> {
        ready(()).boxed()
    }
}
