//! The server half of a dialect: decodes requests and encodes responses.
//!
//! It encodes exactly what its caller passes. Names, times, limits, and counts that the caller does not know are
//! left out of the response; nothing is made up here.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::RateLimit;
use crate::chat::{FailureClass, Request, Response, StreamEvent, Usage};

/// A request as a server decodes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerRequest {
    pub model: String,
    pub request: Request,
    pub is_streaming: bool,
    /// Fields that [`Request`] cannot represent, verbatim.
    pub provider_options: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServerErrorResponse {
    pub status: u16,
    /// Headers other than the content type.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// How a response identifies itself in its body.
#[derive(Clone, Debug)]
pub struct ResponseIdentity {
    /// IDs of the response's parts are derived from it.
    pub response_id: String,
    pub model: String,
    pub created_at: Timestamp,
}

/// What a server reports about an exchange besides the response. Formats without a place for a value leave it
/// out.
#[derive(Clone, Debug, Default)]
pub struct ResponseMetadata {
    /// For support tickets.
    pub request_id: Option<String>,
    pub request_limit: RateLimit,
    pub token_limit: RateLimit,
    /// How long the client should wait before it retries.
    pub retry_after: Option<Duration>,
}

/// How long a response took.
#[derive(Clone, Copy, Debug)]
pub struct ResponseTiming {
    /// From the request to the end of the response.
    pub total: Duration,
    /// From the request to the first token; `None` if it was not measured.
    pub first_token: Option<Duration>,
}

/// A failure as a server reports it.
#[derive(Clone, Copy, Debug)]
pub struct ServerFailure<'a> {
    pub class: FailureClass,
    pub message: &'a str,
    /// Replaces the status that the dialect has for the class.
    pub status: Option<u16>,
    pub metadata: &'a ResponseMetadata,
}

impl<'a> ServerFailure<'a> {
    pub fn new(class: FailureClass, message: &'a str, metadata: &'a ResponseMetadata) -> Self {
        Self { class, message, status: None, metadata }
    }
}

/// The server half of a dialect.
pub trait ServerCodec: Sync {
    /// Decodes a request. `path` is relative to the dialect's base path.
    ///
    /// # Errors
    /// What is wrong with the request, as a message for the client.
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String>;

    /// Wraps a caller's string in this dialect's reasoning state, which the client returns with the next
    /// request. `None` if the dialect has no reasoning state.
    fn wrap_reasoning_state(&self, _content: &str) -> Option<Value> {
        None
    }

    fn encode_response(
        &self,
        response: &Response,
        identity: &ResponseIdentity,
        timing: Option<ResponseTiming>,
    ) -> Vec<u8>;

    /// Headers of a successful response other than its content type.
    fn encode_headers(&self, _metadata: &ResponseMetadata) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The dialect's error for a failure, with its headers.
    fn encode_failure(&self, failure: &ServerFailure<'_>) -> ServerErrorResponse;

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder>;
}

/// Encodes events as the frames of one streamed response.
pub trait StreamEncoder: Send {
    /// Opens the response. `known` are the counts that are known before the first token.
    fn encode_start(&mut self, known: &Usage) -> Vec<u8>;

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8>;

    /// Sets the times that some dialects report at the end. Called before the terminal event.
    fn record_timing(&mut self, _timing: ResponseTiming) {}

    /// The frames that follow the terminal event and close the stream.
    fn encode_end(&mut self) -> Vec<u8>;

    /// An error within the stream.
    fn encode_error(&mut self, failure: &ServerFailure<'_>) -> Vec<u8>;
}
