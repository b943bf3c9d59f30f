//! Gemini's `:batchEmbedContents`.

use serde_json::{Value, json};

use crate::chat::{EmbeddingPurpose, EmbeddingRequest, EmbeddingResponse, Failure};
use crate::dialect::embedding::json::{build_response, parse_body, parse_embedding, parse_token_count};
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    EmbeddingCodec, Quirks, ResponseIdentity, ServerEmbeddingRequest, WireRequest, WireResponse,
};

pub(super) struct GeminiEmbeddingCodec;

pub(super) fn task_type(purpose: EmbeddingPurpose) -> &'static str {
    match purpose {
        EmbeddingPurpose::Similarity => "SEMANTIC_SIMILARITY",
        EmbeddingPurpose::SearchQuery => "RETRIEVAL_QUERY",
        EmbeddingPurpose::SearchDocument => "RETRIEVAL_DOCUMENT",
    }
}

impl EmbeddingCodec for GeminiEmbeddingCodec {
    fn max_batch_size(&self, _model: &str) -> usize {
        100
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let one = |text: &String| {
            let content = json!({"parts": [{"text": text}]});
            let mut one = json!({"model": format!("models/{model}"), "content": content, "taskType": task_type(request.purpose)});
            if let Some(dimensions) = request.dimensions {
                one["outputDimensionality"] = json!(dimensions);
            }
            one
        };
        let requests: Vec<Value> = request.texts.iter().map(one).collect();
        WireRequest::new(
            format!("/models/{}:batchEmbedContents", wire_json::percent_encode(model, b"-_.~/:@")),
            &json!({"requests": requests}),
        )
    }

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let all = body["embeddings"].as_array();
        let embeddings =
            all.and_then(|all| all.iter().map(|one| parse_embedding(&one["values"], false)).collect());
        build_response(embeddings, parse_token_count(body.pointer("/usageMetadata/promptTokenCount")), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let model = path.rsplit_once("models/")?.1.strip_suffix(":batchEmbedContents")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |one: &Value| one.pointer("/content/parts/0/text")?.as_str().map(str::to_owned);
        let texts = body["requests"].as_array()?.iter().map(text).collect::<Option<Vec<_>>>()?;
        Some(ServerEmbeddingRequest { model: model.to_owned(), texts })
    }

    fn encode_response(&self, _identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        let all: Vec<Value> = embeddings.embeddings.iter().map(|vector| json!({"values": vector})).collect();
        let mut wire = json!({"embeddings": all});
        if let Some(usage) = encode_known_counts(&[("promptTokenCount", embeddings.usage.input_tokens)]) {
            wire["usageMetadata"] = usage;
        }
        wire_json::encode_json(&wire)
    }
}
