//! The wire structs, spelled as the vendor spells them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire::count;

/// Fields that the dialect has and this product has no use for. Sorted.
pub(super) const KNOWN: &[&str] = &[
    "additionalModelResponseFields",
    "delta.citation",
    "delta.image",
    "delta.reasoningContent.redactedContent",
    "delta.reasoningContent.signature",
    "delta.toolResult",
    "metrics",
    "output.message.content[].audio",
    "output.message.content[].citationsContent.citations",
    "output.message.content[].image",
    "output.message.content[].reasoningContent.reasoningText.signature",
    "output.message.content[].reasoningContent.redactedContent",
    "output.message.content[].toolResult",
    "output.message.role",
    "p",
    "performanceConfig",
    "role",
    "serviceTier",
    "start.toolResult",
    "start.toolUse.type",
    "trace",
    "usage.cacheDetails",
    "usage.serverToolUsage",
    "usage.totalTokens",
];

/// A whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Answer {
    pub output: Option<Output>,
    pub stop_reason: Option<String>,
    pub usage: Option<WireUsage>,
    pub message: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub message: Message,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub content: Vec<Block>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Block {
    pub text: Option<String>,
    pub tool_use: Option<ToolUse>,
    pub reasoning_content: Option<Reasoning>,
    pub citations_content: Option<Cited>,
}

/// Text whose sources are named beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cited {
    pub content: Vec<CitedText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitedText {
    pub text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ToolUse {
    pub tool_use_id: String,
    pub name: String,
    /// An object in a whole answer, pieces of JSON text in a stream.
    pub input: Option<Value>,
    /// `server_tool_use` is run by the vendor.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reasoning {
    pub text: Option<String>,
    pub reasoning_text: Option<ReasoningText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningText {
    pub text: Option<String>,
}

/// The payload of an event, the fields of all kinds in one struct.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(deserialize_with = "count")]
    pub content_block_index: Option<u64>,
    pub start: Option<Block>,
    pub delta: Option<Block>,
    pub stop_reason: Option<String>,
    pub usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_write_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_read_input_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_write_input_token_count: Option<u64>,
}

impl WireUsage {
    /// By our convention: `inputTokens` of the vendor leaves both cache figures out.
    pub(super) fn read(&self) -> Usage {
        let cached = self.cache_read_input_tokens.or(self.cache_read_input_token_count);
        let written = self.cache_write_input_tokens.or(self.cache_write_input_token_count);
        Usage {
            input_tokens: Usage::total(&[self.input_tokens, cached, written]),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: self.output_tokens,
            reasoning_tokens: None,
            ..Usage::default()
        }
    }
}

/// What a stop reason means.
pub(super) enum Ending {
    Reason(FinishReason),
    /// The model's own broken output: an attempt that failed.
    Broken,
    Unknown,
}

/// The vendor's word for a stop reason.
pub(super) fn stop_reason(word: &str) -> Ending {
    Ending::Reason(match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => return Ending::Broken,
        _ => return Ending::Unknown,
    })
}

/// A request body.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    pub messages: Vec<Turn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<TextBlock>,
    #[serde(skip_serializing_if = "InferenceConfig::is_default")]
    pub inference_config: InferenceConfig,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Turn {
    pub role: String,
    pub content: Vec<TextBlock>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TextBlock {
    pub text: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InferenceConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
}

impl InferenceConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
