//! What can go wrong in the middle of an answer, by name, and which dialects it can happen to.

use crate::dialect::Dialect;
use Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};

/// What goes wrong in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The stream ends after some tokens as if it were whole.
    CutPolitely,
    /// The answer opens, and its stream ends before any token.
    RoleOnly,
    /// A 200 with an empty body.
    Empty,
    /// `[DONE]`, and nothing before it.
    DoneOnly,
    /// A whole answer without the `[DONE]` that usually follows. It harms nothing.
    NoDone,
    /// The connection breaks after some tokens.
    Cut,
    /// An error object in place of the stream's first frame, as gateways send it.
    ErrorFirst,
    /// The same after one token.
    ErrorInStream,
    /// An answer whose reason to end is that it broke.
    FinishError,
    /// A chunk with an error and an empty list of choices.
    ErrorWithoutChoices,
    /// A frame that does not parse, between others that do.
    Malformed,
    /// A whole answer with comments in its stream. They harm nothing.
    Comments,
    /// The vendor's own event for an error, once the answer is open.
    VendorErrorFirst,
    /// The same after one token.
    VendorErrorInStream,
    /// All of the text, but not the event that ends the message.
    NoMessageStop,
    /// All of the text, but not the reason to end.
    NoFinishReason,
    /// A filter ends the answer half way. It is an answer all the same.
    SafetyStop,
    /// Silence after some tokens.
    Stall,
}

/// The dialects over server-sent events.
const EVENTS: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere];

/// Each fault with its name, and the dialects that it can happen to.
const TABLE: [(Fault, &str, &[Dialect]); 18] = [
    (Fault::CutPolitely, "cut-politely", &Dialect::ALL),
    (Fault::RoleOnly, "role-only", &Dialect::ALL),
    (Fault::Empty, "empty", &Dialect::ALL),
    // OpenAI's own Responses streams have no such line, those of others who speak the dialect do.
    (Fault::DoneOnly, "done-only", &[OpenaiChat, OpenaiResponses, Cohere]),
    (Fault::NoDone, "no-done", &[OpenaiChat, Cohere]),
    (Fault::Cut, "cut", &Dialect::ALL),
    (Fault::ErrorFirst, "error-first", &Dialect::ALL),
    (Fault::ErrorInStream, "error-in-stream", &Dialect::ALL),
    // The others have no such reason.
    (Fault::FinishError, "finish-error", &[OpenaiChat, OpenaiResponses, Gemini, Cohere, Bedrock]),
    (Fault::ErrorWithoutChoices, "error-without-choices", &[OpenaiChat]),
    (Fault::Malformed, "malformed", &Dialect::ALL),
    (Fault::Comments, "comments", EVENTS),
    // Gemini and Ollama have no event for it: their error is the plain object of `error-first`.
    (Fault::VendorErrorFirst, "vendor-error-first", VENDOR_ERROR),
    (Fault::VendorErrorInStream, "vendor-error-in-stream", VENDOR_ERROR),
    // A message ends with an event of its own, or with a reason in its last chunk.
    (Fault::NoMessageStop, "no-message-stop", &[OpenaiResponses, Anthropic, Cohere, Bedrock]),
    (Fault::NoFinishReason, "no-finish-reason", &[OpenaiChat, Gemini, Ollama]),
    // Ollama has no word for it.
    (Fault::SafetyStop, "safety-stop", &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere, Bedrock]),
    (Fault::Stall, "stall", &Dialect::ALL),
];

const VENDOR_ERROR: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Cohere, Bedrock];

impl Fault {
    /// The fault of that name.
    pub fn of(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault)
    }

    /// The names of all faults.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, name, _)| *name)
    }

    /// Why the fault cannot happen to an answer of this dialect, in words; `None` where it can.
    pub(super) fn refusal(self, dialect: Dialect, stream: bool) -> Option<String> {
        let (_, name, dialects) = TABLE.iter().find(|(fault, ..)| *fault == self)?;
        if !dialects.contains(&dialect) {
            let able: Vec<&str> = dialects.iter().map(|dialect| dialect.name()).collect();
            return Some(format!("`{name}` cannot happen to {dialect}, only to {}", able.join(", ")));
        }
        (!stream && self.needs_stream()).then(|| format!("`{name}` can only happen to a stream"))
    }

    /// Whether it is about frames that an answer in one piece does not have.
    fn needs_stream(self) -> bool {
        matches!(
            self,
            Self::RoleOnly
                | Self::DoneOnly
                | Self::NoDone
                | Self::Comments
                | Self::NoMessageStop
                | Self::NoFinishReason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_are_told_apart_by_their_names() {
        let names: Vec<&str> = Fault::names().collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(names.iter().position(|other| other == name), Some(at), "{name}");
            assert_eq!(Fault::of(name), Some(TABLE[at].0));
        }
    }

    #[test]
    fn a_fault_that_cannot_happen_is_refused_in_words() {
        let refusal = Fault::NoDone.refusal(Gemini, true).unwrap();
        assert_eq!(refusal, "`no-done` cannot happen to gemini, only to openai-chat, cohere");
        assert_eq!(Fault::NoDone.refusal(Cohere, true), None);
        assert!(Fault::NoDone.refusal(Cohere, false).unwrap().contains("only happen to a stream"));
        assert_eq!(Fault::Cut.refusal(Ollama, false), None);
    }
}
