//! What can go wrong in the middle of an answer, by name, and which dialects it can happen to.

use crate::dialect::Dialect;
use Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};

/// What goes wrong in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedFault {
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
const SSE_DIALECTS: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere];

/// Each fault with its name, and the dialects that it can happen to.
const FAULT_TABLE: [(SimulatedFault, &str, &[Dialect]); 18] = [
    (SimulatedFault::CutPolitely, "cut-politely", &Dialect::ALL),
    (SimulatedFault::RoleOnly, "role-only", &Dialect::ALL),
    (SimulatedFault::Empty, "empty", &Dialect::ALL),
    // OpenAI's own Responses streams have no such line, those of others who speak the dialect do.
    (SimulatedFault::DoneOnly, "done-only", &[OpenaiChat, OpenaiResponses, Cohere]),
    (SimulatedFault::NoDone, "no-done", &[OpenaiChat, Cohere]),
    (SimulatedFault::Cut, "cut", &Dialect::ALL),
    (SimulatedFault::ErrorFirst, "error-first", &Dialect::ALL),
    (SimulatedFault::ErrorInStream, "error-in-stream", &Dialect::ALL),
    // The others have no such reason.
    (SimulatedFault::FinishError, "finish-error", &[OpenaiChat, OpenaiResponses, Gemini, Cohere, Bedrock]),
    (SimulatedFault::ErrorWithoutChoices, "error-without-choices", &[OpenaiChat]),
    (SimulatedFault::Malformed, "malformed", &Dialect::ALL),
    (SimulatedFault::Comments, "comments", SSE_DIALECTS),
    // Gemini and Ollama have no event for it: their error is the plain object of `error-first`.
    (SimulatedFault::VendorErrorFirst, "vendor-error-first", DIALECTS_WITH_ERROR_EVENT),
    (SimulatedFault::VendorErrorInStream, "vendor-error-in-stream", DIALECTS_WITH_ERROR_EVENT),
    // A message ends with an event of its own, or with a reason in its last chunk.
    (SimulatedFault::NoMessageStop, "no-message-stop", &[OpenaiResponses, Anthropic, Cohere, Bedrock]),
    (SimulatedFault::NoFinishReason, "no-finish-reason", &[OpenaiChat, Gemini, Ollama]),
    // Ollama has no word for it.
    (
        SimulatedFault::SafetyStop,
        "safety-stop",
        &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere, Bedrock],
    ),
    (SimulatedFault::Stall, "stall", &Dialect::ALL),
];

const DIALECTS_WITH_ERROR_EVENT: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Cohere, Bedrock];

impl SimulatedFault {
    /// The fault of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        FAULT_TABLE.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault)
    }

    /// The names of all faults.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FAULT_TABLE.iter().map(|(_, name, _)| *name)
    }

    /// Why the fault cannot happen to an answer of this dialect, in words; `None` where it can.
    pub(super) fn unsupported_reason(self, dialect: Dialect, stream: bool) -> Option<String> {
        let (_, name, dialects) = FAULT_TABLE.iter().find(|(fault, ..)| *fault == self)?;
        if !dialects.contains(&dialect) {
            let able: Vec<&str> = dialects.iter().map(|dialect| dialect.as_str()).collect();
            return Some(format!("`{name}` cannot happen to {dialect}, only to {}", able.join(", ")));
        }
        (!stream && self.is_stream_only()).then(|| format!("`{name}` can only happen to a stream"))
    }

    /// Whether it is about frames that an answer in one piece does not have.
    fn is_stream_only(self) -> bool {
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
    fn names_are_unique() {
        let names: Vec<&str> = SimulatedFault::names().collect();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(names.iter().position(|other| other == name), Some(at), "{name}");
            assert_eq!(SimulatedFault::from_name(name), Some(FAULT_TABLE[at].0));
        }
    }

    #[test]
    fn unsupported_fault_error_cases() {
        let refusal = SimulatedFault::NoDone.unsupported_reason(Gemini, true).unwrap();
        assert_eq!(refusal, "`no-done` cannot happen to gemini, only to openai-chat, cohere");
        assert_eq!(SimulatedFault::NoDone.unsupported_reason(Cohere, true), None);
        assert!(
            SimulatedFault::NoDone
                .unsupported_reason(Cohere, false)
                .unwrap()
                .contains("only happen to a stream")
        );
        assert_eq!(SimulatedFault::Cut.unsupported_reason(Ollama, false), None);
    }
}
