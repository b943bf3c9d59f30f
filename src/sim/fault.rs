//! Faults that the simulator can inject into a response, and the dialects that support them.

use crate::dialect::Dialect;
use Dialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulatedFault {
    /// The stream ends after some tokens as if it were complete.
    CutPolitely,
    /// The stream opens and ends before the first token.
    RoleOnly,
    /// A 200 with an empty body.
    Empty,
    /// `[DONE]` without anything before it.
    DoneOnly,
    /// A complete response without the usual `[DONE]`. Harmless.
    NoDone,
    /// The connection breaks after some tokens.
    Cut,
    /// An error object instead of the first frame, as gateways send it.
    ErrorFirst,
    /// An error object after one token.
    ErrorInStream,
    /// A response whose finish reason reports an error.
    FinishError,
    /// A chunk with an error and an empty list of choices.
    ErrorWithoutChoices,
    /// An invalid frame between valid ones.
    Malformed,
    /// A complete response with comments in its stream. Harmless.
    Comments,
    /// The provider's error event right after the start of the response.
    VendorErrorFirst,
    /// The provider's error event after one token.
    VendorErrorInStream,
    /// The complete text without the event that ends the message.
    NoMessageStop,
    /// The complete text without a finish reason.
    NoFinishReason,
    /// A content filter ends the response halfway. Still a valid response.
    SafetyStop,
    /// The stream stops sending after some tokens but stays open.
    Stall,
}

/// The dialects that use server-sent events.
const SSE_DIALECTS: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere];

/// Each fault with its name and the dialects that support it.
const FAULT_TABLE: [(SimulatedFault, &str, &[Dialect]); 18] = [
    (SimulatedFault::CutPolitely, "cut-politely", &Dialect::ALL),
    (SimulatedFault::RoleOnly, "role-only", &Dialect::ALL),
    (SimulatedFault::Empty, "empty", &Dialect::ALL),
    // OpenAI's own Responses streams have no such line, but those of compatible servers do.
    (SimulatedFault::DoneOnly, "done-only", &[OpenaiChat, OpenaiResponses, Cohere]),
    (SimulatedFault::NoDone, "no-done", &[OpenaiChat, Cohere]),
    (SimulatedFault::Cut, "cut", &Dialect::ALL),
    (SimulatedFault::ErrorFirst, "error-first", &Dialect::ALL),
    (SimulatedFault::ErrorInStream, "error-in-stream", &Dialect::ALL),
    // The other dialects have no such finish reason.
    (SimulatedFault::FinishError, "finish-error", &[OpenaiChat, OpenaiResponses, Gemini, Cohere, Bedrock]),
    (SimulatedFault::ErrorWithoutChoices, "error-without-choices", &[OpenaiChat]),
    (SimulatedFault::Malformed, "malformed", &Dialect::ALL),
    (SimulatedFault::Comments, "comments", SSE_DIALECTS),
    // Gemini and Ollama have no error event: they send the plain object of `error-first`.
    (SimulatedFault::VendorErrorFirst, "vendor-error-first", DIALECTS_WITH_ERROR_EVENT),
    (SimulatedFault::VendorErrorInStream, "vendor-error-in-stream", DIALECTS_WITH_ERROR_EVENT),
    // A message ends with its own event or with a finish reason in the last chunk.
    (SimulatedFault::NoMessageStop, "no-message-stop", &[OpenaiResponses, Anthropic, Cohere, Bedrock]),
    (SimulatedFault::NoFinishReason, "no-finish-reason", &[OpenaiChat, Gemini, Ollama]),
    // Ollama has no finish reason for it.
    (
        SimulatedFault::SafetyStop,
        "safety-stop",
        &[OpenaiChat, OpenaiResponses, Anthropic, Gemini, Cohere, Bedrock],
    ),
    (SimulatedFault::Stall, "stall", &Dialect::ALL),
];

const DIALECTS_WITH_ERROR_EVENT: &[Dialect] = &[OpenaiChat, OpenaiResponses, Anthropic, Cohere, Bedrock];

impl SimulatedFault {
    pub fn from_name(name: &str) -> Option<Self> {
        FAULT_TABLE.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        FAULT_TABLE.iter().map(|(_, name, _)| *name)
    }

    /// Why the fault is not possible with this dialect or mode; `None` if it is possible.
    pub(super) fn unsupported_reason(self, dialect: Dialect, stream: bool) -> Option<String> {
        let (_, name, dialects) = FAULT_TABLE.iter().find(|(fault, ..)| *fault == self)?;
        if !dialects.contains(&dialect) {
            let supported: Vec<&str> = dialects.iter().map(|dialect| dialect.as_str()).collect();
            return Some(format!(
                "fault `{name}` is not possible with {dialect}, only with {}",
                supported.join(", ")
            ));
        }
        (!stream && self.is_stream_only()).then(|| format!("fault `{name}` needs a streaming request"))
    }

    /// Whether the fault needs frames, which a complete body does not have.
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
        assert_eq!(refusal, "fault `no-done` is not possible with gemini, only with openai-chat, cohere");
        assert_eq!(SimulatedFault::NoDone.unsupported_reason(Cohere, true), None);
        assert!(
            SimulatedFault::NoDone
                .unsupported_reason(Cohere, false)
                .unwrap()
                .contains("needs a streaming request")
        );
        assert_eq!(SimulatedFault::Cut.unsupported_reason(Ollama, false), None);
    }
}
