//! What is asked, without saying of whom.

use super::{Message, Role};

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
    /// above before each vendor's few tokens of framing a turn.
    pub fn text_bytes(&self) -> usize {
        let turns: usize = self.messages.iter().flat_map(|m| &m.parts).map(String::len).sum();
        turns + self.system.as_ref().map_or(0, String::len)
    }

    /// Takes one parameter out and says whether it was set.
    pub fn take(&mut self, parameter: Parameter) -> bool {
        match parameter {
            Parameter::Temperature => self.temperature.take().is_some(),
            Parameter::TopP => self.top_p.take().is_some(),
            Parameter::Stop => !std::mem::take(&mut self.stop).is_empty(),
            Parameter::Seed => self.seed.take().is_some(),
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
}

impl Parameter {
    /// The command line's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::TopP => "top-p",
            Self::Stop => "stop",
            Self::Seed => "seed",
        }
    }
}
