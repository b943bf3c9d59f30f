//! The wire structs, spelled as the vendor spells them.

use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire_json::{
    TextOrParts, deserialize_count, deserialize_string_or_number, usd_to_nano_usd,
};

/// Fields that the dialect or one of its speakers has and this product has no use for. Sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "base_resp",
    "choices[].content_filter_offsets",
    "choices[].content_filter_result",
    "choices[].content_filter_results",
    "choices[].delta.audio",
    "choices[].delta.channel",
    "choices[].delta.role",
    "choices[].delta.token_id",
    "choices[].delta.tool_calls[].type",
    "choices[].logprobs",
    "choices[].message.audio",
    "choices[].message.channel",
    "choices[].message.role",
    "choices[].message.tool_calls[].type",
    "choices[].prompt_logprobs",
    "choices[].seed",
    "choices[].stop_reason",
    "choices[].text",
    "choices[].token_ids",
    "created",
    "kv_transfer_params",
    "metadata",
    "moderation",
    "nvext",
    "obfuscation",
    "p",
    "prompt",
    "prompt_filter_results",
    "prompt_logprobs",
    "prompt_token_ids",
    "provider",
    "provider_specific_fields",
    "request_id",
    "service_tier",
    "system_fingerprint",
    "time_info",
    "timings",
    "type",
    "usage.audio_prompt_tokens",
    "usage.citation_tokens",
    "usage.completion_time",
    "usage.completion_tokens_details.accepted_prediction_tokens",
    "usage.completion_tokens_details.audio_tokens",
    "usage.completion_tokens_details.image_tokens",
    "usage.completion_tokens_details.rejected_prediction_tokens",
    "usage.completion_tokens_details.text_tokens",
    "usage.num_cached_tokens",
    "usage.num_search_queries",
    "usage.num_sources_used",
    "usage.prompt_audio_seconds",
    "usage.prompt_cache_miss_tokens",
    "usage.prompt_time",
    "usage.prompt_token_details",
    "usage.prompt_tokens_details.audio_tokens",
    "usage.prompt_tokens_details.image_tokens",
    "usage.prompt_tokens_details.text_tokens",
    "usage.prompt_tokens_details.video_tokens",
    "usage.queue_time",
    "usage.search_context_size",
    "usage.service_tier",
    "usage.total_time",
    "x_groq.id",
    "x_groq.seed",
];

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatChunk {
    #[serde(default, deserialize_with = "deserialize_string_or_number")]
    pub id: Option<String>,
    pub model: Option<String>,
    pub choices: Option<Vec<OpenaiChatChoice>>,
    pub usage: Option<OpenaiChatUsage>,
    pub error: Option<Value>,
    /// Words beside no choices: an error in its flat form (older vLLM).
    pub message: Option<Value>,
    pub object: Option<String>,
    pub x_groq: Option<OpenaiChatGroqExtension>,
    /// Perplexity's and xAI's sources: addresses.
    pub citations: Option<Vec<Value>>,
    /// Perplexity's sources with their titles.
    pub search_results: Option<Vec<Value>>,
}

/// Groq repeats usage here, and only here on older servers.
#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatGroqExtension {
    pub usage: Option<OpenaiChatUsage>,
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatChoice {
    #[serde(default, deserialize_with = "deserialize_count")]
    pub index: Option<u64>,
    pub delta: Option<OpenaiChatDelta>,
    /// Whole answers; some servers send it in chunks too, cumulative, beside the delta.
    pub message: Option<OpenaiChatDelta>,
    #[serde(default, deserialize_with = "deserialize_nullable")]
    pub finish_reason: NullableField,
    pub native_finish_reason: Option<Value>,
    pub error: Option<Value>,
}

/// A finish reason that may be absent, null or a word: these three mean different things at the end of a stream.
#[derive(Debug, Default, PartialEq)]
pub(super) enum NullableField {
    #[default]
    Absent,
    Null,
    Value(String),
}

fn deserialize_nullable<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<NullableField, D::Error> {
    Ok(deserialize_string_or_number(deserializer)?.map_or(NullableField::Null, NullableField::Value))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenaiChatDelta {
    pub content: Option<TextOrParts>,
    pub refusal: Option<String>,
    /// DeepSeek's name for reasoning, and most others'.
    pub reasoning_content: Option<TextOrParts>,
    /// Groq's, OpenRouter's and newer vLLM's.
    pub reasoning: Option<TextOrParts>,
    /// OpenRouter's parts, which repeat `reasoning` where that is there.
    pub reasoning_details: Option<Vec<Value>>,
    /// Where things in the text come from.
    pub annotations: Option<Vec<Value>>,
    pub tool_calls: Option<Vec<OpenaiChatToolCallDelta>>,
    pub function_call: Option<OpenaiChatFunctionDelta>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatToolCallDelta {
    #[serde(default, deserialize_with = "deserialize_count")]
    pub index: Option<u64>,
    #[serde(default, deserialize_with = "deserialize_string_or_number")]
    pub id: Option<String>,
    pub function: Option<OpenaiChatFunctionDelta>,
    /// A custom tool's call: free text in place of arguments.
    pub custom: Option<OpenaiChatCustomToolDelta>,
    /// What a gateway hangs on a call and wants back (Google's thought signatures).
    pub extra_content: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatFunctionDelta {
    pub name: Option<String>,
    /// A string of JSON; an object with some servers.
    pub arguments: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatCustomToolDelta {
    pub name: Option<String>,
    pub input: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OpenaiChatUsage {
    #[serde(deserialize_with = "deserialize_count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<OpenaiChatPromptDetails>,
    completion_tokens_details: Option<OpenaiChatCompletionDetails>,
    /// DeepSeek.
    #[serde(deserialize_with = "deserialize_count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// Together and Moonshot.
    #[serde(deserialize_with = "deserialize_count")]
    cached_tokens: Option<u64>,
    /// Gateways that pass Anthropic's names on.
    #[serde(deserialize_with = "deserialize_count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_creation_input_tokens: Option<u64>,
    /// Perplexity.
    #[serde(deserialize_with = "deserialize_count")]
    reasoning_tokens: Option<u64>,
    /// Dollars (OpenRouter), or an object with their sum (Perplexity).
    cost: Option<Value>,
    cost_details: Option<Value>,
    /// OpenRouter: the model itself is paid for with the caller's own key, and `cost` is the fee alone.
    is_byok: Option<bool>,
    /// xAI: ten-billionths of a dollar.
    cost_in_usd_ticks: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiChatPromptDetails {
    #[serde(deserialize_with = "deserialize_count")]
    cached_tokens: Option<u64>,
    #[serde(deserialize_with = "deserialize_count")]
    cache_write_tokens: Option<u64>,
    /// DashScope.
    #[serde(deserialize_with = "deserialize_count")]
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiChatCompletionDetails {
    #[serde(deserialize_with = "deserialize_count")]
    reasoning_tokens: Option<u64>,
}

impl OpenaiChatUsage {
    /// By our convention. `prompt_tokens` holds the cached and written ones, `completion_tokens` the reasoning, except
    /// where the provider leaves it out: then the total says so.
    pub(super) fn to_usage(&self, completion_excludes_reasoning: bool) -> Usage {
        let inward = self.prompt_tokens_details.as_ref();
        let reasoning = self
            .completion_tokens_details
            .as_ref()
            .and_then(|d| d.reasoning_tokens)
            .or(self.reasoning_tokens);
        let mut output = self.completion_tokens;
        if let (Some(input), Some(out), Some(thought)) = (self.prompt_tokens, output, reasoning) {
            let all = input.saturating_add(out).saturating_add(thought);
            if thought > 0
                && (self.total_tokens == Some(all)
                    || completion_excludes_reasoning && self.total_tokens.is_none())
            {
                output = Some(out.saturating_add(thought));
            }
        }
        Usage {
            input_tokens: self.prompt_tokens,
            cached_input_tokens: inward
                .and_then(|d| d.cached_tokens)
                .or(self.prompt_cache_hit_tokens)
                .or(self.cached_tokens)
                .or(self.cache_read_input_tokens),
            cache_write_tokens: inward
                .and_then(|d| d.cache_write_tokens.or(d.cache_creation_input_tokens))
                .or(self.cache_creation_input_tokens),
            output_tokens: output,
            reasoning_tokens: reasoning,
            reported_cost_nano_usd: self.reported_cost_nano_usd(),
            ..Usage::default()
        }
    }

    /// What the provider says that the exchange cost, in nano-dollars.
    fn reported_cost_nano_usd(&self) -> Option<u64> {
        let ticks = self.cost_in_usd_ticks.as_ref().and_then(Value::as_u64);
        if let Some(ticks) = ticks {
            return Some(ticks.saturating_add(5) / 10);
        }
        let cost = self.cost.as_ref()?;
        let said = cost.as_f64().or_else(|| cost.get("total_cost")?.as_f64())?;
        let upstream = self.cost_details.as_ref().and_then(|d| d.get("upstream_inference_cost")?.as_f64());
        let upstream = upstream.filter(|_| self.is_byok == Some(true)).unwrap_or(0.0);
        usd_to_nano_usd(said + upstream)
    }
}

/// The vendor's word for a finish reason; `None` when it is not a known one.
pub(super) fn decode_finish_reason(word: &str) -> Option<FinishReason> {
    Some(match word {
        "stop" | "eos" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "error" | "network_error" | "insufficient_system_resource" => FinishReason::Error,
        _ => return None,
    })
}
