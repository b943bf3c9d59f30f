//! Faults that the simulator can inject into a response, and the dialects that support them.

use crate::dialect::{Dialect, DoneLine, ErrorEvent, StreamEnding, StreamFormat, StreamFraming};

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

/// Whether a dialect's streams can have a fault.
type FaultCondition = fn(&StreamFormat) -> bool;

/// Each fault with its name and the dialects that can have it.
const FAULT_TABLE: [(SimulatedFault, &str, FaultCondition); 18] = [
    (SimulatedFault::CutPolitely, "cut-politely", |_| true),
    (SimulatedFault::RoleOnly, "role-only", |_| true),
    (SimulatedFault::Empty, "empty", |_| true),
    (SimulatedFault::DoneOnly, "done-only", |stream| stream.done_line != DoneLine::Never),
    (SimulatedFault::NoDone, "no-done", |stream| stream.done_line == DoneLine::Always),
    (SimulatedFault::Cut, "cut", |_| true),
    (SimulatedFault::ErrorFirst, "error-first", |_| true),
    (SimulatedFault::ErrorInStream, "error-in-stream", |_| true),
    (SimulatedFault::FinishError, "finish-error", |stream| stream.has_error_finish_reason),
    (SimulatedFault::ErrorWithoutChoices, "error-without-choices", |stream| stream.has_choices),
    (SimulatedFault::Malformed, "malformed", |_| true),
    (SimulatedFault::Comments, "comments", |stream| stream.framing == StreamFraming::Sse),
    // A dialect without an error event sends the plain object of `error-first`.
    (SimulatedFault::VendorErrorFirst, "vendor-error-first", |stream| stream.error_event != ErrorEvent::None),
    (SimulatedFault::VendorErrorInStream, "vendor-error-in-stream", |stream| {
        stream.error_event != ErrorEvent::None
    }),
    (SimulatedFault::NoMessageStop, "no-message-stop", |stream| stream.ending != StreamEnding::FinishReason),
    (SimulatedFault::NoFinishReason, "no-finish-reason", |stream| {
        stream.ending == StreamEnding::FinishReason
    }),
    (SimulatedFault::SafetyStop, "safety-stop", |stream| stream.has_filter_finish_reason),
    (SimulatedFault::Stall, "stall", |_| true),
];

impl SimulatedFault {
    pub fn from_name(name: &str) -> Option<Self> {
        FAULT_TABLE.iter().find(|(_, known, _)| *known == name).map(|(fault, ..)| *fault)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        FAULT_TABLE.iter().map(|(_, name, _)| *name)
    }

    /// Why the fault is not possible with this dialect or mode; `None` if it is possible.
    pub(super) fn unsupported_reason(self, dialect: Dialect, stream: bool) -> Option<String> {
        let (_, name, is_possible) = FAULT_TABLE.iter().find(|(fault, ..)| *fault == self)?;
        if !is_possible(&dialect.stream) {
            let possible = Dialect::all().filter(|dialect| is_possible(&dialect.stream));
            let supported: Vec<&str> = possible.map(Dialect::as_str).collect();
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
        let refusal = SimulatedFault::NoDone.unsupported_reason(Dialect::named("gemini"), true).unwrap();
        assert_eq!(refusal, "fault `no-done` is not possible with gemini, only with openai-chat, cohere");
        assert_eq!(SimulatedFault::NoDone.unsupported_reason(Dialect::named("cohere"), true), None);
        assert!(
            SimulatedFault::NoDone
                .unsupported_reason(Dialect::named("cohere"), false)
                .unwrap()
                .contains("needs a streaming request")
        );
        assert_eq!(SimulatedFault::Cut.unsupported_reason(Dialect::named("ollama"), false), None);
    }
}
