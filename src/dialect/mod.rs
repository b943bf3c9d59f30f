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
mod client_codec;
mod cohere;
mod descriptor;
mod embedding;
mod error_body;
mod field_reader;
mod frame;
mod function_tools;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;
mod openai_server;
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
mod served_endpoint;
mod server_codec;
#[cfg(test)]
mod server_tests;
mod sse_stream_decoder;
#[cfg(test)]
mod stream_fault_tests;
mod wire_headers;
mod wire_json;
mod wire_message;

pub use client_codec::{ClientCodec, ClientRequest, DecodeProgress, StreamDecoder, UnsupportedInput};
pub use descriptor::{
    DefaultAuth, Dialect, DialectDescriptor, DoneLine, ErrorEvent, ExpectedFields, ListMarker,
    ModelListEndpoint, PromptCaching, RequestCapabilities, ServedModel, ServedModelList, ServedPaths,
    StreamEnding, StreamFormat, StreamFraming, VertexHosting, VertexPaths,
};
pub(crate) use embedding::{EmbeddingCodec, ServerEmbeddingRequest};
pub(crate) use frame::AwsDecoder;
pub use frame::{AwsFrame, SseDecoder, encode_aws_frame};
pub(crate) use quirks::ResponseFormatControl;
pub use quirks::{EchoReasoning, EffortControl, MaxTokensField, Quirks, SystemRole};
pub use response_headers::RateLimit;
pub(crate) use response_headers::{ParsedResponseHeaders, parse_response_headers};
pub(crate) use served_endpoint::{EndpointOperation, EndpointRequest, ServedEndpoint, find_endpoint};
pub use server_codec::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder,
};
pub use wire_headers::WireHeaders;
pub(crate) use wire_json::percent_encode;
pub use wire_message::{WireRequest, WireResponse};

/// Every dialect. This table and the `mod` lines are the only places outside a dialect's folder that name it.
static DIALECTS: &[&DialectDescriptor] = &[
    &openai_chat::OPENAI_CHAT,
    &openai_responses::OPENAI_RESPONSES,
    &anthropic::ANTHROPIC,
    &gemini::GEMINI,
    &cohere::COHERE,
    &ollama::OLLAMA,
    &bedrock::BEDROCK,
];

impl Dialect {
    /// In the order of the table.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        DIALECTS.iter().copied().map(Self)
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self::from_name(name).unwrap()
    }
}
