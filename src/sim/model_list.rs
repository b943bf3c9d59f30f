//! The simulator's models in each dialect's list format.

use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::LISTED_MODELS;
use super::simulated_metadata::created_at;
use crate::dialect::Dialect;

/// The model list that a GET requests; `None` for any other path. Three dialects list at the same path: one
/// is recognized by its header and one by its query parameter, and OpenAI is the default.
pub(super) fn encode_model_list(uri: &Uri, headers: &HeaderMap) -> Option<(Dialect, Value)> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let dialect = if path.ends_with("/api/tags") {
        Dialect::Ollama
    } else if path.ends_with("/v1beta/models") {
        Dialect::Gemini
    } else if !path.ends_with("/models") {
        return None;
    } else if headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else if query.contains("page_size") {
        Dialect::Cohere
    } else {
        Dialect::OpenaiChat
    };
    let all =
        |item: fn(&str) -> Value| -> Vec<Value> { LISTED_MODELS.iter().map(|model| item(model)).collect() };
    let listed = match dialect {
        Dialect::Ollama => json!({"models": all(|m| json!({"name": m, "model": m}))}),
        Dialect::Gemini => {
            let item = |m: &str| json!({"name": format!("models/{m}"), "supportedGenerationMethods": ["generateContent"]});
            json!({"models": all(item)})
        }
        Dialect::Anthropic => {
            let data = all(|m| json!({"type": "model", "id": m, "display_name": m}));
            json!({"first_id": LISTED_MODELS.first(), "last_id": LISTED_MODELS.last(), "data": data, "has_more": false})
        }
        Dialect::Cohere => json!({"models": all(|m| json!({"name": m, "endpoints": ["chat"]}))}),
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Bedrock => {
            let item = |m: &str| json!({"id": m, "object": "model", "created": created_at().as_second(), "owned_by": "simulator"});
            json!({"object": "list", "data": all(item)})
        }
    };
    Some((dialect, listed))
}
