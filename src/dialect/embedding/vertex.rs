//! Vertex's `:predict`, which takes one text a request for its newer models.

use serde_json::{Value, json};

use super::gemini::task;
use super::vectors::{count, embeddings, json, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure, Usage};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

/// Vectors of models on Vertex.
pub const VERTEX_EMBEDDER: &dyn Embedder = &Vertex;

struct Vertex;

impl Embedder for Vertex {
    fn most_texts(&self, _model: &str) -> usize {
        1
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let one = |text: &String| json!({"content": text, "task_type": task(request.purpose)});
        let instances: Vec<Value> = request.texts.iter().map(one).collect();
        let mut body = json!({"instances": instances});
        if let Some(dimensions) = request.dimensions {
            body["parameters"] = json!({"outputDimensionality": dimensions});
        }
        WireRequest::new(format!("/models/{}:predict", wire::escape(model, b"-_.~/:@")), &body)
    }

    fn decode_response(&self, reply: Reply<'_>, _quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let all = || said["predictions"].as_array().into_iter().flatten().map(|one| &one["embeddings"]);
        let found: Option<Vec<Vec<f32>>> = all().map(|one| vector(&one["values"], false)).collect();
        let tokens: Vec<Option<u64>> =
            all().map(|one| count(one.pointer("/statistics/token_count"))).collect();
        embeddings(found, Usage::total(&tokens), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let model = path.rsplit_once("models/")?.1.strip_suffix(":predict")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |one: &Value| one["content"].as_str().map(str::to_owned);
        let texts = body["instances"].as_array()?.iter().map(text).collect::<Option<Vec<_>>>()?;
        Some(EmbeddingAsked { model: model.to_owned(), texts })
    }

    fn encode_response(&self, _model: &str, embeddings: &Embeddings) -> Vec<u8> {
        let tokens = embeddings.usage.input_tokens;
        let one = |vector: &Vec<f32>| json!({"embeddings": {"values": vector, "statistics": {"token_count": tokens}}});
        wire::write(&json!({"predictions": embeddings.vectors.iter().map(one).collect::<Vec<_>>()}))
    }
}
