//! The wire structs, spelled as the vendor spells them.

use serde::{Deserialize, Serialize};
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

/// A request body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body {
    pub model: String,
    pub messages: Vec<Turn>,
    /// The server streams unless it is told not to.
    #[serde(default = "yes")]
    pub stream: bool,
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub options: Options,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    pub role: String,
    pub content: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens that may come out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

impl Options {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
