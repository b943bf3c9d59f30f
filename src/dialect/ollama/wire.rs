//! The wire structs, spelled as the vendor spells them.

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::wire::{count, word};

/// Fields that the dialect has and this product has no use for. Sorted.
pub(super) const KNOWN: &[&str] = &[
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

/// One line of a stream, or a whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub model: Option<String>,
    pub message: Option<Message>,
    pub done: bool,
    #[serde(deserialize_with = "word")]
    pub done_reason: Option<String>,
    #[serde(deserialize_with = "count")]
    pub prompt_eval_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub eval_count: Option<u64>,
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub content: Option<String>,
    pub thinking: Option<String>,
    pub tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    #[serde(deserialize_with = "word")]
    pub id: Option<String>,
    pub function: Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function {
    pub name: String,
    pub arguments: Option<Value>,
}
