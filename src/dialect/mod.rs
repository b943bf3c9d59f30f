//! How it is said: one folder per wire format, each with a client half and a server half, and the framing below them.
//!
//! Everything here is pure and sans-IO: bytes in, meaning out, and back. No clock, no network, no environment. The
//! client half serves `provider`, the server half serves `sim`; recorded traffic and round trips hold the two to each
//! other. Start with [`Client`] and [`Server`].

mod account;
mod anthropic;
mod bedrock;
mod classify;
mod closed_schema;
mod cohere;
mod conversation;
mod embedding;
mod error_body;
#[cfg(test)]
mod extras_tests;
#[cfg(test)]
mod fault_tests;
mod fields;
mod frame;
mod functions;
mod gemini;
mod headers;
mod media;
mod ollama;
mod openai_chat;
mod openai_responses;
mod quirks;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod round_trip_bodies;
#[cfg(test)]
mod round_trip_requests;
mod sse_stream;
mod wait;
mod wire;

use std::fmt;

use serde_json::{Map, Value};

pub use account::{Account, RateLimit, account};
pub use embedding::{Embedder, EmbeddingAsked, VERTEX_EMBEDDER};
pub use frame::{
    AwsDecoder, AwsFrame, LineDecoder, NoEventStream, SseDecoder, SseFrame, TooLong, write_aws_frame,
};
pub use headers::Headers;
pub use quirks::{EchoReasoning, EffortControl, MaxTokensField, Quirks, SchemaControl, SystemRole};
pub use wire::escape;

use crate::chat::{Assembler, Effort, Event, Failure, FailureClass, Parameter, Part, Request, Response};

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
    pub fn name(self) -> &'static str {
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
    pub fn missing(self, answer: &Response) -> Vec<&'static str> {
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
    pub fn client(self) -> &'static dyn Client {
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
    pub fn server(self) -> &'static dyn Server {
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
        f.write_str(self.name())
    }
}

/// One request to one model, as the caller means it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The model's name at its provider.
    pub model: &'a str,
    /// What is asked.
    pub request: &'a Request,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// What this provider does its own way.
    pub quirks: &'a Quirks,
    /// The caller's own words for this provider, laid over the body at the end.
    pub options: Option<&'a Map<String, Value>>,
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
        Self { path: path.into(), query: Vec::new(), headers: Vec::new(), body: wire::write(body) }
    }
}

/// A whole reply as it came from the wire.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: &'a Headers,
    /// The body.
    pub body: &'a [u8],
}

/// Whether a stream has said all that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Read on.
    More,
    /// Nothing after this belongs to the answer; the connection may be let go.
    Done,
}

/// The half of a dialect that asks.
pub trait Client: Sync {
    /// The request in this dialect.
    fn encode_request(&self, call: Call<'_>) -> WireRequest;

    /// Parameters that the dialect has no place for.
    fn lacks(&self) -> &'static [Parameter] {
        &[]
    }

    /// The levels of effort that the dialect has words for, where nothing is known of the model.
    fn efforts(&self, _quirks: &Quirks) -> &'static [Effort] {
        &Effort::ALL
    }

    /// The highest temperature that it takes.
    fn most_temperature(&self) -> u8 {
        2
    }

    /// What of a turn this dialect cannot carry, in words.
    fn cannot_carry(&self, _part: &Part, _quirks: &Quirks) -> Option<&'static str> {
        None
    }

    /// A whole answer with a 2xx status, as the events it would stream as. They hold what there is even when it fails:
    /// tokens of a broken answer are billed too.
    ///
    /// # Errors
    /// The failure that the body tells of, or `malformed` when it is not what the dialect says.
    fn decode_whole(&self, reply: Reply<'_>, quirks: &Quirks, events: &mut Vec<Event>)
    -> Result<(), Failure>;

    /// A whole answer with a 2xx status.
    ///
    /// # Errors
    /// As [`decode_whole`](Self::decode_whole), and when the answer holds nothing.
    fn decode_response(&self, reply: Reply<'_>, quirks: &Quirks) -> Result<Response, Failure> {
        let mut events = Vec::new();
        self.decode_whole(reply, quirks, &mut events)?;
        let mut assembler = Assembler::default();
        events.iter().for_each(|event| assembler.push(event));
        assembler.finish()
    }

    /// A reply with any other status.
    fn decode_failure(&self, reply: Reply<'_>) -> Failure {
        error_body::ErrorBody::failure_of(reply)
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
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<Progress, Failure>;

    /// The bytes ended, cleanly or by a cut connection.
    ///
    /// # Errors
    /// `truncated` without the dialect's terminal event, `empty` when nothing came at all.
    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure>;
}

/// What was asked of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The model's name.
    pub model: String,
    /// What is asked.
    pub request: Request,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// What the contract has no place for, as it was written.
    pub options: Map<String, Value>,
}

/// A server's whole reply.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReply {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON body.
    pub body: Vec<u8>,
}

/// What a server says about itself in an answer.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The id of the answer.
    pub id: String,
    /// The model that serves.
    pub model: String,
}

/// The half of a dialect that answers.
pub trait Server: Sync {
    /// Reads a request. `path` is what follows the dialect's base path.
    ///
    /// # Errors
    /// What is wrong with it, in words for the one who sent it.
    fn decode_request(&self, path: &str, body: &[u8]) -> Result<Asked, String>;

    /// What a streamed answer says that it is.
    fn stream_content_type(&self) -> &'static str {
        "text/event-stream"
    }

    /// The state that this vendor would give with thoughts, in its own shape; `None` where it gives none. The next turn
    /// brings it back.
    fn thought_state(&self, _seed: &str) -> Option<Value> {
        None
    }

    /// A whole answer.
    fn encode_response(&self, response: &Response, serving: &Serving) -> Vec<u8>;

    /// The headers that come with an answer, beside its content type.
    fn answer_headers(&self, _serving: &Serving) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The dialect's own error for a class, with its own headers.
    fn encode_failure(&self, class: FailureClass, message: &str) -> ServerReply;

    /// An encoder for one streamed answer.
    fn stream_encoder(&self, serving: &Serving) -> Box<dyn StreamEncoder>;
}

/// Turns events into the frames of one streamed answer.
pub trait StreamEncoder: Send {
    /// The frames that open the stream.
    fn open(&mut self, input: &crate::chat::Usage) -> Vec<u8>;

    /// The frame or frames of one event.
    fn event(&mut self, event: &Event) -> Vec<u8>;

    /// The frames that close the stream after its terminal event.
    fn close(&mut self) -> Vec<u8>;

    /// An error in the middle of the stream, as the dialect sends it.
    fn error(&mut self, class: FailureClass, message: &str) -> Vec<u8>;
}
