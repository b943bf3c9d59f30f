use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, TokenCount, Usage};
use crate::dialect::wire_json::{deserialize_count, deserialize_token_count};

/// Known fields that slalom does not use, sorted.
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
    /// A citation as it arrives in a stream.
    pub citation: Option<Value>,
}

/// Text with its citations.
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
    /// An object in a complete body, fragments of JSON text in a stream.
    pub input: Option<Value>,
    /// `server_tool_use` marks a tool that the provider runs.
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

/// The payload of an event: the fields of all kinds.
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
    #[serde(deserialize_with = "deserialize_token_count")]
    input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    output_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_read_input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_write_input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_read_input_token_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_write_input_token_count: Option<TokenCount>,
    cache_details: Option<Vec<BedrockCacheDetail>>,
}

/// Cache-write tokens of one lifetime.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BedrockCacheDetail {
    ttl: String,
    #[serde(deserialize_with = "deserialize_token_count")]
    input_tokens: Option<TokenCount>,
}

impl BedrockUsage {
    fn cache_write_1h_tokens(&self) -> Option<TokenCount> {
        let long: Vec<Option<TokenCount>> = self
            .cache_details
            .iter()
            .flatten()
            .filter(|detail| detail.ttl == "1h")
            .map(|detail| detail.input_tokens)
            .collect();
        Usage::sum_known(&long)
    }

    /// In this dialect, `inputTokens` excludes both cache counts, so they are added.
    pub(super) fn to_usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.or(self.cache_read_input_token_count);
        let cache_write = self.cache_write_input_tokens.or(self.cache_write_input_token_count);
        Usage {
            input_tokens: Usage::sum_known(&[self.input_tokens, cached, cache_write]),
            cached_input_tokens: cached,
            cache_write_tokens: cache_write,
            cache_write_1h_tokens: self.cache_write_1h_tokens(),
            output_tokens: self.output_tokens,
            reasoning_tokens: None,
            ..Usage::default()
        }
    }
}

pub(super) enum BedrockFinishReason {
    Known(FinishReason),
    /// The model produced invalid output, so the attempt failed.
    MalformedOutput,
    Unknown,
}

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
