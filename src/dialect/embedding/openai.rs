//! OpenAI's `/embeddings`, which many providers share.

use serde_json::{Value, json};

use super::json::{build_response, parse_body, parse_embedding, parse_texts, parse_token_count};
use super::{EmbeddingCodec, ServerEmbeddingRequest};
use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure};
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{Quirks, ResponseIdentity, WireRequest, WireResponse};

pub(in crate::dialect) struct OpenaiEmbeddingCodec;

impl EmbeddingCodec for OpenaiEmbeddingCodec {
    fn max_batch_size(&self, _model: &str) -> usize {
        256
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let mut body = json!({"model": model, "input": request.texts});
        if let Some(dimensions) = request.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        WireRequest::new("/embeddings", &body)
    }

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let data = body["data"].as_array();
        let embeddings = data.and_then(|data| {
            let mut ordered: Vec<&Value> = data.iter().collect();
            ordered.sort_by_key(|one| one["index"].as_u64().unwrap_or(0));
            ordered
                .into_iter()
                .map(|one| parse_embedding(&one["embedding"], quirks.int8_embeddings))
                .collect()
        });
        build_response(embeddings, parse_token_count(body.pointer("/usage/prompt_tokens")), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let body: Value = path.ends_with("/embeddings").then(|| serde_json::from_slice(body).ok())??;
        Some(ServerEmbeddingRequest {
            model: body["model"].as_str()?.to_owned(),
            texts: parse_texts(&body["input"])?,
        })
    }

    fn encode_response(&self, identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        let one = |(index, vector): (usize, &Vec<f32>)| json!({"object": "embedding", "index": index, "embedding": vector});
        let data: Vec<Value> = embeddings.embeddings.iter().enumerate().map(one).collect();
        let tokens = embeddings.usage.input_tokens;
        let usage = encode_known_counts(&[("prompt_tokens", tokens), ("total_tokens", tokens)]);
        wire_json::encode_json(
            &json!({"object": "list", "data": data, "model": identity.model, "usage": usage}),
        )
    }
}
