use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, TokenCount, Usage};
use crate::dialect::wire_json::{deserialize_string_or_number, deserialize_token_count};

/// Known fields that slalom does not use, sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "container",
    "content[].caller",
    "content[].content",
    "content[].from",
    "content[].is_error",
    "content[].server_name",
    "content[].to",
    "content[].tool_use_id",
    "content_block.caller",
    "content_block.content",
    "content_block.from",
    "content_block.is_error",
    "content_block.server_name",
    "content_block.to",
    "content_block.tool_use_id",
    "context_management",
    "delta.container",
    "delta.context_management",
    "diagnostics",
    "message.container",
    "message.content[]",
    "message.context_management",
    "message.diagnostics",
    "message.role",
    "message.type",
    "request_id",
    "role",
    "type",
];

/// One event of a stream or a complete body: the fields of all kinds, distinguished by `type`.
#[derive(Debug, Deserialize)]
pub(super) struct AnthropicEvent {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub message: Option<AnthropicMessage>,
    pub index: Option<u64>,
    pub content_block: Option<AnthropicContentBlock>,
    pub delta: Option<AnthropicDelta>,
    pub usage: Option<AnthropicUsage>,
    pub error: Option<Value>,
}

/// A complete response, or the skeleton that opens a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicMessage {
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub id: Option<String>,
    pub model: Option<String>,
    pub content: Vec<AnthropicContentBlock>,
    pub stop_reason: Option<String>,
    pub stop_sequence: Option<String>,
    pub stop_details: Option<Value>,
    pub usage: Option<AnthropicUsage>,
    /// A complete error body instead of a response.
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicContentBlock {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    pub input: Option<Value>,
    /// The provider rejects reasoning that is sent back without its signature.
    pub signature: Option<String>,
    /// Encrypted content of redacted thinking.
    pub data: Option<Value>,
    pub citations: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicDelta {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub partial_json: Option<String>,
    /// A summary that replaces the preceding content.
    pub content: Option<Value>,
    pub encrypted_content: Option<Value>,
    pub signature: Option<String>,
    pub citation: Option<Value>,
    pub stop_reason: Option<String>,
    pub stop_sequence: Option<String>,
    pub stop_details: Option<Value>,
}

/// Token counts. Other usage fields (service tier, iterations, server tools) are ignored.
#[derive(Debug, Default)]
pub(super) struct AnthropicUsage(AnthropicTokenCounts);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnthropicTokenCounts {
    #[serde(deserialize_with = "deserialize_token_count")]
    input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_creation_input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_read_input_tokens: Option<TokenCount>,
    cache_creation: Option<AnthropicCacheCreation>,
    #[serde(deserialize_with = "deserialize_token_count")]
    output_tokens: Option<TokenCount>,
    output_tokens_details: Option<AnthropicOutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnthropicOutputDetails {
    #[serde(deserialize_with = "deserialize_token_count")]
    thinking_tokens: Option<TokenCount>,
}

/// Cache-write tokens by lifetime.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AnthropicCacheCreation {
    #[serde(deserialize_with = "deserialize_token_count")]
    ephemeral_1h_input_tokens: Option<TokenCount>,
}

impl<'de> Deserialize<'de> for AnthropicUsage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Deserializes through a value so that the many unused usage fields are not reported as unexpected.
        let value = Value::deserialize(deserializer)?;
        AnthropicTokenCounts::deserialize(value).map(Self).map_err(serde::de::Error::custom)
    }
}

impl AnthropicUsage {
    /// Replaces counts by those set in `newer`: the counts of `message_delta` are totals, not increments.
    pub(super) fn merge(&mut self, newer: Self) {
        let (old, new) = (&mut self.0, newer.0);
        old.input_tokens = new.input_tokens.or(old.input_tokens);
        old.cache_creation_input_tokens = new.cache_creation_input_tokens.or(old.cache_creation_input_tokens);
        old.cache_read_input_tokens = new.cache_read_input_tokens.or(old.cache_read_input_tokens);
        old.cache_creation = new.cache_creation.or(old.cache_creation.take());
        old.output_tokens = new.output_tokens.or(old.output_tokens);
        old.output_tokens_details = new.output_tokens_details.or(old.output_tokens_details.take());
    }

    /// In this dialect, `input_tokens` excludes both cache counts, so they are added.
    pub(super) fn to_usage(&self) -> Usage {
        let counts = &self.0;
        Usage {
            input_tokens: Usage::sum_known(&[
                counts.input_tokens,
                counts.cache_creation_input_tokens,
                counts.cache_read_input_tokens,
            ]),
            cached_input_tokens: counts.cache_read_input_tokens,
            cache_write_tokens: counts.cache_creation_input_tokens,
            cache_write_1h_tokens: counts.cache_creation.as_ref().and_then(|c| c.ephemeral_1h_input_tokens),
            output_tokens: counts.output_tokens,
            reasoning_tokens: counts.output_tokens_details.as_ref().and_then(|d| d.thinking_tokens),
            ..Usage::default()
        }
    }
}

/// `None` for an unknown stop reason.
pub(super) fn decode_finish_reason(word: &str) -> Option<FinishReason> {
    Some(match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "pause_turn" | "compaction" => FinishReason::Pause,
        "refusal" => FinishReason::Refusal,
        _ => return None,
    })
}
