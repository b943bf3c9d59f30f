use serde_json::Value;

use super::{Citation, FinishReason, Usage};

/// One step of a response as a decoder emits it. A stream is successful only after [`StreamEvent::Finish`]
/// and a successful `finish` of its decoder.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The provider restarts the message. Discard the content received so far.
    MessageRestart,
    /// The model that serves the response, as reported by the provider.
    ServedModel(String),
    TextDelta(String),
    ReasoningDelta(String),
    /// The provider's state of the preceding reasoning. Without preceding reasoning, it is a part of its own.
    ReasoningState(Value),
    /// A complete part that only this provider has, to be sent back verbatim with the next request.
    ProviderSpecific(Value),
    Citation(Citation),
    /// A tool call starts. Its arguments follow.
    ToolCallStart {
        /// Position among the response's tool calls, in order of first appearance.
        index: usize,
        /// The provider's ID for the call; empty if it gives none.
        id: String,
        name: String,
    },
    /// A fragment of a tool call's arguments as JSON text.
    ToolCallDelta {
        index: usize,
        arguments_delta: String,
    },
    /// Later counts replace earlier ones field by field.
    Usage(Usage),
    /// A provider field worth keeping that [`Response`](super::Response) has no field for.
    ProviderField {
        /// The provider's name for the field.
        name: &'static str,
        value: Value,
    },
    /// Path of an unknown field or value, or of an expected field that is missing.
    UnexpectedField(String),
    /// The dialect's terminal event.
    Finish(FinishReason),
}

impl StreamEvent {
    /// Whether the event carries content, which ends the wait for the first token and resets the idle timer.
    pub fn is_content(&self) -> bool {
        match self {
            Self::TextDelta(text) | Self::ReasoningDelta(text) => !text.is_empty(),
            Self::ToolCallStart { .. } => true,
            Self::ToolCallDelta { arguments_delta: piece, .. } => !piece.is_empty(),
            _ => false,
        }
    }
}
