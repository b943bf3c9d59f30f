//! What is asked, without saying of whom.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Message, Part, ReasoningEffort, ResponseFormat, Role, Tool, ToolChoice};

/// One question to a model, in no vendor's words. The model itself is named beside it, because the same request
/// goes to one candidate after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Instructions that stand above the conversation.
    pub system_prompt: Option<String>,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub messages: Vec<Message>,
    /// Sampling temperature; each vendor has its own upper end (1 or 2).
    pub temperature: Option<f64>,
    /// Nucleus sampling: the share of probability mass that is sampled from, 0 to 1.
    pub top_p: Option<f64>,
    /// Upper bound of output tokens, reasoning included where a vendor counts it in.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the answer; they are not part of it.
    pub stop_sequences: Vec<String>,
    /// Asks for the same sampling each time, where a vendor offers that.
    pub seed: Option<i64>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it should call; the vendor's own default where nothing is said.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; the vendor's own default where nothing is said.
    pub parallel_tool_calls: Option<bool>,
    /// The shape that the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How hard to think.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Asks the vendor to keep the prompt for the next call, where that takes asking.
    pub prompt_cache: Option<PromptCacheTtl>,
    /// What only one provider has, by its name, in its own words; merged into the body as it is sent.
    pub provider_options: BTreeMap<String, Map<String, Value>>,
}

/// How long a vendor is asked to keep a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptCacheTtl {
    /// Minutes: the vendor's usual lifetime.
    ProviderDefault,
    /// An hour, at a higher price.
    OneHour,
}

impl Request {
    /// A request with one user turn and nothing else set.
    pub fn from_prompt(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::from_user(text)], ..Self::default() }
    }

    /// The text of the last user turn, empty when there is none.
    pub fn last_user_text(&self) -> String {
        self.messages
            .iter()
            .rev()
            .find(|m| m.role == Role::User)
            .map(Message::joined_text)
            .unwrap_or_default()
    }

    /// Bytes of all text that goes in. A token is at least one byte of text, so this bounds the prompt's tokens from
    /// above before each vendor's few tokens of framing a turn, and before pictures and documents.
    pub fn prompt_text_len(&self) -> usize {
        let turns: usize = self.messages.iter().flat_map(|m| &m.parts).map(Part::prompt_text_len).sum();
        let tools: usize = self.tools.iter().map(Tool::prompt_text_len).sum();
        let schema = match &self.response_format {
            Some(ResponseFormat::JsonSchema(schema)) => schema.schema.to_string().len(),
            Some(ResponseFormat::JsonObject) | None => 0,
        };
        turns + tools + schema + self.system_prompt.as_ref().map_or(0, String::len)
    }

    /// Takes one parameter out and says whether it was set.
    pub fn remove_parameter(&mut self, parameter: RequestParameter) -> bool {
        match parameter {
            RequestParameter::Temperature => self.temperature.take().is_some(),
            RequestParameter::TopP => self.top_p.take().is_some(),
            RequestParameter::StopSequences => !std::mem::take(&mut self.stop_sequences).is_empty(),
            RequestParameter::Seed => self.seed.take().is_some(),
            RequestParameter::ReasoningEffort => self.reasoning_effort.take().is_some(),
            RequestParameter::ToolChoice => {
                // Leaving it to the model is what every vendor does unasked.
                self.tool_choice.take().is_some_and(|choice| choice != ToolChoice::Auto)
            }
            RequestParameter::ParallelToolCalls => self.parallel_tool_calls.take().is_some(),
            RequestParameter::PromptCache => self.prompt_cache.take().is_some(),
        }
    }
}

/// A parameter that some model refuses. It is taken out with a warning rather than sent to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestParameter {
    /// [`Request::temperature`].
    Temperature,
    /// [`Request::top_p`].
    TopP,
    /// [`Request::stop`].
    StopSequences,
    /// [`Request::seed`].
    Seed,
    /// [`Request::effort`].
    ReasoningEffort,
    /// [`Request::tool_choice`].
    ToolChoice,
    /// [`Request::parallel_tool_calls`].
    ParallelToolCalls,
    /// [`Request::cache`].
    PromptCache,
}

impl RequestParameter {
    /// The command line's word for it.
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
