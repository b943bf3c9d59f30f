use serde::Deserialize;
use serde_json::Value;

use crate::chat::{NanoDollars, TokenCount, Usage};
use crate::dialect::wire_json::{deserialize_count, deserialize_token_count};

/// Event fields that slalom does not use, sorted.
pub(super) const IGNORED_EVENT_FIELDS: &[&str] = &[
    "annotation_index",
    "arguments",
    "content_index",
    "input",
    "item_id",
    "logprobs",
    "name",
    "obfuscation",
    "param",
    "part",
    "partial_image_b64",
    "partial_image_index",
    "refusal",
    "sequence_number",
    "summary_index",
    "text",
];

/// All known fields of the response object, used or not, sorted.
pub(super) const KNOWN_RESPONSE_FIELDS: &[&str] = &[
    "background",
    "billing",
    "completed_at",
    "content_filters",
    "conversation",
    "cost_in_usd_ticks",
    "created_at",
    "debug_output",
    "error",
    "frequency_penalty",
    "id",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "object",
    "output",
    "output_text",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tool_usage",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
];

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiResponsesEvent {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub response: Option<Value>,
    pub item: Option<Value>,
    #[serde(default, deserialize_with = "deserialize_count")]
    pub output_index: Option<u64>,
    pub delta: Option<Value>,
    pub annotation: Option<Value>,
    pub error: Option<Value>,
    pub code: Option<Value>,
    pub message: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenaiResponsesUsage {
    #[serde(deserialize_with = "deserialize_token_count")]
    input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    output_tokens: Option<TokenCount>,
    input_tokens_details: Option<OpenaiResponsesInputDetails>,
    output_tokens_details: Option<OpenaiResponsesOutputDetails>,
    /// OpenRouter: US dollars.
    cost: Option<Value>,
    /// xAI: ten-billionths of a US dollar.
    #[serde(deserialize_with = "deserialize_count")]
    cost_in_usd_ticks: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiResponsesInputDetails {
    #[serde(deserialize_with = "deserialize_token_count")]
    cached_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_write_tokens: Option<TokenCount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiResponsesOutputDetails {
    #[serde(deserialize_with = "deserialize_token_count")]
    reasoning_tokens: Option<TokenCount>,
}

impl OpenaiResponsesUsage {
    fn reported_cost_nano_usd(&self) -> Option<NanoDollars> {
        let ticks = self.cost_in_usd_ticks.map(|ticks| NanoDollars::new(ticks.saturating_add(5) / 10));
        ticks.or_else(|| NanoDollars::from_usd(self.cost.as_ref()?.as_f64()?))
    }

    /// This dialect already counts as [`Usage`] does: every partial count is included in its total.
    pub(super) fn to_usage(&self) -> Usage {
        let input_details = self.input_tokens_details.as_ref();
        Usage {
            input_tokens: self.input_tokens,
            cached_input_tokens: input_details.and_then(|d| d.cached_tokens),
            cache_write_tokens: input_details.and_then(|d| d.cache_write_tokens),
            output_tokens: self.output_tokens,
            reasoning_tokens: self.output_tokens_details.as_ref().and_then(|d| d.reasoning_tokens),
            reported_cost_nano_usd: self.reported_cost_nano_usd(),
            ..Usage::default()
        }
    }
}
