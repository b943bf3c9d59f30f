//! Cohere's `/v2/embed`.

use serde_json::{Value, json};

use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure};
use crate::dialect::embedding::json::{
    build_response, input_type, parse_body, parse_embedding, parse_texts, parse_token_count,
};
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    EmbeddingCodec, Quirks, ResponseIdentity, ServerEmbeddingRequest, WireRequest, WireResponse,
};

pub(super) struct CohereEmbeddingCodec;

impl EmbeddingCodec for CohereEmbeddingCodec {
    fn max_batch_size(&self, _model: &str) -> usize {
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

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let all = body.pointer("/embeddings/float").and_then(Value::as_array);
        let embeddings = all.and_then(|all| all.iter().map(|one| parse_embedding(one, false)).collect());
        build_response(embeddings, parse_token_count(body.pointer("/meta/billed_units/input_tokens")), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let body: Value = path.ends_with("/v2/embed").then(|| serde_json::from_slice(body).ok())??;
        Some(ServerEmbeddingRequest {
            model: body["model"].as_str()?.to_owned(),
            texts: parse_texts(&body["texts"])?,
        })
    }

    fn encode_response(&self, identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        let mut wire = json!({"id": identity.response_id, "embeddings": {"float": embeddings.embeddings}});
        if let Some(billed) = encode_known_counts(&[("input_tokens", embeddings.usage.input_tokens)]) {
            wire["meta"] = json!({"billed_units": billed});
        }
        wire_json::encode_json(&wire)
    }
}
