//! OpenAI's `/embeddings`, and everybody who speaks it.

use serde_json::{Value, json};

use super::vectors::{count, embeddings, json, texts, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

pub(super) struct Openai;

impl Embedder for Openai {
    fn most_texts(&self, _model: &str) -> usize {
        256
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let mut body = json!({"model": model, "input": request.texts});
        if let Some(dimensions) = request.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        WireRequest::new("/embeddings", &body)
    }

    fn decode_response(&self, reply: Reply<'_>, quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let data = said["data"].as_array();
        let found = data.and_then(|data| {
            let mut ordered: Vec<&Value> = data.iter().collect();
            ordered.sort_by_key(|one| one["index"].as_u64().unwrap_or(0));
            ordered.into_iter().map(|one| vector(&one["embedding"], quirks.int8_embeddings)).collect()
        });
        embeddings(found, count(said.pointer("/usage/prompt_tokens")), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let body: Value = path.ends_with("/embeddings").then(|| serde_json::from_slice(body).ok())??;
        Some(EmbeddingAsked { model: body["model"].as_str()?.to_owned(), texts: texts(&body["input"])? })
    }

    fn encode_response(&self, model: &str, embeddings: &Embeddings) -> Vec<u8> {
        let one = |(index, vector): (usize, &Vec<f32>)| json!({"object": "embedding", "index": index, "embedding": vector});
        let data: Vec<Value> = embeddings.vectors.iter().enumerate().map(one).collect();
        let tokens = embeddings.usage.input_tokens;
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        wire::write(&json!({"object": "list", "data": data, "model": model, "usage": usage}))
    }
}
