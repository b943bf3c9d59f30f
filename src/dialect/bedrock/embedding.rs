//! Bedrock's InvokeModel, whose body format depends on the model family: Cohere's, or Amazon Titan's with one
//! text per request.

use serde_json::{Value, json};

use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure, TokenCount};
use crate::dialect::embedding::json::{
    build_response, input_type, parse_body, parse_embedding, parse_texts, parse_token_count,
};
use crate::dialect::{
    EmbeddingCodec, Quirks, ResponseIdentity, ServerEmbeddingRequest, WireRequest, WireResponse, wire_json,
};

pub(super) struct BedrockEmbeddingCodec;

fn is_cohere(model: &str) -> bool {
    model.contains("cohere.")
}

impl EmbeddingCodec for BedrockEmbeddingCodec {
    fn max_batch_size(&self, model: &str) -> usize {
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
        WireRequest::new(format!("/model/{}/invoke", wire_json::percent_encode(model, b"-_.~")), &body)
    }

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let embeddings = match body.get("embedding") {
            Some(one) => parse_embedding(one, false).map(|one| vec![one]),
            // Older Cohere models return a plain array of embeddings.
            None => body
                .pointer("/embeddings/float")
                .or(body.get("embeddings"))
                .and_then(Value::as_array)
                .and_then(|all| all.iter().map(|one| parse_embedding(one, false)).collect()),
        };
        let header = reply.headers.get("x-amzn-bedrock-input-token-count");
        let header = header.and_then(|count| count.parse().ok()).map(TokenCount::new);
        build_response(embeddings, parse_token_count(body.get("inputTextTokenCount")).or(header), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let model = path.rsplit_once("model/")?.1.strip_suffix("/invoke")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let texts = body.get("texts").or(body.get("inputText")).and_then(parse_texts)?;
        Some(ServerEmbeddingRequest { model: model.to_owned(), texts })
    }

    fn encode_response(&self, identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        if is_cohere(&identity.model) {
            return wire_json::encode_json(
                &json!({"id": identity.response_id, "embeddings": {"float": embeddings.embeddings}}),
            );
        }
        let mut wire = json!({"embedding": embeddings.embeddings.first()});
        if let Some(count) = embeddings.usage.input_tokens {
            wire["inputTextTokenCount"] = json!(count);
        }
        wire_json::encode_json(&wire)
    }
}
