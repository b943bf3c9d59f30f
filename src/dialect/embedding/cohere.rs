//! Cohere's `/v2/embed`.

use serde_json::{Value, json};

use super::vectors::{count, embeddings, json, texts, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure, Purpose};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

pub(super) struct Cohere;

/// The vendor's word for a purpose, which it demands.
pub(super) fn input_type(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Similarity => "clustering",
        Purpose::Query => "search_query",
        Purpose::Document => "search_document",
    }
}

impl Embedder for Cohere {
    fn most_texts(&self, _model: &str) -> usize {
        96
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let mut body = json!({
            "model": model, "input_type": input_type(request.purpose), "texts": request.texts,
            "embedding_types": ["float"],
        });
        if let Some(dimensions) = request.dimensions {
            body["output_dimension"] = json!(dimensions);
        }
        WireRequest::new("/v2/embed", &body)
    }

    fn decode_response(&self, reply: Reply<'_>, _quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let all = said.pointer("/embeddings/float").and_then(Value::as_array);
        let found = all.and_then(|all| all.iter().map(|one| vector(one, false)).collect());
        embeddings(found, count(said.pointer("/meta/billed_units/input_tokens")), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let body: Value = path.ends_with("/v2/embed").then(|| serde_json::from_slice(body).ok())??;
        Some(EmbeddingAsked { model: body["model"].as_str()?.to_owned(), texts: texts(&body["texts"])? })
    }

    fn encode_response(&self, _model: &str, embeddings: &Embeddings) -> Vec<u8> {
        let meta = json!({"billed_units": {"input_tokens": embeddings.usage.input_tokens}});
        wire::write(&json!({"id": "sim-embed", "embeddings": {"float": embeddings.vectors}, "meta": meta}))
    }
}
