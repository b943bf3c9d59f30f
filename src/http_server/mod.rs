//! An HTTP server on loopback for servers that speak the dialects' protocols. It depends on `chat` and `dialect`
//! only: the handler decides what the server answers.
//!
//! The server limits connections, requests, and waiting times, finds the dialect of each request by its path,
//! and sends replies byte for byte, so that a handler can also send broken ones.

mod limited_listener;
mod request_body;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use server::HttpServer;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::dialect::ServedEndpoint;

/// What one server accepts at most.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Open connections. More of them wait until one closes.
    pub max_connections: usize,
    /// Request line and headers together.
    pub max_head_bytes: usize,
    pub max_body_bytes: usize,
    /// Wait for the rest of a request head that has begun, and for each piece of a body.
    pub read_timeout: Duration,
    /// Wait for the next request on an open connection.
    pub idle_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // Below the usual limit of 1024 open files per process.
            max_connections: 512,
            max_head_bytes: 64 << 10,
            // Requests carry attachments.
            max_body_bytes: 128 << 20,
            read_timeout: Duration::from_secs(30),
            // Longer than the idle timeout of common clients, so that the client closes first.
            idle_timeout: Duration::from_secs(120),
        }
    }
}

/// A request within the limits, with its whole body.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    /// `None` if the path belongs to no dialect.
    pub endpoint: Option<ServedEndpoint>,
    /// Percent-decoded, without the query.
    pub path: String,
    pub body: Bytes,
}

pub(crate) struct HttpReply {
    pub status: u16,
    pub content_type: &'static str,
    /// Headers other than the content type.
    pub headers: Vec<(&'static str, String)>,
    pub body: ReplyBody,
}

pub(crate) enum ReplyBody {
    Complete(Vec<u8>),
    /// Each piece is sent as soon as it is available. An error resets the connection.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

impl HttpReply {
    pub(crate) fn json(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json", headers, body: ReplyBody::Complete(body) }
    }
}

/// Answers requests.
pub(crate) trait RequestHandler: Send + Sync + 'static {
    fn handle(&self, request: HttpRequest) -> impl Future<Output = HttpReply> + Send;
}
