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

use std::fmt;

pub use client_codec::{
    ClientCodec, ClientRequest, DecodeProgress, StreamDecoder, WireRequest, WireResponse,
};
pub(crate) use embedding::{EmbeddingCodec, ServerEmbeddingRequest, VERTEX_EMBEDDING_CODEC};
pub(crate) use frame::AwsDecoder;
pub use frame::{AwsFrame, SseDecoder, encode_aws_frame};
pub(crate) use quirks::ResponseFormatControl;
pub use quirks::{EchoReasoning, EffortControl, MaxTokensField, Quirks, SystemRole};
pub use response_headers::RateLimit;
pub(crate) use response_headers::{ParsedResponseHeaders, parse_response_headers};
pub(crate) use served_endpoint::{EndpointOperation, EndpointRequest, ServedEndpoint, find_endpoint};
use served_endpoint::{ListMarker, ServedModelList, ServedPaths};
pub use server_codec::{
    ResponseIdentity, ResponseMetadata, ResponseTiming, ServerCodec, ServerErrorResponse, ServerFailure,
    ServerRequest, StreamEncoder,
};
pub use wire_headers::WireHeaders;
pub(crate) use wire_json::percent_encode;

use crate::chat::Response;

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

    fn served_paths(self) -> ServedPaths {
        match self {
            Self::OpenaiChat => openai_chat::SERVED_PATHS,
            Self::OpenaiResponses => openai_responses::SERVED_PATHS,
            Self::Anthropic => anthropic::SERVED_PATHS,
            Self::Gemini => gemini::SERVED_PATHS,
            Self::Cohere => cohere::SERVED_PATHS,
            Self::Ollama => ollama::SERVED_PATHS,
            Self::Bedrock => bedrock::SERVED_PATHS,
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
