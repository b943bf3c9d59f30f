//! Vertex AI's `:predict`, which takes one text per request for newer models.

use serde_json::{Value, json};

use super::embedding::task_type;

use crate::chat::{EmbeddingRequest, EmbeddingResponse, Failure, TokenCount, Usage};
use crate::dialect::embedding::json::{build_response, parse_body, parse_embedding, parse_token_count};
use crate::dialect::wire_json::{self, encode_known_counts};
use crate::dialect::{
    EmbeddingCodec, Quirks, ResponseIdentity, ServerEmbeddingRequest, WireRequest, WireResponse,
};

pub(super) struct VertexEmbeddingCodec;

impl EmbeddingCodec for VertexEmbeddingCodec {
    fn max_batch_size(&self, _model: &str) -> usize {
        1
    }

    fn encode_request(&self, model: &str, request: &EmbeddingRequest, _quirks: &Quirks) -> WireRequest {
        let one = |text: &String| json!({"content": text, "task_type": task_type(request.purpose)});
        let instances: Vec<Value> = request.texts.iter().map(one).collect();
        let mut body = json!({"instances": instances});
        if let Some(dimensions) = request.dimensions {
            body["parameters"] = json!({"outputDimensionality": dimensions});
        }
        WireRequest::new(format!("/models/{}:predict", wire_json::percent_encode(model, b"-_.~/:@")), &body)
    }

    fn decode_response(
        &self,
        reply: WireResponse<'_>,
        _quirks: &Quirks,
    ) -> Result<EmbeddingResponse, Failure> {
        let body = parse_body(reply.body)?;
        let all = || body["predictions"].as_array().into_iter().flatten().map(|one| &one["embeddings"]);
        let vectors: Option<Vec<Vec<f32>>> =
            all().map(|one| parse_embedding(&one["values"], false)).collect();
        let tokens: Vec<Option<TokenCount>> =
            all().map(|one| parse_token_count(one.pointer("/statistics/token_count"))).collect();
        build_response(vectors, Usage::sum_known(&tokens), &body)
    }

    fn decode_request(&self, path: &str, body: &[u8]) -> Option<ServerEmbeddingRequest> {
        let model = path.rsplit_once("models/")?.1.strip_suffix(":predict")?;
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |one: &Value| one["content"].as_str().map(str::to_owned);
        let texts = body["instances"].as_array()?.iter().map(text).collect::<Option<Vec<_>>>()?;
        Some(ServerEmbeddingRequest { model: model.to_owned(), texts })
    }

    fn encode_response(&self, _identity: &ResponseIdentity, embeddings: &EmbeddingResponse) -> Vec<u8> {
        let one = |vector: &Vec<f32>| {
            let mut one = json!({"values": vector});
            if let Some(statistics) = encode_known_counts(&[("token_count", embeddings.usage.input_tokens)]) {
                one["statistics"] = statistics;
            }
            json!({"embeddings": one})
        };
        wire_json::encode_json(
            &json!({"predictions": embeddings.embeddings.iter().map(one).collect::<Vec<_>>()}),
        )
    }
}
