//! What is answered.

use serde_json::Value;

use super::{FinishReason, Usage};

/// A call that the model wants made.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ToolCall {
    /// The vendor's id of the call; empty where it gives none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, parsed; text that is no JSON stays a string.
    pub arguments: Value,
}

/// A whole answer, in no vendor's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The model that the vendor says served the answer.
    pub served_model: Option<String>,
    /// The answer's text.
    pub text: String,
    /// The reasoning that was shown, if any.
    pub reasoning: Option<String>,
    /// The calls that the model wants made.
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// Token counts.
    pub usage: Usage,
    /// Paths of fields and words that this version does not know, or misses.
    pub unexpected: Vec<String>,
    /// The vendor's fields worth keeping, by the vendor's names.
    pub provider_fields: serde_json::Map<String, Value>,
}

impl Response {
    /// An answer with this text, ended by itself, nothing else known.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            served_model: None,
            text: text.into(),
            reasoning: None,
            tool_calls: Vec::new(),
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            unexpected: Vec::new(),
            provider_fields: serde_json::Map::new(),
        }
    }
}
