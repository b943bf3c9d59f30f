//! Why an exchange gave no answer.

use std::fmt;
use std::time::Duration;

use super::sanitize_message;

/// The classes that failures fall into. The class alone decides about retry, failover and health; nobody above the
/// dialects looks at a status number or a vendor's string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// No connection, or it ended before the headers.
    Unreachable,
    /// The provider broke or is overloaded.
    ServerError,
    /// A timer of ours, or the provider's own.
    Timeout,
    /// Too many requests or tokens for now.
    RateLimited,
    /// Paid-for capacity is used up: waiting does not help.
    QuotaExhausted,
    /// The key is missing, wrong or not allowed.
    Auth,
    /// The model is gone, unknown, or not for this key or region.
    ModelUnavailable,
    /// The prompt is larger than the model's window.
    ContextOverflow,
    /// A filter refused the prompt or the answer, as an error.
    ContentPolicy,
    /// The request itself is wrong: another candidate would refuse it too.
    BadRequest,
    /// A 200 that is not what the dialect says.
    Malformed,
    /// A stream that ended without the dialect's terminal event.
    Truncated,
    /// A 200 with nothing in it and no reason for that.
    Empty,
    /// The caller went away.
    Cancelled,
    /// The rest.
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

    /// The envelope's word for it.
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

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePhase {
    /// Before the connection stood.
    Connect,
    /// Waiting for the first content.
    FirstToken,
    /// Waiting for more content.
    Idle,
    /// The whole exchange took too long.
    Total,
    /// The provider's answer itself says so, or cannot be read.
    Body,
}

/// An exchange that gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// How far the exchange had come.
    pub phase: FailurePhase,
    /// The HTTP status, where there was one that says so.
    pub status: Option<u16>,
    /// The provider's own code.
    pub provider_code: Option<String>,
    /// What happened; at most 500 characters, without keys or control characters.
    pub message: String,
    /// The provider's id of the request, for a support ticket.
    pub request_id: Option<String>,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The provider says that the model is gone for good.
    pub is_model_retired: bool,
    /// What the provider says about retrying, where it says so outright (`x-should-retry`).
    pub should_retry: Option<bool>,
}

impl Failure {
    /// A failure with a cleaned message and nothing else known.
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

    /// The same failure with the provider's code.
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
