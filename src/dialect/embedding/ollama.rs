//! Ollama's `/api/embed`.

use serde_json::{Value, json};

use super::vectors::{count, embeddings, json, texts, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

pub(super) struct Ollama;

impl Embedder for Ollama {
    fn most_texts(&self, _model: &str) -> usize {
        64
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let mut body = json!({"model": model, "input": request.texts});
        if let Some(dimensions) = request.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        WireRequest::new("/api/embed", &body)
    }

    fn decode_response(&self, reply: Reply<'_>, _quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let all = said["embeddings"].as_array();
        let found = all.and_then(|all| all.iter().map(|one| vector(one, false)).collect());
        embeddings(found, count(said.get("prompt_eval_count")), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let body: Value = path.ends_with("/api/embed").then(|| serde_json::from_slice(body).ok())??;
        Some(EmbeddingAsked { model: body["model"].as_str()?.to_owned(), texts: texts(&body["input"])? })
    }

    fn encode_response(&self, model: &str, embeddings: &Embeddings) -> Vec<u8> {
        let count = embeddings.usage.input_tokens;
        wire::write(&json!({"model": model, "embeddings": embeddings.vectors, "prompt_eval_count": count}))
    }
}
