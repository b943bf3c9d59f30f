//! The wire structs, spelled as the vendor spells them. Proto3 JSON leaves out what is zero or empty, so everything
//! read is optional.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{FinishReason, Usage};
use crate::dialect::wire::{count, word};

/// Fields that the dialect has and this product has no use for. Sorted.
pub(super) const KNOWN: &[&str] = &[
    "candidates[].avgLogprobs",
    "candidates[].citationMetadata",
    "candidates[].content.parts[].codeExecutionResult",
    "candidates[].content.parts[].executableCode",
    "candidates[].content.parts[].functionCall.partialArgs[].nullValue",
    "candidates[].content.parts[].functionCall.partialArgs[].willContinue",
    "candidates[].content.parts[].inlineData",
    "candidates[].content.parts[].thoughtSignature",
    "candidates[].content.parts[].toolCall",
    "candidates[].content.parts[].toolResponse",
    "candidates[].content.role",
    "candidates[].groundingMetadata",
    "candidates[].index",
    "candidates[].logprobsResult",
    "candidates[].safetyRatings",
    "candidates[].tokenCount",
    "candidates[].urlContextMetadata",
    "createTime",
    "modelStatus",
    "promptFeedback.safetyRatings",
    "usageMetadata.cacheTokensDetails",
    "usageMetadata.candidatesTokensDetails",
    "usageMetadata.promptTokensDetails",
    "usageMetadata.serviceTier",
    "usageMetadata.toolUsePromptTokensDetails",
    "usageMetadata.totalTokenCount",
    "usageMetadata.trafficType",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Chunk {
    pub candidates: Option<Vec<Candidate>>,
    pub prompt_feedback: Option<PromptFeedback>,
    pub usage_metadata: Option<WireUsage>,
    pub model_version: Option<String>,
    pub response_id: Option<String>,
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate {
    pub content: Option<Content>,
    #[serde(deserialize_with = "word")]
    pub finish_reason: Option<String>,
    pub finish_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    pub parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Part {
    pub text: Option<String>,
    pub thought: bool,
    pub function_call: Option<FunctionCall>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FunctionCall {
    pub id: Option<String>,
    pub name: Option<String>,
    pub args: Option<Value>,
    pub partial_args: Option<Vec<PartialArg>>,
    /// More of this call follows in later parts.
    pub will_continue: bool,
}

/// A piece of a call's arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PartialArg {
    pub json_path: String,
    pub string_value: Option<String>,
    pub number_value: Option<serde_json::Number>,
    pub bool_value: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    pub block_reason: Option<String>,
    pub block_reason_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireUsage {
    #[serde(deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
}

impl WireUsage {
    /// By our convention: tool prompts stand beside the prompt, thoughts beside the candidates.
    pub(super) fn read(&self) -> Usage {
        Usage {
            input_tokens: Usage::total(&[self.prompt_token_count, self.tool_use_prompt_token_count]),
            cached_input_tokens: self.cached_content_token_count,
            cache_write_tokens: None,
            output_tokens: Usage::total(&[self.candidates_token_count, self.thoughts_token_count]),
            reasoning_tokens: self.thoughts_token_count,
            ..Usage::default()
        }
    }

    /// Takes over every count that `newer` has: figures are cumulative, and late chunks leave some out.
    pub(super) fn merge(&mut self, newer: &Self) {
        self.prompt_token_count = newer.prompt_token_count.or(self.prompt_token_count);
        self.tool_use_prompt_token_count =
            newer.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
        self.candidates_token_count = newer.candidates_token_count.or(self.candidates_token_count);
        self.thoughts_token_count = newer.thoughts_token_count.or(self.thoughts_token_count);
        self.cached_content_token_count =
            newer.cached_content_token_count.or(self.cached_content_token_count);
    }
}

/// What a finish reason means.
pub(super) enum Ending {
    Reason(FinishReason),
    /// The model's own broken output: an attempt that failed.
    Broken,
    Unknown,
}

/// The vendor's word for a finish reason.
pub(super) fn finish_reason(word: &str) -> Ending {
    Ending::Reason(match word {
        // Servers asked for integer enums send these for STOP, MAX_TOKENS and SAFETY.
        "STOP" | "1" => FinishReason::Stop,
        "MAX_TOKENS" | "2" => FinishReason::Length,
        "CONTINUATION" => FinishReason::Pause,
        "SAFETY"
        | "3"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "RECITATION"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR"
        | "ESCALATION" => FinishReason::ContentFilter,
        "OTHER" | "FINISH_REASON_UNSPECIFIED" => FinishReason::Other,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE"
        | "NO_IMAGE"
        | "IMAGE_OTHER" => return Ending::Broken,
        _ => return Ending::Unknown,
    })
}

/// A request body.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    pub contents: Vec<Turn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_instruction: Option<Turn>,
    #[serde(skip_serializing_if = "GenerationConfig::is_default")]
    pub generation_config: GenerationConfig,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub parts: Vec<TextPart>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TextPart {
    #[serde(default)]
    pub text: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GenerationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

impl GenerationConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
