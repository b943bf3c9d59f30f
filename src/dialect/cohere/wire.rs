//! The wire structs, spelled as the vendor spells them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire::{count, word};

/// Fields that the dialect has and this product has no use for. Sorted.
pub(super) const KNOWN: &[&str] = &[
    "api_version",
    "delta.message.citations",
    "delta.message.content.citations",
    "delta.message.role",
    "id",
    "logprobs",
    "message.citations",
    "message.role",
    "meta",
    "usage.billed_units.classifications",
    "usage.billed_units.images",
    "usage.billed_units.search_units",
    "usage.tokens.image_tokens",
];

/// One event of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub id: Option<Value>,
    pub index: Option<u64>,
    pub delta: Option<Delta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub message: Option<Message>,
    #[serde(deserialize_with = "word")]
    pub finish_reason: Option<String>,
    pub usage: Option<WireUsage>,
    pub error: Option<Value>,
}

/// A message, whole or a piece of one: content and calls are lists in the one and single things in the other.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub content: Option<Value>,
    pub tool_plan: Option<String>,
    pub tool_calls: Option<Value>,
}

/// A whole answer. An error has text where the message would be.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    #[serde(deserialize_with = "word")]
    pub id: Option<String>,
    #[serde(deserialize_with = "word")]
    pub finish_reason: Option<String>,
    pub message: Option<Message>,
    pub usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    billed_units: Option<Tokens>,
    tokens: Option<Tokens>,
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    /// By our convention. `tokens` counts the vendor's own template too; `billed_units` is what is paid for.
    pub(super) fn read(&self) -> Usage {
        let counted = self.tokens.as_ref().or(self.billed_units.as_ref());
        let billed = self.billed_units.as_ref();
        Usage {
            input_tokens: counted.and_then(|t| t.input_tokens),
            cached_input_tokens: self.cached_tokens,
            cache_write_tokens: None,
            output_tokens: counted.and_then(|t| t.output_tokens),
            reasoning_tokens: counted.and_then(|t| t.reasoning_tokens),
            billed: billed.and_then(|t| t.input_tokens.zip(t.output_tokens)),
            ..Usage::default()
        }
    }
}

/// The vendor's word for a finish reason; `None` when it is not a known one.
pub(super) fn finish_reason(word: &str) -> Option<FinishReason> {
    Some(match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" | "TIMEOUT" => FinishReason::Error,
        _ => return None,
    })
}

/// A request body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body {
    pub model: String,
    pub messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Top-p.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(default)]
    pub stream: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    pub role: String,
    pub content: Value,
}
