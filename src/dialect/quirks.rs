use crate::chat::TokenCount;

/// Deviations of a provider or model from its dialect, read from the provider's row. The default of every
/// field is the dialect's own behavior.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// The parameter that limits output tokens.
    pub max_tokens_field: MaxTokensField,
    /// The role of the system prompt.
    pub system_role: SystemRole,
    /// The provider rejects `stream_options`. It reports usage without the option, or never.
    pub no_stream_options: bool,
    /// The seed parameter is called `random_seed` (Mistral).
    pub random_seed: bool,
    /// `completion_tokens` excludes reasoning tokens (xAI chat completions).
    pub completion_excludes_reasoning: bool,
    /// How to request a reasoning effort.
    pub effort: EffortControl,
    /// How to request structured output.
    pub schema: ResponseFormatControl,
    /// When reasoning is sent back to the model that produced it, where the dialect leaves that open.
    pub echo_reasoning: EchoReasoning,
    /// A message's content must be one string, so several texts are joined (SambaNova, Moonshot's text
    /// models).
    pub content_as_string: bool,
    /// The tool choice "required" is called `any` (Mistral).
    pub any_tool: bool,
    /// The provider does not support tools (Perplexity).
    pub no_tools: bool,
    /// Only models with known effort levels accept one (Mistral, xAI).
    pub effort_by_model: bool,
    /// The control is a switch, but a level sets the effort while it is on.
    pub effort_levels: bool,
    /// The provider cannot force a tool call (Moonshot rejects `required`).
    pub no_forced_tools: bool,
    /// Tool call IDs must be nine letters or digits (Mistral). Other IDs are mapped deterministically.
    pub nine_letter_call_ids: bool,
    /// A document is sent as `document_url` instead of `file` (Mistral).
    pub document_url: bool,
    /// Embeddings arrive as base64 of single bytes (Perplexity).
    pub int8_embeddings: bool,
    /// The model reasons, so its reasoning state is requested where the dialect requires asking.
    pub reasons: bool,
    /// Prompts are cached only at explicit cache points (Claude and Nova on Bedrock).
    pub cache_points: bool,
    /// Output token limit to send if the dialect requires one and the request has none.
    pub default_max_tokens: Option<TokenCount>,
}

impl Quirks {
    /// Returns these quirks with some fields overridden.
    ///
    /// # Errors
    /// If a quirk is unknown or its value is invalid.
    pub fn with_overrides(&self, overrides: &serde_json::Value) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        match (&mut all, overrides) {
            (serde_json::Value::Object(all), serde_json::Value::Object(new)) => all.extend(new.clone()),
            _ => return Err("`quirks` must be a map".to_owned()),
        }
        serde_json::from_value(all).map_err(|error| format!("`quirks`: {error}"))
    }
}

/// The parameter that limits output tokens in `openai-chat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// Expected by nearly all compatible servers.
    #[default]
    MaxTokens,
    /// Expected by OpenAI, whose newer models reject `max_tokens`.
    MaxCompletionTokens,
}

/// The role of the system prompt in `openai-chat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    #[default]
    System,
    /// OpenAI's reasoning models treat `system` as this role.
    Developer,
}

/// How to request a reasoning effort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffortControl {
    /// The dialect's current format.
    #[default]
    Native,
    /// The effort cannot be set.
    Unsupported,
    /// A level that works without enabling thinking (Claude Opus 4.5).
    Level,
    /// A level together with adaptive thinking (Claude 4.6 and later).
    Adaptive,
    /// A token budget (Claude up to 4.5, Gemini 2.5).
    Budget,
    /// An object with a level (OpenRouter).
    ReasoningObject,
    /// `thinking: {type: enabled | disabled}` (DeepSeek, Moonshot, Z.AI).
    ThinkingSwitch,
    /// `enable_thinking: true | false` (DashScope).
    EnableThinking,
}

/// How to request structured output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormatControl {
    /// The dialect's own format.
    #[default]
    Native,
    /// JSON mode, with the schema in the prompt.
    JsonObject,
    /// A forced tool call whose arguments are the response.
    Tool,
    /// Only the prompt contains the schema.
    Prompt,
}

/// When reasoning is sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoReasoning {
    /// Most servers reject or ignore it.
    #[default]
    Never,
    /// In messages with tool calls (required by DeepSeek and Moonshot).
    ToolTurns,
    Always,
}
