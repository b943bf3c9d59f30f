//! Bedrock's InvokeModel, where each family of models has a body of its own: Cohere's, or else Amazon Titan's, which
//! takes one text a request.

use serde_json::{Value, json};

use super::cohere::input_type;
use super::vectors::{count, embeddings, json, texts, vector};
use super::{Embedder, EmbeddingAsked};
use crate::chat::{EmbeddingRequest, Embeddings, Failure};
use crate::dialect::{Quirks, Reply, WireRequest, wire};

pub(super) struct Bedrock;

fn is_cohere(model: &str) -> bool {
    model.contains("cohere.")
}

impl Embedder for Bedrock {
    fn most_texts(&self, model: &str) -> usize {
        if is_cohere(model) { 96 } else { 1 }
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let body = if is_cohere(model) {
            json!({"texts": request.texts, "input_type": input_type(request.purpose), "embedding_types": ["float"]})
        } else {
            let mut body = json!({"inputText": request.texts.first()});
            if let Some(dimensions) = request.dimensions {
                body["dimensions"] = json!(dimensions);
            }
            body
        };
        WireRequest::new(format!("/model/{}/invoke", wire::escape(model, b"-_.~")), &body)
    }

    fn decode_response(&self, reply: Reply<'_>, _quirks: &Quirks) -> Result<Embeddings, Failure> {
        let said = json(reply.body)?;
        let found = match said.get("embedding") {
            Some(one) => vector(one, false).map(|one| vec![one]),
            // Older Cohere models leave the type out.
            None => said
                .pointer("/embeddings/float")
                .or(said.get("embeddings"))
                .and_then(Value::as_array)
                .and_then(|all| all.iter().map(|one| vector(one, false)).collect()),
        };
        let header = reply.headers.get("x-amzn-bedrock-input-token-count").and_then(|n| n.parse().ok());
        embeddings(found, count(said.get("inputTextTokenCount")).or(header), &said)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<EmbeddingAsked> {
        let model = path.rsplit_once("model/")?.1.strip_suffix("/invoke")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let texts = body.get("texts").or(body.get("inputText")).and_then(texts)?;
        Some(EmbeddingAsked { model: model.to_owned(), texts })
    }

    fn encode_response(&self, model: &str, embeddings: &Embeddings) -> Vec<u8> {
        if is_cohere(model) {
            return wire::write(&json!({"id": "sim-embed", "embeddings": {"float": embeddings.vectors}}));
        }
        let tokens = embeddings.usage.input_tokens;
        wire::write(&json!({"embedding": embeddings.vectors.first(), "inputTextTokenCount": tokens}))
    }
}
