use std::path::PathBuf;
use std::time::Duration;

use super::strategy::RouteStrategy;
use crate::catalog::Capability;
use crate::chat::{NanoDollars, TokenCount};

#[derive(Clone, Debug, PartialEq)]
pub struct RoutePolicy {
    pub strategy: RouteStrategy,
    pub requirements: CandidateRequirements,
    pub timeouts: CallTimeouts,
    pub retry: RetryPolicy,
    /// When the stream breaks after text was shown.
    pub on_midstream: StopOrContinue,
    /// When a content filter refuses the request or the answer.
    pub on_content_policy: StopOrContinue,
    pub on_bad_request: StopOrContinue,
    pub on_unknown: StopOrContinue,
    /// When the model that gave the conversation's last answer cannot answer.
    pub on_conversation: StopOrContinue,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            strategy: RouteStrategy::default(),
            requirements: CandidateRequirements::default(),
            timeouts: CallTimeouts::default(),
            retry: RetryPolicy::default(),
            on_midstream: StopOrContinue::Stop,
            on_content_policy: StopOrContinue::Stop,
            on_bad_request: StopOrContinue::Stop,
            on_unknown: StopOrContinue::Continue,
            on_conversation: StopOrContinue::Stop,
        }
    }
}

/// What every candidate must meet to be tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateRequirements {
    pub capabilities: Vec<Capability>,
    pub quality: Option<QualityFloor>,
    /// Maximum expected cost of the request.
    pub max_cost: Option<NanoDollars>,
    /// Maximum typical latency; candidates without enough measurements pass.
    pub max_p50: Option<Duration>,
}

/// Minimum pass rate on a golden set.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityFloor {
    pub set: PathBuf,
    /// Digest of the set; scores for another digest do not count.
    pub digest: String,
    /// Share of scored cases that must pass, 0 to 1.
    pub min_pass_rate: f64,
    /// Maximum age of the latest run; `None` for any age.
    pub max_age: Option<Duration>,
    pub on_missing: OnMissingPassRate,
}

/// What happens to a candidate without a current score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissingPassRate {
    /// Use it, with a warning.
    Warn,
    Skip,
}

/// Which requests a candidate is used for. A condition that is not set matches every request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateConditions {
    /// Compared with the estimated input tokens.
    pub max_input_tokens: Option<TokenCount>,
    /// Compared with the estimated input tokens.
    pub min_input_tokens: Option<TokenCount>,
    pub label: Option<String>,
    /// Whether the request offers tools.
    pub tools: Option<bool>,
    /// Whether an image or a document is attached.
    pub attachments: Option<bool>,
    /// Whether the request asks for structured output.
    pub schema: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrContinue {
    Stop,
    /// Fail over; if part of the answer was already shown, start it over.
    Continue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTimeouts {
    /// Until the first content of the whole call; no attempt starts after it.
    pub deadline: Duration,
    /// Until the first content of one attempt; `None` uses a default for the kind of model.
    pub first_token: Option<Duration>,
    /// Between two pieces of content.
    pub idle: Duration,
}

impl Default for CallTimeouts {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(120), first_token: None, idle: Duration::from_secs(30) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum attempts at a candidate after its first one; 0 disables retries.
    pub retries: u32,
    pub when: RetryWhen,
    /// Upper bound of the first backoff delay.
    pub base: Duration,
    /// Upper bound of every backoff delay.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 1,
            when: RetryWhen::Alone,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(8),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryWhen {
    /// Only if no other candidate is available.
    Alone,
    /// Before failing over.
    First,
}
