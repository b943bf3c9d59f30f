//! JSON helpers for embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::chat::{
    EmbeddingPurpose, EmbeddingResponse, Failure, FailureClass, FailurePhase, TokenCount, Usage,
};
use crate::dialect::error_body::ErrorBody;

pub(in crate::dialect) fn parse_body(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| malformed_failure(&format!("cannot parse the embeddings ({error})")))
}

/// An array of numbers, or base64 of little-endian floats or, with `int8`, of single bytes.
pub(in crate::dialect) fn parse_embedding(value: &Value, int8: bool) -> Option<Vec<f32>> {
    match value {
        // JSON numbers are doubles, but embeddings do not need that precision.
        Value::Array(numbers) => numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect(),
        Value::String(text) => {
            let bytes = STANDARD.decode(text).ok()?;
            Some(if int8 {
                bytes.into_iter().map(|byte| f32::from(i8::from_le_bytes([byte]))).collect()
            } else {
                let floats = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                floats.collect()
            })
        }
        _ => None,
    }
}

/// Fails with `malformed` if the embeddings are missing.
pub(in crate::dialect) fn build_response(
    vectors: Option<Vec<Vec<f32>>>,
    input_tokens: Option<TokenCount>,
    body: &Value,
) -> Result<EmbeddingResponse, Failure> {
    match vectors.filter(|all| !all.is_empty() && all.iter().all(|one| !one.is_empty())) {
        Some(vectors) => {
            Ok(EmbeddingResponse { embeddings: vectors, usage: Usage { input_tokens, ..Usage::default() } })
        }
        None if body.get("error").is_some_and(|error| !error.is_null()) => {
            Err(ErrorBody::decode_in_band_failure(body))
        }
        None => Err(malformed_failure("the response contains no embeddings")),
    }
}

fn malformed_failure(message: &str) -> Failure {
    Failure::new(FailureClass::Malformed, FailurePhase::Body, message)
}

/// A count that may be written as a float.
pub(in crate::dialect) fn parse_token_count(value: Option<&Value>) -> Option<TokenCount> {
    let value = value?;
    value.as_u64().or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64)).map(TokenCount::new)
}

/// An array of strings, or a single string.
pub(in crate::dialect) fn parse_texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The purpose in the terms of the models that Cohere trains.
pub(in crate::dialect) fn input_type(purpose: EmbeddingPurpose) -> &'static str {
    match purpose {
        EmbeddingPurpose::Similarity => "clustering",
        EmbeddingPurpose::SearchQuery => "search_query",
        EmbeddingPurpose::SearchDocument => "search_document",
    }
}
