use serde_json::Value;

use super::{FinishReason, Message, Part, Role, Usage};

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The provider's ID for the call; empty if it gives none.
    pub id: String,
    pub name: String,
    /// The parsed arguments. Invalid JSON is kept as a string.
    pub arguments: Value,
}

/// The source of a passage in a response.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Citation {
    pub url: Option<String>,
    /// The source's title, or the provider's ID for it.
    pub title: Option<String>,
    /// The quoted source text, or the passage of the response that the source supports.
    pub text: Option<String>,
}

/// A complete, provider-independent response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The model that served the response, as reported by the provider.
    pub served_model: Option<String>,
    pub text: String,
    /// The visible reasoning, if any.
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ToolCall>,
    pub citations: Vec<Citation>,
    /// All parts in order, as they are sent back with the next request.
    pub parts: Vec<Part>,
    pub finish_reason: FinishReason,
    pub usage: Usage,
    /// Paths of unknown fields and values, and of expected fields that are missing.
    pub unexpected_fields: Vec<String>,
    /// Provider fields worth keeping, under the provider's names.
    pub provider_fields: serde_json::Map<String, Value>,
}

impl Response {
    /// Creates a response with finish reason `stop` and no metadata.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::from_parts(vec![Part::from_text(text)], FinishReason::Stop)
    }

    /// Creates a response without usage or other metadata.
    pub fn from_parts(parts: Vec<Part>, finish_reason: FinishReason) -> Self {
        let (mut text, mut reasoning, mut tool_calls) = (String::new(), String::new(), Vec::new());
        for part in &parts {
            match part {
                Part::Text { text: more } => text.push_str(more),
                Part::Reasoning { text: more, .. } => reasoning.push_str(more),
                Part::ToolCall(call) => tool_calls.push(call.clone()),
                Part::Image(_) | Part::Document(_) | Part::ToolResult(_) | Part::ProviderSpecific { .. } => {}
            }
        }
        Self {
            served_model: None,
            text,
            reasoning: (!reasoning.is_empty()).then_some(reasoning),
            tool_calls,
            citations: Vec::new(),
            parts,
            finish_reason,
            usage: Usage::default(),
            unexpected_fields: Vec::new(),
            provider_fields: serde_json::Map::new(),
        }
    }

    /// Converts the response to a message of the conversation. `from` is the `provider/model` that gave it.
    pub fn to_message(&self, from: impl Into<String>) -> Message {
        Message { role: Role::Assistant, parts: self.parts.clone(), model_ref: Some(from.into()) }
    }
}
