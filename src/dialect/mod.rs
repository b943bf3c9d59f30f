//! How it is said: one folder per wire format, each with a client half and a server half, and the framing below them.
//!
//! Everything here is pure and sans-IO: bytes in, meaning out, and back. No clock, no network, no environment. The
//! client half serves `provider`, the server half serves `sim`; recorded traffic and round trips hold the two to each
//! other. Start with [`Client`] and [`Server`].

mod anthropic;
mod attachment;
mod bedrock;
#[cfg(test)]
mod citation_and_usage_tests;
mod classify;
mod claude_schema;
mod cohere;
mod embedding;
mod error_body;
mod field_reader;
mod frame;
mod function_tools;
mod gemini;
mod headers;
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
mod wire_json;

use std::fmt;

use serde_json::{Map, Value};

pub use embedding::{EmbeddingCodec, ServerEmbeddingRequest, VERTEX_EMBEDDING_CODEC};
pub use frame::{
    AwsDecoder, AwsFrame, AwsFrameError, FrameTooLong, NdjsonDecoder, SseDecoder, SseFrame, encode_aws_frame,
};
pub use headers::WireHeaders;
pub use quirks::{EchoReasoning, EffortControl, MaxTokensField, Quirks, ResponseFormatControl, SystemRole};
pub use response_headers::{ParsedResponseHeaders, RateLimit, parse_response_headers};
pub use wire_json::percent_encode;

use crate::chat::{
    Assembler, Failure, FailureClass, Part, ReasoningEffort, Request, RequestParameter, Response, StreamEvent,
};

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// OpenAI Chat Completions, and everybody who speaks it.
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
    /// Cohere Chat, version 2.
    Cohere,
    /// Ollama's native chat.
    Ollama,
    /// Amazon Bedrock Converse.
    Bedrock,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 7] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::Anthropic,
        Self::Gemini,
        Self::Cohere,
        Self::Ollama,
        Self::Bedrock,
    ];

    /// The word for it in `routes.yaml`.
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

    /// What every answer of this dialect has and this one lacks, by the vendor's names: an id, the model, the counts.
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

    /// The half that asks.
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

    /// The half that answers.
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

/// One request to one model, as the caller means it.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The model's name at its provider.
    pub model: &'a str,
    /// What is asked.
    pub request: &'a Request,
    /// Whether the answer is to come as a stream.
    pub is_streaming: bool,
    /// What this provider does its own way.
    pub quirks: &'a Quirks,
    /// The caller's own words for this provider, laid over the body at the end.
    pub provider_options: Option<&'a Map<String, Value>>,
}

/// A request as it goes on the wire, below the provider's base URL and without its credentials. Always a POST of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct WireRequest {
    /// Path after the base URL, with its leading slash.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(&'static str, String)>,
    /// Headers of the dialect itself.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The JSON body.
    pub body: Vec<u8>,
}

impl WireRequest {
    /// A request to this path, with nothing beside its body.
    fn new(path: impl Into<String>, body: &impl serde::Serialize) -> Self {
        Self { path: path.into(), query: Vec::new(), headers: Vec::new(), body: wire_json::encode_json(body) }
    }
}

/// A whole reply as it came from the wire.
#[derive(Clone, Copy, Debug)]
pub struct WireResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: &'a WireHeaders,
    /// The body.
    pub body: &'a [u8],
}

/// Whether a stream has said all that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeProgress {
    /// Read on.
    More,
    /// Nothing after this belongs to the answer; the connection may be let go.
    Done,
}

/// The half of a dialect that asks.
pub trait ClientCodec: Sync {
    /// The request in this dialect.
    fn encode_request(&self, call: ClientRequest<'_>) -> WireRequest;

    /// Parameters that the dialect has no place for.
    fn unsupported_parameters(&self) -> &'static [RequestParameter] {
        &[]
    }

    /// The levels of effort that the dialect has words for, where nothing is known of the model.
    fn supported_efforts(&self, _quirks: &Quirks) -> &'static [ReasoningEffort] {
        &ReasoningEffort::ALL
    }

    /// The highest temperature that it takes.
    fn max_temperature(&self) -> u8 {
        2
    }

    /// What of a turn this dialect cannot carry, in words.
    fn unsupported_part(&self, _part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        None
    }

    /// A whole answer with a 2xx status, as the events it would stream as. They hold what there is even when it fails:
    /// tokens of a broken answer are billed too.
    ///
    /// # Errors
    /// The failure that the body tells of, or `malformed` when it is not what the dialect says.
    fn decode_response_events(
        &self,
        reply: WireResponse<'_>,
        quirks: &Quirks,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Failure>;

    /// A whole answer with a 2xx status.
    ///
    /// # Errors
    /// As [`decode_whole`](Self::decode_whole), and when the answer holds nothing.
    fn decode_response(&self, reply: WireResponse<'_>, quirks: &Quirks) -> Result<Response, Failure> {
        let mut events = Vec::new();
        self.decode_response_events(reply, quirks, &mut events)?;
        let mut assembler = Assembler::default();
        events.iter().for_each(|event| assembler.push(event));
        assembler.finish()
    }

    /// A reply with any other status.
    fn decode_failure(&self, reply: WireResponse<'_>) -> Failure {
        error_body::ErrorBody::decode_failure(reply)
    }

    /// A decoder for one streamed answer.
    fn stream_decoder(&self, quirks: &Quirks) -> Box<dyn StreamDecoder>;
}

/// Turns the bytes of one streamed answer into events, wherever they are cut.
pub trait StreamDecoder: Send {
    /// Takes bytes in and appends what they say.
    ///
    /// # Errors
    /// The failure that the stream tells of, or `malformed` at the first frame that does not parse: a skipped frame
    /// may have held text.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure>;

    /// The bytes ended, cleanly or by a cut connection.
    ///
    /// # Errors
    /// `truncated` without the dialect's terminal event, `empty` when nothing came at all.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure>;
}

/// What was asked of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerRequest {
    /// The model's name.
    pub model: String,
    /// What is asked.
    pub request: Request,
    /// Whether the answer is to be a stream.
    pub is_streaming: bool,
    /// What the contract has no place for, as it was written.
    pub provider_options: Map<String, Value>,
}

/// A server's whole reply.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Vec<u8>,
}

/// What a server says about itself in an answer.
#[derive(Clone, Debug)]
pub struct ResponseIdentity {
    /// The id of the answer.
    pub response_id: String,
    /// The model that serves.
    pub model: String,
}

/// The half of a dialect that answers.
pub trait ServerCodec: Sync {
    /// Reads a request. `path` is what follows the dialect's base path.
    ///
    /// # Errors
    /// What is wrong with it, in words for the one who sent it.
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<ServerRequest, String>;

    /// What a streamed answer says that it is.
    fn stream_content_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// The state that this vendor would give with thoughts, in its own shape; `None` where it gives none. The next turn
    /// brings it back.
    fn reasoning_state(&self, _seed: &str) -> Option<Value> {
        None
    }

    /// A whole answer.
    fn encode_response(&self, response: &Response, serving: &ResponseIdentity) -> Vec<u8>;

    /// The headers that come with an answer, beside its content type.
    fn response_headers(&self, _serving: &ResponseIdentity) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The dialect's own error for a class, with its own headers.
    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerErrorResponse;

    /// An encoder for one streamed answer.
    fn stream_encoder(&self, serving: &ResponseIdentity) -> Box<dyn StreamEncoder>;
}

/// Turns events into the frames of one streamed answer.
pub trait StreamEncoder: Send {
    /// The frames that open the stream.
    fn encode_start(&mut self, input: &crate::chat::Usage) -> Vec<u8>;

    /// The frame or frames of one event.
    fn encode_event(&mut self, event: &StreamEvent) -> Vec<u8>;

    /// The frames that close the stream after its terminal event.
    fn encode_end(&mut self) -> Vec<u8>;

    /// An error in the middle of the stream, as the dialect sends it.
    fn encode_error(&mut self, class: FailureClass, message: &str) -> Vec<u8>;
}
