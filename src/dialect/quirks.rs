//! What a provider does its own way within a dialect, as data.

/// Deviations of one provider (or model) from its dialect. Filled from the provider's row; every field has the
/// dialect's own behaviour as its default.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Which parameter bounds the output.
    pub max_tokens_field: MaxTokensField,
    /// The role that carries instructions.
    pub system_role: SystemRole,
    /// The provider rejects `stream_options` (it reports usage without being asked, or never).
    pub no_stream_options: bool,
    /// A seed is called `random_seed` (Mistral).
    pub random_seed: bool,
    /// `completion_tokens` leaves the reasoning out (xAI's chat completions).
    pub completion_excludes_reasoning: bool,
    /// How reasoning effort is asked for.
    pub effort: EffortControl,
    /// How an answer of a given shape is asked for.
    pub schema: ResponseFormatControl,
    /// When earlier thoughts go back to the model that had them, where the dialect leaves that open.
    pub echo_reasoning: EchoReasoning,
    /// Content is one string a turn: several texts are joined (SambaNova, Moonshot's text models).
    pub content_as_string: bool,
    /// "Call some tool" is said `any`, not `required` (Mistral).
    pub any_tool: bool,
    /// The provider takes no tools (Perplexity).
    pub no_tools: bool,
    /// Only models of which levels are known take any (Mistral, xAI).
    pub effort_by_model: bool,
    /// Where a switch turns thinking off, a level says how much of it there is.
    pub effort_levels: bool,
    /// The provider takes no word on which tool to call (Moonshot, for `required`).
    pub no_forced_tools: bool,
    /// The ids of tool calls must be nine letters or digits (Mistral): others are mapped to such, always the same way.
    pub nine_letter_call_ids: bool,
    /// A document goes as `document_url`, not as `file` (Mistral).
    pub document_url: bool,
    /// Vectors come as base64 of single bytes (Perplexity).
    pub int8_embeddings: bool,
    /// The model reasons: where the dialect needs asking for the state of its thoughts, it is asked for.
    pub reasons: bool,
    /// The model keeps prompts only where marks in them say so (Claude and Nova on Bedrock).
    pub cache_points: bool,
    /// Output bound to send where the dialect demands one and the caller gave none, in tokens.
    pub default_max_tokens: Option<u64>,
}

impl Quirks {
    /// These quirks with some of them said anew; what is not said stays.
    ///
    /// # Errors
    /// In words, when there is no such quirk or it cannot have that value.
    pub fn with_overrides(&self, said: &serde_json::Value) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        match (&mut all, said) {
            (serde_json::Value::Object(all), serde_json::Value::Object(said)) => all.extend(said.clone()),
            _ => return Err("`quirks` must be a map".to_owned()),
        }
        serde_json::from_value(all).map_err(|error| format!("`quirks`: {error}"))
    }
}

/// Names of the parameter that bounds the output in openai-chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// What nearly all compatible servers want.
    #[default]
    MaxTokens,
    /// What OpenAI itself wants: its newer models refuse the other.
    MaxCompletionTokens,
}

/// Names of the role that carries instructions in openai-chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    /// The usual one.
    #[default]
    System,
    /// The one that OpenAI's reasoning models read `system` as.
    Developer,
}

/// Ways to ask for more or less thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffortControl {
    /// The dialect's own, as its newest models take it.
    #[default]
    Native,
    /// There is none.
    Unsupported,
    /// A level beside thinking that needs no switch (Claude Opus 4.5).
    Level,
    /// A level, and thinking switched on as the model sees fit (Claude from 4.6).
    Adaptive,
    /// A budget of tokens (Claude up to 4.5, Gemini 2.5).
    Budget,
    /// An object with a level (OpenRouter).
    ReasoningObject,
    /// `thinking: {type: enabled | disabled}` (DeepSeek, Moonshot, Z.AI).
    ThinkingSwitch,
    /// `enable_thinking: true | false` (DashScope).
    EnableThinking,
}

/// Ways to get an answer of a given shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormatControl {
    /// The dialect's own.
    #[default]
    Native,
    /// The provider is asked for JSON, and the prompt says which.
    JsonObject,
    /// A tool that the model must call, whose arguments are the answer.
    Tool,
    /// The prompt says it.
    Prompt,
}

/// When thoughts are sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoReasoning {
    /// Not at all: most servers refuse or ignore them.
    #[default]
    Never,
    /// In turns that call tools (DeepSeek and Moonshot insist).
    ToolTurns,
    /// In every turn.
    Always,
}
