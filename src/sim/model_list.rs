//! The simulator's models in each dialect's list format.

use serde_json::{Value, json};

use super::LISTED_MODELS;
use super::simulated_metadata::created_at;
use crate::dialect::Dialect;

pub(super) fn encode_model_list(dialect: Dialect) -> Value {
    let all =
        |item: fn(&str) -> Value| -> Vec<Value> { LISTED_MODELS.iter().map(|model| item(model)).collect() };
    match dialect {
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
    }
}
