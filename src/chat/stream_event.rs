//! What a decoder says while an answer arrives.

use serde_json::Value;

use super::{Citation, FinishReason, Usage};

/// One step of an answer. A stream is a success only once it has yielded [`Event::Finish`] and its decoder has
/// agreed to the end.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The vendor begins the message anew: what came before is not part of the answer.
    MessageRestart,
    /// The model that the vendor says it serves.
    ServedModel(String),
    /// More text of the answer.
    TextDelta(String),
    /// More reasoning.
    ReasoningDelta(String),
    /// The vendor's state of the thoughts that came last; without thoughts before it, a part of its own.
    ReasoningState(Value),
    /// A part of the answer that only this vendor has, whole, as it must go back on the next turn.
    ProviderSpecific(Value),
    /// Where something in the text comes from.
    Citation(Citation),
    /// A tool call begins; its arguments follow.
    ToolCallStart {
        /// Which call of the answer, in order of first sight.
        index: usize,
        /// The vendor's id of the call; empty where it gives none.
        id: String,
        /// The tool's name.
        name: String,
    },
    /// More of a tool call's arguments, a piece of JSON text.
    ToolCallDelta {
        /// Which call of the answer.
        index: usize,
        /// The piece.
        arguments_delta: String,
    },
    /// Token counts; later ones replace earlier ones field by field.
    Usage(Usage),
    /// A vendor's field worth keeping that the contract has no place for.
    ProviderField {
        /// The vendor's name for it.
        name: &'static str,
        /// Its value.
        value: Value,
    },
    /// A field or word that this version does not know, or misses, by its path.
    UnexpectedField(String),
    /// The dialect's terminal event.
    Finish(FinishReason),
}

impl StreamEvent {
    /// Whether this is content: what stops the wait for the first token and resets the idle timer.
    pub fn is_content(&self) -> bool {
        match self {
            Self::TextDelta(text) | Self::ReasoningDelta(text) => !text.is_empty(),
            Self::ToolCallStart { .. } => true,
            Self::ToolCallDelta { arguments_delta: piece, .. } => !piece.is_empty(),
            _ => false,
        }
    }
}
