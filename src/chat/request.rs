use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Message, Part, ReasoningEffort, ResponseFormat, Role, TokenCount, Tool, ToolChoice};

/// A provider-independent request. It does not name the model, because the same request is sent to one
/// candidate after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub system_prompt: Option<String>,
    /// Oldest first; the model responds to the last message.
    pub messages: Vec<Message>,
    /// Sampling temperature; the upper bound is 1 or 2, depending on the provider.
    pub temperature: Option<f64>,
    /// Nucleus sampling: cumulative probability of the candidate tokens, 0 to 1.
    pub top_p: Option<f64>,
    /// Limit for output tokens. Includes reasoning tokens where the provider counts them as output.
    pub max_output_tokens: Option<TokenCount>,
    pub stop_sequences: Vec<String>,
    /// Asks for repeatable sampling, where the provider supports it.
    pub seed: Option<i64>,
    pub tools: Vec<Tool>,
    /// `None` leaves the provider's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether the model may call several tools at once; `None` leaves the provider's default.
    pub parallel_tool_calls: Option<bool>,
    pub response_format: Option<ResponseFormat>,
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Asks the provider to cache the prompt, where caching is not automatic.
    pub prompt_cache: Option<PromptCacheTtl>,
    /// Provider-specific options by provider name, as fields of that provider's API. They are merged into the
    /// body when it is sent.
    pub provider_options: BTreeMap<String, Map<String, Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptCacheTtl {
    /// The provider's usual lifetime, a few minutes.
    ProviderDefault,
    /// One hour, at a higher price.
    OneHour,
}

impl Request {
    pub fn from_prompt(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::from_user(text)], ..Self::default() }
    }

    /// The text of the last user message; empty if there is none.
    pub fn last_user_text(&self) -> String {
        self.messages
            .iter()
            .rev()
            .find(|m| m.role == Role::User)
            .map(Message::joined_text)
            .unwrap_or_default()
    }

    /// Bytes of all input text. A token is at least one byte, so this is an upper bound for the prompt's
    /// tokens, except for the few tokens of framing per message and for attachments.
    pub fn prompt_text_len(&self) -> usize {
        let messages: usize = self.messages.iter().flat_map(|m| &m.parts).map(Part::prompt_text_len).sum();
        let tools: usize = self.tools.iter().map(Tool::prompt_text_len).sum();
        let schema = match &self.response_format {
            Some(ResponseFormat::JsonSchema(schema)) => schema.schema.to_string().len(),
            Some(ResponseFormat::JsonObject) | None => 0,
        };
        messages + tools + schema + self.system_prompt.as_ref().map_or(0, String::len)
    }

    /// Removes a parameter and returns whether it was set.
    pub fn remove_parameter(&mut self, parameter: RequestParameter) -> bool {
        match parameter {
            RequestParameter::Temperature => self.temperature.take().is_some(),
            RequestParameter::TopP => self.top_p.take().is_some(),
            RequestParameter::StopSequences => !std::mem::take(&mut self.stop_sequences).is_empty(),
            RequestParameter::Seed => self.seed.take().is_some(),
            RequestParameter::ReasoningEffort => self.reasoning_effort.take().is_some(),
            RequestParameter::ToolChoice => {
                // `auto` is every provider's default, so removing it changes nothing.
                self.tool_choice.take().is_some_and(|choice| choice != ToolChoice::Auto)
            }
            RequestParameter::ParallelToolCalls => self.parallel_tool_calls.take().is_some(),
            RequestParameter::PromptCache => self.prompt_cache.take().is_some(),
        }
    }
}

/// A parameter that some models reject. It is removed with a warning so that the request does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestParameter {
    Temperature,
    TopP,
    StopSequences,
    Seed,
    ReasoningEffort,
    ToolChoice,
    ParallelToolCalls,
    PromptCache,
}

impl RequestParameter {
    /// The name of the command-line flag, without dashes.
    pub fn flag_name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "top-p",
            Self::StopSequences => "stop",
            Self::Seed => "seed",
            Self::ReasoningEffort => "effort",
            Self::ToolChoice => "tool-choice",
            Self::ParallelToolCalls => "parallel-tool-calls",
            Self::PromptCache => "cache-prompt",
        }
    }
}
