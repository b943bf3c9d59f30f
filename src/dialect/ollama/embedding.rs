//! Ollama's `/api/embed`.

use serde_json::{Value, json};

use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure};
use crate::dialect::embedding::json::{
    build_response, parse_body, parse_embedding, parse_texts, parse_token_count,
};
use crate::dialect::{
    EmbeddingCodec, Quirks, ResponseIdentity, ServerEmbeddingRequest, WireRequest, WireResponse, wire_json,
};

pub(super) struct OllamaEmbeddingCodec;

impl EmbeddingCodec for OllamaEmbeddingCodec {
    fn max_batch_size(&self, _model: &str) -> usize {
        64
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let mut body = json!({"model": model, "input": request.texts});
        if let Some(dimensions) = request.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        WireRequest::new("/api/embed", &body)
    }

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let all = body["embeddings"].as_array();
        let embeddings = all.and_then(|all| all.iter().map(|one| parse_embedding(one, false)).collect());
        build_response(embeddings, parse_token_count(body.get("prompt_eval_count")), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let body: Value = path.ends_with("/api/embed").then(|| serde_json::from_slice(body).ok())??;
        Some(ServerEmbeddingRequest {
            model: body["model"].as_str()?.to_owned(),
            texts: parse_texts(&body["input"])?,
        })
    }

    fn encode_response(&self, identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        let mut wire = json!({"model": identity.model, "embeddings": embeddings.embeddings});
        if let Some(count) = embeddings.usage.input_tokens {
            wire["prompt_eval_count"] = json!(count);
        }
        wire_json::encode_json(&wire)
    }
}
