//! Texts to vectors: one file per wire format that has them, both halves in it.

mod bedrock;
mod cohere;
mod gemini;
mod ollama;
mod openai;
mod vectors;
mod vertex;

use super::{Dialect, Quirks, Reply, WireRequest};
use crate::chat::{EmbeddingRequest, Embeddings, Failure};

pub use vertex::VERTEX_EMBEDDER;

/// What was asked of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingAsked {
    /// The model's name.
    pub model: String,
    /// The texts.
    pub texts: Vec<String>,
}

/// A wire format for vectors.
pub trait Embedder: Sync {
    /// How many texts one request takes.
    fn most_texts(&self, model: &str) -> usize;

    /// The request in this format.
    fn encode_request(&self, model: &str, request: &EmbeddingRequest, quirks: &Quirks) -> WireRequest;

    /// A reply with a 2xx status.
    ///
    /// # Errors
    /// `malformed` when it is not what the format says.
    fn decode_response(&self, reply: Reply<'_>, quirks: &Quirks) -> Result<Embeddings, Failure>;

    /// The other half: reads a request. `None` when the path or the body is another one.
    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked>;

    /// The other half: an answer.
    fn encode_response(&self, model: &str, embeddings: &Embeddings) -> Vec<u8>;
}

impl Dialect {
    /// How this dialect's providers make vectors; `None` where they do not.
    pub fn embedder(self) -> Option<&'static dyn Embedder> {
        match self {
            Self::OpenaiChat | Self::OpenaiResponses => Some(&openai::Openai),
            Self::Anthropic => None,
            Self::Gemini => Some(&gemini::Gemini),
            Self::Cohere => Some(&cohere::Cohere),
            Self::Ollama => Some(&ollama::Ollama),
            Self::Bedrock => Some(&bedrock::Bedrock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Purpose, Usage};
    use crate::dialect::Headers;

    #[test]
    fn vectors_come_back_in_every_format() {
        let own = Dialect::ALL.into_iter().filter_map(Dialect::embedder);
        for embedder in own.chain([VERTEX_EMBEDDER]) {
            for model in ["text-embedding-3-small", "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"] {
                let texts: Vec<String> =
                    ["one", "two"].into_iter().map(str::to_owned).take(embedder.most_texts(model)).collect();
                let request =
                    EmbeddingRequest { texts: texts.clone(), purpose: Purpose::Query, dimensions: Some(2) };
                let wire = embedder.encode_request(model, &request, &Quirks::default());
                let asked = embedder.decode_request(&wire.path.replace("%3A", ":"), &wire.body).unwrap();
                assert_eq!(asked, EmbeddingAsked { model: model.into(), texts: texts.clone() });
                let vectors = texts.iter().map(|text| vec![0.5, text.len() as f32]).collect();
                let sent = Embeddings { vectors, usage: Usage { input_tokens: Some(7), ..Usage::default() } };
                let body = embedder.encode_response(model, &sent);
                let reply = Reply { status: 200, headers: &Headers::default(), body: &body };
                let read = embedder.decode_response(reply, &Quirks::default()).unwrap();
                assert_eq!(read.vectors, sent.vectors);
                assert!(matches!(read.usage.input_tokens, Some(7) | None));
            }
        }
    }

    #[test]
    fn what_is_no_vector_is_malformed() {
        for embedder in Dialect::ALL.into_iter().filter_map(Dialect::embedder) {
            for body in [&b"{}"[..], b"[]", b"{\"data\":[{\"embedding\":[\"x\"]}]}", b"<html>"] {
                let reply = Reply { status: 200, headers: &Headers::default(), body };
                assert!(embedder.decode_response(reply, &Quirks::default()).is_err());
            }
        }
    }
}
