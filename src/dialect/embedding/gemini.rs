//! Gemini's `:batchEmbedContents`.

use serde_json::{Value, json};

use super::vectors::{count, embeddings, json, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure, Purpose};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

pub(super) struct Gemini;

/// The vendor's word for a purpose.
pub(super) fn task(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Similarity => "SEMANTIC_SIMILARITY",
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::Document => "RETRIEVAL_DOCUMENT",
    }
}

impl Embedder for Gemini {
    fn most_texts(&self, _model: &str) -> usize {
        100
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let one = |text: &String| {
            let content = json!({"parts": [{"text": text}]});
            let mut one = json!({"model": format!("models/{model}"), "content": content, "taskType": task(request.purpose)});
            if let Some(dimensions) = request.dimensions {
                one["outputDimensionality"] = json!(dimensions);
            }
            one
        };
        let requests: Vec<Value> = request.texts.iter().map(one).collect();
        WireRequest::new(
            format!("/models/{}:batchEmbedContents", wire::escape(model, b"-_.~/:@")),
            &json!({"requests": requests}),
        )
    }

    fn decode_response(&self, reply: Reply<'_>, _quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let all = said["embeddings"].as_array();
        let found = all.and_then(|all| all.iter().map(|one| vector(&one["values"], false)).collect());
        embeddings(found, count(said.pointer("/usageMetadata/promptTokenCount")), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let model = path.rsplit_once("models/")?.1.strip_suffix(":batchEmbedContents")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |one: &Value| one.pointer("/content/parts/0/text")?.as_str().map(str::to_owned);
        let texts = body["requests"].as_array()?.iter().map(text).collect::<Option<Vec<_>>>()?;
        Some(EmbeddingAsked { model: model.to_owned(), texts })
    }

    fn encode_response(&self, _model: &str, embeddings: &Embeddings) -> Vec<u8> {
        let all: Vec<Value> = embeddings.vectors.iter().map(|vector| json!({"values": vector})).collect();
        let usage = json!({"promptTokenCount": embeddings.usage.input_tokens});
        wire::write(&json!({"embeddings": all, "usageMetadata": usage}))
    }
}
