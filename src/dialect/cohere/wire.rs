use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, TokenCount, Usage};
use crate::dialect::wire_json::{deserialize_string_or_number, deserialize_token_count};

/// Known fields that slalom does not use, sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "api_version",
    "delta.message.content.citations",
    "delta.message.role",
    "id",
    "logprobs",
    "message.role",
    "meta",
    "usage.billed_units.classifications",
    "usage.billed_units.images",
    "usage.billed_units.search_units",
    "usage.tokens.image_tokens",
];

#[derive(Debug, Deserialize)]
pub(super) struct CohereEvent {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub id: Option<Value>,
    pub index: Option<u64>,
    pub delta: Option<CohereDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CohereDelta {
    pub message: Option<CohereMessage>,
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub finish_reason: Option<String>,
    pub usage: Option<CohereUsage>,
    pub error: Option<Value>,
}

/// A complete message or a delta. Content and tool calls are arrays in the first and single objects in the
/// second.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CohereMessage {
    pub content: Option<Value>,
    pub tool_plan: Option<String>,
    pub tool_calls: Option<Value>,
    /// An array in a complete body, one object in a stream.
    pub citations: Option<Value>,
}

/// A complete response. In an error body, `message` is a string.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CohereResponse {
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub id: Option<String>,
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub finish_reason: Option<String>,
    pub message: Option<CohereMessage>,
    pub usage: Option<CohereUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CohereUsage {
    billed_units: Option<CohereTokenCounts>,
    tokens: Option<CohereTokenCounts>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cached_tokens: Option<TokenCount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CohereTokenCounts {
    #[serde(deserialize_with = "deserialize_token_count")]
    input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    output_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    reasoning_tokens: Option<TokenCount>,
}

impl CohereUsage {
    /// `tokens` includes the provider's prompt template; `billed_units` is what the provider bills.
    pub(super) fn to_usage(&self) -> Usage {
        let counted = self.tokens.as_ref().or(self.billed_units.as_ref());
        let billed = self.billed_units.as_ref();
        Usage {
            input_tokens: counted.and_then(|t| t.input_tokens),
            cached_input_tokens: self.cached_tokens,
            cache_write_tokens: None,
            output_tokens: counted.and_then(|t| t.output_tokens),
            reasoning_tokens: counted.and_then(|t| t.reasoning_tokens),
            billed_tokens: billed.and_then(|t| t.input_tokens.zip(t.output_tokens)),
            ..Usage::default()
        }
    }
}

/// `None` for an unknown finish reason.
pub(super) fn decode_finish_reason(word: &str) -> Option<FinishReason> {
    Some(match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" | "TIMEOUT" => FinishReason::Error,
        _ => return None,
    })
}
