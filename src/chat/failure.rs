//! Why an exchange gave no response.

use std::fmt;
use std::time::Duration;

use super::sanitize_message;

/// The classes of failures. The class alone determines retry, failover, and health; no module above `dialect`
/// looks at a status code or a provider's error string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No connection, or the connection closed before the headers.
    Unreachable,
    ServerError,
    /// Our timeout or the provider's.
    Timeout,
    /// The rate limit for requests or tokens is reached for now.
    RateLimited,
    /// Credit or quota is used up, so waiting does not help.
    QuotaExhausted,
    /// The API key is missing, invalid, or lacks permission.
    Auth,
    /// The model is retired, unknown, or not available for this key or region.
    ModelUnavailable,
    /// The prompt exceeds the model's context window.
    ContextOverflow,
    /// A content filter rejected the prompt or the response with an error.
    ContentPolicy,
    /// The request itself is invalid, so another candidate would reject it too.
    BadRequest,
    /// A 200 response whose body does not match the dialect.
    Malformed,
    /// The stream ended without the dialect's terminal event.
    Truncated,
    /// A 200 response without content and without a finish reason that explains it.
    Empty,
    /// The caller canceled the call.
    Cancelled,
    Unknown,
}

impl FailureClass {
    /// Every class, in the order of the table in docs/architecture.md.
    pub const ALL: [Self; 15] = [
        Self::Unreachable,
        Self::ServerError,
        Self::Timeout,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Auth,
        Self::ModelUnavailable,
        Self::ContextOverflow,
        Self::ContentPolicy,
        Self::BadRequest,
        Self::Malformed,
        Self::Truncated,
        Self::Empty,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The class as written in JSON output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Auth => "auth",
            Self::ModelUnavailable => "model_unavailable",
            Self::ContextOverflow => "context_overflow",
            Self::ContentPolicy => "content_policy",
            Self::BadRequest => "bad_request",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far an exchange had progressed when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePhase {
    /// Before the connection was established.
    Connect,
    /// Waiting for the first content.
    FirstToken,
    /// Waiting for more content.
    Idle,
    /// The deadline for the whole exchange passed.
    Total,
    /// The provider's response reports the failure or cannot be parsed.
    Body,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub class: FailureClass,
    pub phase: FailurePhase,
    /// `None` without an HTTP response, and for an error inside a stream that names no status.
    pub status: Option<u16>,
    pub provider_code: Option<String>,
    /// At most 500 characters, without API keys or control characters.
    pub message: String,
    /// The provider's request ID, for support tickets.
    pub request_id: Option<String>,
    /// How long the provider asks clients to wait.
    pub retry_after: Option<Duration>,
    /// The provider reports that the model is permanently gone.
    pub is_model_retired: bool,
    /// The provider's explicit instruction about retrying (`x-should-retry`), if any.
    pub should_retry: Option<bool>,
}

impl Failure {
    /// Creates a failure with a sanitized message and no other details.
    pub fn new(class: FailureClass, phase: FailurePhase, message: impl AsRef<str>) -> Self {
        Self {
            class,
            phase,
            status: None,
            provider_code: None,
            message: sanitize_message(message.as_ref()),
            request_id: None,
            retry_after: None,
            is_model_retired: false,
            should_retry: None,
        }
    }

    #[must_use]
    pub fn with_code(mut self, code: impl AsRef<str>) -> Self {
        self.provider_code = Some(sanitize_message(code.as_ref()));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.class)?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
