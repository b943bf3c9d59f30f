//! A route: a named policy over its candidates.

use std::path::PathBuf;
use std::time::Duration;

use super::Candidate;
use crate::catalog::{Capability, NanoDollars};

/// A named policy and the models that it may use, in order.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name; `None` for one model named directly.
    pub name: Option<String>,
    /// The candidates, best first.
    pub candidates: Vec<Candidate>,
    /// How failures are met.
    pub policy: RoutePolicy,
}

impl Route {
    /// Under which name it is kept what its answers are like: its own, or that of the one model named directly.
    pub(super) fn stats_key(&self) -> String {
        match (&self.name, self.candidates.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(candidate)) => candidate.model_ref.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// How candidates are ordered, what they must offer, and how failures are met.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePolicy {
    /// How candidates are ordered.
    pub strategy: Strategy,
    /// What every candidate must offer.
    pub requirements: CandidateRequirements,
    /// Timers of the call and of each attempt.
    pub timeouts: CallTimeouts,
    /// Again on the same candidate.
    pub retry: RetryPolicy,
    /// When a shown answer breaks off.
    pub on_midstream: StopOrContinue,
    /// When a filter refuses.
    pub on_content_policy: StopOrContinue,
    /// When the request itself is refused.
    pub on_bad_request: StopOrContinue,
    /// When nobody can say what happened.
    pub on_unknown: StopOrContinue,
    /// When the model that began a conversation cannot go on with it.
    pub on_conversation: StopOrContinue,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
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

/// How candidates are ordered.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Strategy {
    /// As they are written.
    #[default]
    Priority,
    /// By the expected cost of the request, least first.
    Cheapest,
    /// By the expected time until the last token, least first.
    Fastest,
    /// By the weighed sum of the logarithms of each figure's ratio to the best one.
    Balanced(BalanceWeights),
    /// By chance, in proportion to the candidates' weights; a caller with the same key gets the same order.
    Weighted {
        /// The variable of the prompt that makes the key; by chance for each call without one.
        sticky_by: Option<String>,
    },
}

impl Strategy {
    /// Whether the order hangs on what a request costs, so that nobody can take part whose price is unknown.
    pub fn is_cost_based(&self) -> bool {
        match self {
            Self::Cheapest => true,
            Self::Balanced(weigh) => weigh.cost > 0.0,
            Self::Priority | Self::Fastest | Self::Weighted { .. } => false,
        }
    }

    /// The word for it in `routes.yaml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
            Self::Balanced(_) => "balanced",
            Self::Weighted { .. } => "weighted",
        }
    }
}

/// How much each figure counts for [`Strategy::Balanced`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BalanceWeights {
    /// The expected cost.
    pub cost: f64,
    /// The expected time until the last token.
    pub latency: f64,
    /// The share of calls that succeed.
    pub reliability: f64,
}

impl Default for BalanceWeights {
    fn default() -> Self {
        Self { cost: 1.0, latency: 1.0, reliability: 1.0 }
    }
}

/// What every candidate must offer to be tried at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateRequirements {
    /// What the model must be known to take.
    pub capabilities: Vec<Capability>,
    /// How well it must have done on a golden set.
    pub quality: Option<QualityFloor>,
    /// What the request may be expected to cost.
    pub max_cost: Option<NanoDollars>,
    /// How long its answers may typically take, where that was measured.
    pub max_p50: Option<Duration>,
}

/// How well a candidate must have done on a golden set.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityFloor {
    /// The set's file.
    pub set: PathBuf,
    /// The set's digest: a score from before a change of the set says nothing of it.
    pub digest: String,
    /// The least share of scored cases that passed, between 0 and 1.
    pub min_pass_rate: f64,
    /// How old its newest run may be; any age without one.
    pub max_age: Option<Duration>,
    /// What becomes of a candidate that was never measured, or too long ago.
    pub on_missing: OnMissingPassRate,
}

/// What becomes of a candidate without a fresh score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissingPassRate {
    /// It is used, with a warning.
    Warn,
    /// It is left out.
    Skip,
}

/// For which requests a candidate is there. One that is not set matches every request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateConditions {
    /// About that many tokens go in at most.
    pub max_input_tokens: Option<u64>,
    /// About that many tokens go in at least.
    pub min_input_tokens: Option<u64>,
    /// The caller's label.
    pub label: Option<String>,
    /// Whether tools are offered.
    pub tools: Option<bool>,
    /// Whether a picture or a document is attached.
    pub attachments: Option<bool>,
    /// Whether an answer under a schema is asked for.
    pub schema: Option<bool>,
}

/// What to do where both ways make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrContinue {
    /// End the call.
    Stop,
    /// Fail over; for an answer that broke off while it was shown: begin anew.
    Continue,
}

/// Timers of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTimeouts {
    /// Until the first content of the whole call; no attempt starts after it.
    pub deadline: Duration,
    /// Until the first content of one attempt; `None` leaves it to the kind of model.
    pub first_token: Option<Duration>,
    /// Between two pieces of content.
    pub idle: Duration,
}

impl Default for CallTimeouts {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(120), first_token: None, idle: Duration::from_secs(30) }
    }
}

/// Retries on the same candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts may come after a candidate's first one; 0 turns retries off.
    pub retries: u32,
    /// When they come.
    pub when: RetryWhen,
    /// The first back-off's upper end.
    pub base: Duration,
    /// No back-off is longer.
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

/// When a candidate is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryWhen {
    /// Only when no other candidate is ready.
    Alone,
    /// Before failing over: the same model or none.
    First,
}
