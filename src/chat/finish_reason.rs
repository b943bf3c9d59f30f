/// Why the model stopped. With any of these the response is complete; a stream that ends without one is a
/// failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model finished, or a stop sequence matched.
    Stop,
    /// The output limit or the context window was reached.
    Length,
    ToolCalls,
    /// A content filter cut or blocked the response.
    ContentFilter,
    Refusal,
    /// The provider expects the message back to continue it.
    Pause,
    /// The provider reports that the response broke.
    Error,
    /// A reason that this version does not know. The provider's value is kept in the provider fields.
    Other,
}

impl FinishReason {
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

    /// The reason as written in JSON output.
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
