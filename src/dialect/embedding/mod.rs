//! Embeddings: the trait that a dialect implements with its client and server half, shared code, and the format
//! that both OpenAI dialects use. Depends on `chat` and on the shared code of `dialect`.

pub(super) mod json;
mod openai;

use super::{Quirks, ResponseIdentity, WireRequest, WireResponse};
use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure};

pub(super) use openai::OpenaiEmbeddingCodec;

/// An embedding request as a server decodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEmbeddingRequest {
    pub model: String,
    pub texts: Vec<String>,
}

/// A wire format for embeddings.
pub trait EmbeddingCodec: Sync {
    /// The maximum number of texts per request.
    fn max_batch_size(&self, model: &str) -> usize;

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, quirks: &Quirks) -> WireRequest;

    /// Decodes a response with a 2xx status.
    ///
    /// # Errors
    /// `malformed` if the body does not match the format.
    fn decode_response(&self, reply: WireResponse<'_>, quirks: &Quirks)
    -> Result<EmbeddingResponse, Failure>;

    /// Server half: decodes a request. `None` if the path or body belongs to another format.
    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest>;

    /// Server half: encodes a response.
    fn encode_response(&self, identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{EmbeddingPurpose, TokenCount, Usage};
    use crate::dialect::{Dialect, WireHeaders};

    #[test]
    fn embeddings_round_trip_in_every_dialect() {
        let codecs = Dialect::all().filter_map(Dialect::embedding_codec);
        let hosted = Dialect::all().filter_map(|dialect| dialect.vertex.embeddings);
        for embedder in codecs.chain(hosted) {
            for model in ["text-embedding-3-small", "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"] {
                let texts: Vec<String> = ["one", "two"]
                    .into_iter()
                    .map(str::to_owned)
                    .take(embedder.max_batch_size(model))
                    .collect();
                let request = EmbeddingRequest {
                    texts: texts.clone(),
                    purpose: EmbeddingPurpose::SearchQuery,
                    dimensions: Some(2),
                };
                let wire = embedder.encode_request(model, &request, &Quirks::default());
                let decoded = embedder.decode_request(&wire.path.replace("%3A", ":"), &wire.body).unwrap();
                assert_eq!(decoded, ServerEmbeddingRequest { model: model.into(), texts: texts.clone() });
                let vectors = texts.iter().map(|text| vec![0.5, text.len() as f32]).collect();
                let sent = EmbeddingResponse {
                    embeddings: vectors,
                    usage: Usage { input_tokens: Some(TokenCount::new(7)), ..Usage::default() },
                };
                let identity = ResponseIdentity {
                    response_id: "id-1".to_owned(),
                    model: model.to_owned(),
                    created_at: jiff::Timestamp::UNIX_EPOCH,
                };
                let body = embedder.encode_response(&identity, &sent);
                let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: &body };
                let read = embedder.decode_response(reply, &Quirks::default()).unwrap();
                assert_eq!(read.embeddings, sent.embeddings);
                assert!(read.usage.input_tokens.is_none_or(|count| count == TokenCount::new(7)));
            }
        }
    }

    #[test]
    fn invalid_response_is_rejected() {
        for embedder in Dialect::all().filter_map(Dialect::embedding_codec) {
            for body in [&b"{}"[..], b"[]", b"{\"data\":[{\"embedding\":[\"x\"]}]}", b"<html>"] {
                let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body };
                assert!(embedder.decode_response(reply, &Quirks::default()).is_err());
            }
        }
    }
}
