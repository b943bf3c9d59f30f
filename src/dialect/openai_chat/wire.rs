//! The wire structs, spelled as the vendor spells them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire::{Content, count, word};

/// Fields that the dialect or one of its speakers has and this product has no use for. Sorted.
pub(super) const KNOWN: &[&str] = &[
    "base_resp",
    "choices[].content_filter_offsets",
    "choices[].content_filter_result",
    "choices[].content_filter_results",
    "choices[].delta.annotations",
    "choices[].delta.audio",
    "choices[].delta.channel",
    "choices[].delta.role",
    "choices[].delta.token_id",
    "choices[].delta.tool_calls[].type",
    "choices[].logprobs",
    "choices[].message.annotations",
    "choices[].message.audio",
    "choices[].message.channel",
    "choices[].message.role",
    "choices[].message.tool_calls[].type",
    "choices[].prompt_logprobs",
    "choices[].seed",
    "choices[].stop_reason",
    "choices[].text",
    "choices[].token_ids",
    "citations",
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
    "search_results",
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
    "usage.cost",
    "usage.cost_details",
    "usage.cost_in_usd_ticks",
    "usage.is_byok",
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
pub(super) struct Chunk {
    #[serde(default, deserialize_with = "word")]
    pub id: Option<String>,
    pub model: Option<String>,
    pub choices: Option<Vec<Choice>>,
    pub usage: Option<WireUsage>,
    pub error: Option<Value>,
    /// Words beside no choices: an error in its flat form (older vLLM).
    pub message: Option<Value>,
    pub object: Option<String>,
    pub x_groq: Option<Groq>,
}

/// Groq repeats usage here, and only here on older servers.
#[derive(Debug, Deserialize)]
pub(super) struct Groq {
    pub usage: Option<WireUsage>,
    pub error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    #[serde(default, deserialize_with = "count")]
    pub index: Option<u64>,
    pub delta: Option<Delta>,
    /// Whole answers; some servers send it in chunks too, cumulative, beside the delta.
    pub message: Option<Delta>,
    #[serde(default, deserialize_with = "said")]
    pub finish_reason: Said,
    pub native_finish_reason: Option<Value>,
    pub error: Option<Value>,
}

/// A finish reason that may be absent, null or a word: these three mean different things at the end of a stream.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Said {
    #[default]
    Absent,
    Null,
    Word(String),
}

fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
    Ok(word(deserializer)?.map_or(Said::Null, Said::Word))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub content: Option<Content>,
    pub refusal: Option<String>,
    /// DeepSeek's name for reasoning, and most others'.
    pub reasoning_content: Option<Content>,
    /// Groq's, OpenRouter's and newer vLLM's.
    pub reasoning: Option<Content>,
    /// OpenRouter's parts, which repeat `reasoning` where that is there.
    pub reasoning_details: Option<Vec<ReasoningDetail>>,
    pub tool_calls: Option<Vec<CallDelta>>,
    pub function_call: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningDetail {
    pub text: Option<String>,
    pub summary: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CallDelta {
    #[serde(default, deserialize_with = "count")]
    pub index: Option<u64>,
    #[serde(default, deserialize_with = "word")]
    pub id: Option<String>,
    pub function: Option<FunctionDelta>,
    /// A custom tool's call: free text in place of arguments.
    pub custom: Option<CustomDelta>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionDelta {
    pub name: Option<String>,
    /// A string of JSON; an object with some servers.
    pub arguments: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CustomDelta {
    pub name: Option<String>,
    pub input: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    #[serde(deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// Together and Moonshot.
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
    /// Gateways that pass Anthropic's names on.
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    /// Perplexity.
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    #[serde(deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    /// DashScope.
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    #[serde(deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    /// By our convention. `prompt_tokens` holds the cached and written ones, `completion_tokens` the reasoning, except
    /// where the provider leaves it out: then the total says so.
    pub(super) fn read(&self, completion_excludes_reasoning: bool) -> Usage {
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
            ..Usage::default()
        }
    }
}

/// The vendor's word for a finish reason; `None` when it is not a known one.
pub(super) fn finish_reason(word: &str) -> Option<FinishReason> {
    Some(match word {
        "stop" | "eos" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "error" | "network_error" | "insufficient_system_resource" => FinishReason::Error,
        _ => return None,
    })
}

/// A request body, in the order in which a reader would look for things.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Body {
    pub model: String,
    pub messages: Vec<WireMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub stop: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Mistral's name for a seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_seed: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StreamOptions {
    pub include_usage: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireMessage {
    pub role: String,
    pub content: Value,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::String(one) => Ok(vec![one]),
        many => serde_json::from_value(many).map_err(serde::de::Error::custom),
    }
}
