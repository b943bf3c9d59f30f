//! Wire structs. Proto3 JSON omits zero and empty values, so every field is optional.

use serde::Deserialize;
use serde_json::Value;

use crate::chat::{FinishReason, TokenCount, Usage};
use crate::dialect::wire_json::{deserialize_string_or_number, deserialize_token_count};

/// Known fields that slalom does not use, sorted.
pub(super) const IGNORED_FIELDS: &[&str] = &[
    "candidates[].avgLogprobs",
    "candidates[].content.parts[].functionCall.partialArgs[].nullValue",
    "candidates[].content.parts[].functionCall.partialArgs[].willContinue",
    "candidates[].content.role",
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
pub(super) struct GeminiChunk {
    pub candidates: Option<Vec<GeminiCandidate>>,
    pub prompt_feedback: Option<GeminiPromptFeedback>,
    pub usage_metadata: Option<GeminiUsage>,
    pub model_version: Option<String>,
    pub response_id: Option<String>,
    pub error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiCandidate {
    pub content: Option<GeminiContent>,
    #[serde(deserialize_with = "deserialize_string_or_number")]
    pub finish_reason: Option<String>,
    pub finish_message: Option<String>,
    pub citation_metadata: Option<Value>,
    pub grounding_metadata: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GeminiContent {
    pub parts: Vec<GeminiPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiPart {
    pub text: Option<String>,
    pub thought: bool,
    pub function_call: Option<GeminiFunctionCall>,
    pub thought_signature: Option<String>,
    pub code_execution_result: Option<Value>,
    pub executable_code: Option<Value>,
    pub inline_data: Option<Value>,
    pub tool_call: Option<Value>,
    pub tool_response: Option<Value>,
}

impl GeminiPart {
    /// Takes a part that only this provider has, as it must be sent back.
    pub(super) fn take_provider_specific(&mut self) -> Option<Value> {
        let fields = [
            ("executableCode", self.executable_code.take()),
            ("codeExecutionResult", self.code_execution_result.take()),
            ("inlineData", self.inline_data.take()),
            ("toolCall", self.tool_call.take()),
            ("toolResponse", self.tool_response.take()),
        ];
        let (name, value) = fields.into_iter().find_map(|(name, value)| Some((name, value?)))?;
        Some(serde_json::json!({name: value}))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiFunctionCall {
    pub id: Option<String>,
    pub name: Option<String>,
    pub args: Option<Value>,
    pub partial_args: Option<Vec<GeminiPartialArg>>,
    /// Later parts continue this call.
    pub will_continue: bool,
}

/// A fragment of a call's arguments.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiPartialArg {
    pub json_path: String,
    pub string_value: Option<String>,
    pub number_value: Option<serde_json::Number>,
    pub bool_value: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiPromptFeedback {
    pub block_reason: Option<String>,
    pub block_reason_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiUsage {
    #[serde(deserialize_with = "deserialize_token_count")]
    prompt_token_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    tool_use_prompt_token_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    candidates_token_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    thoughts_token_count: Option<TokenCount>,
    #[serde(deserialize_with = "deserialize_token_count")]
    cached_content_token_count: Option<TokenCount>,
}

impl GeminiUsage {
    /// In this dialect, the prompt count excludes tool-use prompts and the candidate count excludes
    /// reasoning, so they are added.
    pub(super) fn to_usage(&self) -> Usage {
        Usage {
            input_tokens: Usage::sum_known(&[self.prompt_token_count, self.tool_use_prompt_token_count]),
            cached_input_tokens: self.cached_content_token_count,
            cache_write_tokens: None,
            output_tokens: Usage::sum_known(&[self.candidates_token_count, self.thoughts_token_count]),
            reasoning_tokens: self.thoughts_token_count,
            ..Usage::default()
        }
    }

    /// Replaces counts by those set in `newer`: counts are cumulative, and late chunks omit some.
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

pub(super) enum GeminiFinishReason {
    Known(FinishReason),
    /// The model produced invalid output, so the attempt failed.
    MalformedOutput,
    Unknown,
}

pub(super) fn decode_finish_reason(word: &str) -> GeminiFinishReason {
    GeminiFinishReason::Known(match word {
        // Servers configured for integer enums send these numbers for STOP, MAX_TOKENS, and SAFETY.
        "STOP" | "1" => FinishReason::Stop,
        // `CONTINUATION` marks a long response that could be continued, which slalom does not support.
        "MAX_TOKENS" | "2" | "CONTINUATION" => FinishReason::Length,
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
        | "IMAGE_OTHER" => return GeminiFinishReason::MalformedOutput,
        _ => return GeminiFinishReason::Unknown,
    })
}
