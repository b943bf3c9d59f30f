use serde::Deserialize;
use serde_json::Value;

use crate::chat::TokenCount;
use crate::dialect::wire_json::{deserialize_string_or_number, deserialize_token_count};

/// Known fields that slalom does not use, sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "created_at",
    "eval_duration",
    "load_duration",
    "logprobs",
    "message.role",
    "message.tool_calls[].function.index",
    "message.tool_calls[].type",
    "prompt_eval_duration",
    "remote_host",
    "remote_model",
    "status",
    "total_duration",
];

/// One line of a stream, or a complete response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OllamaLine {
    pub model: Option<String>,
    pub message: Option<OllamaMessage>,
    pub done: bool,
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub done_reason: Option<String>,
    #[serde(deserialize_with = "deserialize_token_count")]
    pub prompt_eval_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    pub eval_count: Option<TokenCount>,
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OllamaMessage {
    pub content: Option<String>,
    pub thinking: Option<String>,
    pub tool_calls: Option<Vec<OllamaToolCall>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OllamaToolCall {
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub id: Option<String>,
    pub function: OllamaFunction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OllamaFunction {
    pub name: String,
    pub arguments: Option<Value>,
}
