//! What is answered.

use serde_json::Value;

use super::{FinishReason, Message, Part, Role, Usage};

/// A call that the model wants made.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The vendor's id of the call; empty where it gives none.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, parsed; text that is no JSON stays a string.
    pub arguments: Value,
}

/// Where something in an answer's text comes from.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Citation {
    /// The source's address, where it has one.
    pub url: Option<String>,
    /// The source's title, or the vendor's id of it.
    pub title: Option<String>,
    /// What is quoted from the source, or the words of the answer that it bears out.
    pub text: Option<String>,
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
    /// Where things in the text come from, as far as the vendor says.
    pub citations: Vec<Citation>,
    /// All parts in order, as they go back on the next turn.
    pub parts: Vec<Part>,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// Token counts.
    pub usage: Usage,
    /// Paths of fields and words that this version does not know, or misses.
    pub unexpected_fields: Vec<String>,
    /// The vendor's fields worth keeping, by the vendor's names.
    pub provider_fields: serde_json::Map<String, Value>,
}

impl Response {
    /// An answer with this text, ended by itself, nothing else known.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::from_parts(vec![Part::from_text(text)], FinishReason::Stop)
    }

    /// An answer made of these parts, nothing else known.
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

    /// The answer as a turn of the conversation. `from` is the `provider/model` that gave it.
    pub fn to_message(&self, from: impl Into<String>) -> Message {
        Message { role: Role::Assistant, parts: self.parts.clone(), model_ref: Some(from.into()) }
    }
}
