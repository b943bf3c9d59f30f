use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, NanoDollars, TokenCount, Usage};
use crate::dialect::wire_json::{
    TextOrParts, deserialize_count, deserialize_string_or_number, deserialize_token_count,
};

/// Fields of the dialect or its providers that slalom does not use, sorted.
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
    /// A flat error has a message but no choices (older vLLM).
    pub message: Option<Value>,
    pub object: Option<String>,
    pub x_groq: Option<OpenaiChatGroqExtension>,
    /// Source URLs (Perplexity, xAI).
    pub citations: Option<Vec<Value>>,
    /// Sources with titles (Perplexity).
    pub search_results: Option<Vec<Value>>,
}

/// Groq repeats usage here; older servers send it only here.
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
    /// Set in complete bodies. Some servers also send it in chunks, cumulative, next to the delta.
    pub message: Option<OpenaiChatDelta>,
    #[serde(default, deserialize_with = "deserialize_nullable")]
    pub finish_reason: NullableField,
    pub native_finish_reason: Option<Value>,
    pub error: Option<Value>,
}

/// A finish reason that may be absent, null, or a string, which mean different things at the end of a stream.
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
    /// Reasoning at DeepSeek and most other providers.
    pub reasoning_content: Option<TextOrParts>,
    /// Reasoning at Groq, OpenRouter, and newer vLLM.
    pub reasoning: Option<TextOrParts>,
    /// OpenRouter's details, which repeat `reasoning` if it is set.
    pub reasoning_details: Option<Vec<Value>>,
    /// Citations.
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
    /// A custom tool's call, with free text instead of arguments.
    pub custom: Option<OpenaiChatCustomToolDelta>,
    /// Extra data of a gateway that must be sent back with the call (Google's thought signatures).
    pub extra_content: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenaiChatFunctionDelta {
    pub name: Option<String>,
    /// JSON text; some servers send an object.
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
    #[serde(deserialize_with = "deserialize_token_count")]
    prompt_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    completion_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    total_tokens: Option<TokenCount>,
    prompt_tokens_details: Option<OpenaiChatPromptDetails>,
    completion_tokens_details: Option<OpenaiChatCompletionDetails>,
    /// DeepSeek.
    #[serde(deserialize_with = "deserialize_token_count")]
    prompt_cache_hit_tokens: Option<TokenCount>,
    /// Together and Moonshot.
    #[serde(deserialize_with = "deserialize_token_count")]
    cached_tokens: Option<TokenCount>,
    /// Gateways that keep Anthropic's names.
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_read_input_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_creation_input_tokens: Option<TokenCount>,
    /// Perplexity.
    #[serde(deserialize_with = "deserialize_token_count")]
    reasoning_tokens: Option<TokenCount>,
    /// US dollars (OpenRouter), or an object with a total (Perplexity).
    cost: Option<Value>,
    cost_details: Option<Value>,
    /// OpenRouter with the caller's own key: the model is billed separately, and `cost` is only OpenRouter's
    /// fee.
    is_byok: Option<bool>,
    /// xAI: ten-billionths of a US dollar.
    cost_in_usd_ticks: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiChatPromptDetails {
    #[serde(deserialize_with = "deserialize_token_count")]
    cached_tokens: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_write_tokens: Option<TokenCount>,
    /// DashScope.
    #[serde(deserialize_with = "deserialize_token_count")]
    cache_creation_input_tokens: Option<TokenCount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpenaiChatCompletionDetails {
    #[serde(deserialize_with = "deserialize_token_count")]
    reasoning_tokens: Option<TokenCount>,
}

impl OpenaiChatUsage {
    /// `prompt_tokens` includes cached and cache-write tokens. `completion_tokens` includes reasoning, unless
    /// the provider excludes it, which the total reveals.
    pub(super) fn to_usage(&self, completion_excludes_reasoning: bool) -> Usage {
        let input_details = self.prompt_tokens_details.as_ref();
        let reasoning = self
            .completion_tokens_details
            .as_ref()
            .and_then(|d| d.reasoning_tokens)
            .or(self.reasoning_tokens);
        let mut output = self.completion_tokens;
        if let (Some(input), Some(out), Some(reasoning_count)) = (self.prompt_tokens, output, reasoning) {
            let all = input.saturating_add(out).saturating_add(reasoning_count);
            if reasoning_count > TokenCount::ZERO
                && (self.total_tokens == Some(all)
                    || completion_excludes_reasoning && self.total_tokens.is_none())
            {
                output = Some(out.saturating_add(reasoning_count));
            }
        }
        Usage {
            input_tokens: self.prompt_tokens,
            cached_input_tokens: input_details
                .and_then(|d| d.cached_tokens)
                .or(self.prompt_cache_hit_tokens)
                .or(self.cached_tokens)
                .or(self.cache_read_input_tokens),
            cache_write_tokens: input_details
                .and_then(|d| d.cache_write_tokens.or(d.cache_creation_input_tokens))
                .or(self.cache_creation_input_tokens),
            output_tokens: output,
            reasoning_tokens: reasoning,
            reported_cost_nano_usd: self.reported_cost_nano_usd(),
            ..Usage::default()
        }
    }

    fn reported_cost_nano_usd(&self) -> Option<NanoDollars> {
        let ticks = self.cost_in_usd_ticks.as_ref().and_then(Value::as_u64);
        if let Some(ticks) = ticks {
            return Some(NanoDollars::new(ticks.saturating_add(5) / 10));
        }
        let cost = self.cost.as_ref()?;
        let usd = cost.as_f64().or_else(|| cost.get("total_cost")?.as_f64())?;
        let upstream = self.cost_details.as_ref().and_then(|d| d.get("upstream_inference_cost")?.as_f64());
        let upstream = upstream.filter(|_| self.is_byok == Some(true)).unwrap_or(0.0);
        NanoDollars::from_usd(usd + upstream)
    }
}

/// `None` for an unknown finish reason.
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
