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
    /// Output bound to send where the dialect demands one and the caller gave none, in tokens.
    pub default_max_tokens: Option<u64>,
}

impl Quirks {
    /// These quirks with some of them said anew; what is not said stays.
    ///
    /// # Errors
    /// In words, when there is no such quirk or it cannot have that value.
    pub fn with(&self, said: &serde_json::Value) -> Result<Self, String> {
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
