//! Why an answer ended.

/// Why the model stopped. Every one of these is an answer; a stream that never says is a failure instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model came to its end, or to a stop text.
    Stop,
    /// The output limit, or the window, was reached.
    Length,
    /// The model wants tools to be called.
    ToolCalls,
    /// A filter cut or blocked the answer.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The vendor wants the turn sent back to go on.
    Pause,
    /// The vendor says that the answer broke.
    Error,
    /// A reason that this version does not know; the vendor's word stays in the provider fields.
    Other,
}

impl FinishReason {
    /// Every reason that there is.
    pub const ALL: [Self; 8] = [
        Self::Stop,
        Self::Length,
        Self::ToolCalls,
        Self::ContentFilter,
        Self::Refusal,
        Self::Pause,
        Self::Error,
        Self::Other,
    ];

    /// The envelope's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}
