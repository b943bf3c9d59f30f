//! What is asked, without saying of whom.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Effort, Message, Part, Role, Schema, Tool, ToolChoice};

/// One question to a model, in no vendor's words. The model itself is named beside it, because the same request
/// goes to one candidate after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Instructions that stand above the conversation.
    pub system: Option<String>,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub messages: Vec<Message>,
    /// Sampling temperature; each vendor has its own upper end (1 or 2).
    pub temperature: Option<f64>,
    /// Nucleus sampling: the share of probability mass that is sampled from, 0 to 1.
    pub top_p: Option<f64>,
    /// Upper bound of output tokens, reasoning included where a vendor counts it in.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Asks for the same sampling each time, where a vendor offers that.
    pub seed: Option<i64>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it should call; the vendor's own default where nothing is said.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; the vendor's own default where nothing is said.
    pub parallel_tool_calls: Option<bool>,
    /// The shape that the answer must have.
    pub schema: Option<Schema>,
    /// How hard to think.
    pub effort: Option<Effort>,
    /// Asks the vendor to keep the prompt for the next call, where that takes asking.
    pub cache: Option<CacheLifetime>,
    /// What only one provider has, by its name, in its own words; merged into the body as it is sent.
    pub options: BTreeMap<String, Map<String, Value>>,
}

/// How long a vendor is asked to keep a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLifetime {
    /// Minutes: the vendor's usual lifetime.
    Short,
    /// An hour, at a higher price.
    Long,
}

impl Request {
    /// A request with one user turn and nothing else set.
    pub fn prompt(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::user(text)], ..Self::default() }
    }

    /// The text of the last user turn, empty when there is none.
    pub fn last_user_text(&self) -> String {
        self.messages.iter().rev().find(|m| m.role == Role::User).map(Message::text).unwrap_or_default()
    }

    /// Bytes of all text that goes in. A token is at least one byte of text, so this bounds the prompt's tokens from
    /// above before each vendor's few tokens of framing a turn, and before pictures and documents.
    pub fn text_bytes(&self) -> usize {
        let turns: usize = self.messages.iter().flat_map(|m| &m.parts).map(Part::text_bytes).sum();
        let tools: usize = self.tools.iter().map(Tool::text_bytes).sum();
        let schema = match &self.schema {
            Some(Schema::Described(schema)) => schema.schema.to_string().len(),
            Some(Schema::AnyJson) | None => 0,
        };
        turns + tools + schema + self.system.as_ref().map_or(0, String::len)
    }

    /// Takes one parameter out and says whether it was set.
    pub fn take(&mut self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Temperature => self.temperature.take().is_some(),
            Parameter::TopP => self.top_p.take().is_some(),
            Parameter::Stop => !std::mem::take(&mut self.stop).is_empty(),
            Parameter::Seed => self.seed.take().is_some(),
            Parameter::Effort => self.effort.take().is_some(),
            Parameter::ToolChoice => {
                // Leaving it to the model is what every vendor does unasked.
                self.tool_choice.take().is_some_and(|choice| choice != ToolChoice::Auto)
            }
            Parameter::ParallelToolCalls => self.parallel_tool_calls.take().is_some(),
            Parameter::Cache => self.cache.take().is_some(),
        }
    }
}

/// A parameter that some model refuses. It is taken out with a warning rather than sent to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// [`Request::temperature`].
    Temperature,
    /// [`Request::top_p`].
    TopP,
    /// [`Request::stop`].
    Stop,
    /// [`Request::seed`].
    Seed,
    /// [`Request::effort`].
    Effort,
    /// [`Request::tool_choice`].
    ToolChoice,
    /// [`Request::parallel_tool_calls`].
    ParallelToolCalls,
    /// [`Request::cache`].
    Cache,
}

impl Parameter {
    /// The command line's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "top-p",
            Self::Stop => "stop",
            Self::Seed => "seed",
            Self::Effort => "effort",
            Self::ToolChoice => "tool-choice",
            Self::ParallelToolCalls => "parallel-tool-calls",
            Self::Cache => "cache-prompt",
        }
    }
}
