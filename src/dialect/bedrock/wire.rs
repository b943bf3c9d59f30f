//! The wire structs, spelled as the vendor spells them.

use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire_json::deserialize_count;

/// Fields that the dialect has and this product has no use for. Sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "additionalModelResponseFields",
    "delta.image",
    "delta.toolResult",
    "metrics",
    "output.message.content[].audio",
    "output.message.content[].image",
    "output.message.content[].toolResult",
    "output.message.role",
    "p",
    "performanceConfig",
    "role",
    "serviceTier",
    "start.toolResult",
    "start.toolUse.type",
    "trace",
    "usage.serverToolUsage",
    "usage.totalTokens",
];

/// A whole answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BedrockResponse {
    pub output: Option<BedrockOutput>,
    pub stop_reason: Option<String>,
    pub usage: Option<BedrockUsage>,
    pub message: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BedrockOutput {
    pub message: BedrockMessage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BedrockMessage {
    pub content: Vec<BedrockContentBlock>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BedrockContentBlock {
    pub text: Option<String>,
    pub tool_use: Option<BedrockToolUse>,
    pub reasoning_content: Option<BedrockReasoning>,
    pub citations_content: Option<BedrockCitationsContent>,
    /// A source, as a stream says it.
    pub citation: Option<Value>,
}

/// Text whose sources are named beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BedrockCitationsContent {
    pub content: Vec<BedrockCitedText>,
    pub citations: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BedrockCitedText {
    pub text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BedrockToolUse {
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
pub(super) struct BedrockReasoning {
    pub text: Option<String>,
    pub reasoning_text: Option<BedrockReasoningText>,
    pub signature: Option<String>,
    pub redacted_content: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BedrockReasoningText {
    pub text: Option<String>,
    pub signature: Option<String>,
}

/// The payload of an event, the fields of all kinds in one struct.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BedrockEvent {
    #[serde(deserialize_with = "deserialize_count")]
    pub content_block_index: Option<u64>,
    pub start: Option<BedrockContentBlock>,
    pub delta: Option<BedrockContentBlock>,
    pub stop_reason: Option<String>,
    pub usage: Option<BedrockUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BedrockUsage {
    #[serde(deserialize_with = "deserialize_count")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_write_input_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_read_input_token_count: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_write_input_token_count: Option<u64>,
    cache_details: Option<Vec<BedrockCacheDetail>>,
}

/// What was written to a cache with one lifetime.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BedrockCacheDetail {
    ttl: String,
    #[serde(deserialize_with = "deserialize_count")]
    input_tokens: Option<u64>,
}

impl BedrockUsage {
    fn cache_write_1h_tokens(&self) -> Option<u64> {
        let long: Vec<Option<u64>> = self
            .cache_details
            .iter()
            .flatten()
            .filter(|detail| detail.ttl == "1h")
            .map(|detail| detail.input_tokens)
            .collect();
        Usage::sum_known(&long)
    }

    /// By our convention: `inputTokens` of the vendor leaves both cache figures out.
    pub(super) fn to_usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.or(self.cache_read_input_token_count);
        let written = self.cache_write_input_tokens.or(self.cache_write_input_token_count);
        Usage {
            input_tokens: Usage::sum_known(&[self.input_tokens, cached, written]),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: self.cache_write_1h_tokens(),
            output_tokens: self.output_tokens,
            reasoning_tokens: None,
            ..Usage::default()
        }
    }
}

/// What a stop reason means.
pub(super) enum BedrockFinishReason {
    Known(FinishReason),
    /// The model's own broken output: an attempt that failed.
    MalformedOutput,
    Unknown,
}

/// The vendor's word for a stop reason.
pub(super) fn decode_finish_reason(word: &str) -> BedrockFinishReason {
    BedrockFinishReason::Known(match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => return BedrockFinishReason::MalformedOutput,
        _ => return BedrockFinishReason::Unknown,
    })
}
