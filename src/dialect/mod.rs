//! Wire formats: one module per dialect, each with a client half and a server half, and the framing that they
//! share. This module depends on `chat` only.
//!
//! Everything here is pure and sans-IO: it uses no clock, network, or environment. The client half serves
//! `provider`, and the server half serves `sim`; recorded traffic and round-trip tests check them against
//! each other.

mod anthropic;
mod attachment;
mod bedrock;
#[cfg(test)]
mod citation_and_usage_tests;
mod classify_failure;
mod claude_schema;
mod cohere;
mod embedding;
mod error_body;
mod field_reader;
mod frame;
mod function_tools;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;
mod parsed_message;
mod quirks;
#[cfg(test)]
mod request_strategies;
mod response_headers;
mod retry_after;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod round_trip_regressions;
mod sse_stream_decoder;
#[cfg(test)]
mod stream_fault_tests;
mod wire_headers;
mod wire_json;

use std::fmt;

use serde_json::{Map, Value};

pub(crate) use embedding::{EmbeddingCodec, VERTEX_EMBEDDING_CODEC};
pub(crate) use frame::AwsDecoder;
pub use frame::{AwsFrame, SseDecoder, encode_aws_frame};
pub(crate) use quirks::ResponseFormatControl;
pub use quirks::{EchoReasoning, EffortControl, MaxTokensField, Quirks, SystemRole};
pub(crate) use response_headers::{ParsedResponseHeaders, RateLimit, parse_response_headers};
pub use wire_headers::WireHeaders;
pub(crate) use wire_json::percent_encode;

use crate::chat::{
    Assembler, Failure, FailureClass, Part, ReasoningEffort, Request, RequestParameter, Response, StreamEvent,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// OpenAI Chat Completions and compatible APIs.
    OpenaiChat,
    OpenaiResponses,
    Anthropic,
    Gemini,
    Cohere,
    Ollama,
    Bedrock,
}

impl Dialect {
    pub const ALL: [Self; 7] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::Anthropic,
        Self::Gemini,
        Self::Cohere,
        Self::Ollama,
        Self::Bedrock,
    ];

    /// The name used in `routes.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
            Self::Bedrock => "bedrock",
        }
    }

    /// Fields that every response of this dialect should have but this one lacks, under the provider's names.
    pub fn missing_response_fields(self, answer: &Response) -> Vec<&'static str> {
        let (id, model, usage) = match self {
            Self::OpenaiChat | Self::OpenaiResponses | Self::Anthropic => {
                (Some("id"), Some("model"), "usage")
            }
            Self::Gemini => (Some("responseId"), Some("modelVersion"), "usageMetadata"),
            Self::Cohere => (Some("id"), None, "usage"),
            Self::Ollama => (None, Some("model"), "eval_count"),
            Self::Bedrock => (None, None, "usage"),
        };
        let no_id = id.filter(|id| !answer.provider_fields.contains_key(*id));
        let no_model = model.filter(|_| answer.served_model.is_none());
        let no_usage = answer.usage.output_tokens.is_none().then_some(usage);
        [no_id, no_model, no_usage].into_iter().flatten().collect()
    }

    pub fn client_codec(self) -> &'static dyn ClientCodec {
        match self {
            Self::OpenaiChat => &openai_chat::OpenaiChat,
            Self::OpenaiResponses => &openai_responses::OpenaiResponses,
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Cohere => &cohere::Cohere,
            Self::Ollama => &ollama::Ollama,
            Self::Bedrock => &bedrock::Bedrock,
        }
    }

    pub fn server_codec(self) -> &'static dyn ServerCodec {
        match self {
            Self::OpenaiChat => &openai_chat::OpenaiChat,
            Self::OpenaiResponses => &openai_responses::OpenaiResponses,
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Cohere => &cohere::Cohere,
            Self::Ollama => &ollama::Ollama,
            Self::Bedrock => &bedrock::Bedrock,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request to one model, ready to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The model's name at its provider.
    pub model: &'a str,
    pub request: &'a Request,
    pub is_streaming: bool,
    pub quirks: &'a Quirks,
    /// The caller's options for this provider, merged over the body at the end.
    pub provider_options: Option<&'a Map<String, Value>>,
}

/// An HTTP request relative to the provider's base URL, without credentials. Always a POST with a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRequest {
    /// Path after the base URL, with a leading slash.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    /// Headers that the dialect requires.
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

impl WireRequest {
    fn new(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self { path: path.into(), query: Vec::new(), headers: Vec::new(), body: wire_json::encode_json(body) }
    }
}

/// A complete HTTP response.
#[derive(Clone, Copy, Debug)]
pub struct WireResponse<'a> {
    pub status: u16,
    pub headers: &'a WireHeaders,
    pub body: &'a [u8],
}

/// Whether a stream needs more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeProgress {
    More,
    /// The response is complete, so the connection can be closed.
    Done,
}

/// The client half of a dialect.
pub trait ClientCodec: Sync {
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest;

    /// Parameters that the dialect cannot express.
    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[]
    }

    /// The effort levels that the dialect can express, for models with unknown levels.
    fn supported_efforts(&self, _quirks: &Quirks) -> &'static [ReasoningEffort] {
        &ReasoningEffort::ALL
    }

    fn max_temperature(&self) -> u8 {
        2
    }

    /// Content of this part that the dialect cannot carry, such as `images by URL`. `None` if it can carry all
    /// of it.
    fn unsupported_part(&self, _part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        None
    }

    /// Decodes a complete response with a 2xx status into the events of an equivalent stream. `events` is
    /// filled even on failure, because the tokens of a broken response are billed too.
    ///
    /// # Errors
    /// The failure that the body reports, or `malformed` if it does not match the dialect.
    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure>;

    /// Decodes a complete response with a 2xx status.
    ///
    /// # Errors
    /// As [`decode_response_events`](Self::decode_response_events), and `empty` if the response has no
    /// content.
    fn decode_response(&self, reply: WireResponse<'_>, quirks: &Quirks) -> Result<Response, Failure> {
        let mut events = Vec::new();
        self.decode_response_events(reply, quirks, &mut events)?;
        let mut assembler = Assembler::default();
        events.iter().for_each(|event| assembler.push(event));
        assembler.finish()
    }

    /// Decodes a response with any other status.
    fn decode_failure(&self, reply: WireResponse<'_>) -> Failure {
        error_body::ErrorBody::decode_failure(reply)
    }

    fn stream_decoder(&self, quirks: &Quirks) -> Box<dyn StreamDecoder>;
}

/// Decodes one streamed response from byte chunks of any size.
pub trait StreamDecoder: Send {
    /// Decodes bytes and appends their events.
    ///
    /// # Errors
    /// The failure that the stream reports, or `malformed` at the first frame that cannot be parsed: skipping
    /// a frame could lose text.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure>;

    /// Called when the stream ends, cleanly or by a broken connection.
    ///
    /// # Errors
    /// `truncated` without the dialect's terminal event, `empty` if no bytes arrived.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure>;
}

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

/// How a server identifies itself in a response.
#[derive(Clone, Debug)]
pub struct ResponseIdentity {
    pub response_id: String,
    pub model: String,
}

/// The server half of a dialect.
pub trait ServerCodec: Sync {
    /// Decodes a request. `path` is relative to the dialect's base path.
    ///
    /// # Errors
    /// What is wrong with the request, as a message for the client.
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String>;

    fn stream_content_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// The reasoning state that this dialect's provider would send, or `None` if it sends none. The client
    /// returns it with the next request.
    fn reasoning_state(&self, _seed: &str) -> Option<Value> {
        None
    }

    fn encode_response(&self, response: &Response, identity: &ResponseIdentity) -> Vec<u8>;

    /// Headers of a response other than its content type.
    fn response_headers(&self, _identity: &ResponseIdentity) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The dialect's error for a class, with its headers.
    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse;

    fn stream_encoder(&self, identity: &ResponseIdentity) -> Box<dyn StreamEncoder>;
}

/// Encodes events as the frames of one streamed response.
pub trait StreamEncoder: Send {
    fn encode_start(&mut self, input: &crate::chat::Usage) -> Vec<u8>;

    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8>;

    /// The frames that follow the terminal event and close the stream.
    fn encode_end(&mut self) -> Vec<u8>;

    /// An error within the stream.
    fn encode_error(&mut self, class: FailureClass, message: &str) -> Vec<u8>;
}
