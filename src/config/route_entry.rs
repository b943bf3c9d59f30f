//! A route as it is written in `routes.yaml`, and what `defaults` may say for all routes.

use serde::Deserialize;

use super::yaml::{Located, WordOr};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Defaults {
    pub route: Option<Located<String>>,
    pub deadline: Option<Located<String>>,
    pub timeouts: Timeouts,
    pub retry: RetryEntry,
    pub on_midstream: Option<OnMidstream>,
    pub on_content_policy: Option<OnFailure>,
    pub on_bad_request: Option<OnFailure>,
    pub on_unknown: Option<OnFailure>,
    pub on_conversation: Option<OnConversation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Timeouts {
    pub connect: Option<Located<String>>,
    pub first_token: Option<Located<String>>,
    pub idle: Option<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub description: Option<String>,
    #[serde(default)]
    pub strategy: StrategyWord,
    pub weigh: Option<Located<WeighEntry>>,
    pub sticky_by: Option<Located<String>>,
    pub candidates: Located<Vec<Located<WordOr<CandidateEntry>>>>,
    #[serde(default)]
    pub requires: Vec<Located<String>>,
    pub quality: Option<QualityEntry>,
    /// Text, so that the decimal is exact.
    pub max_cost_usd: Option<Located<String>>,
    pub max_p50_ms: Option<Located<u64>>,
    pub deadline: Option<Located<String>>,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub retry: RetryEntry,
    pub on_midstream: Option<OnMidstream>,
    pub on_content_policy: Option<OnFailure>,
    pub on_bad_request: Option<OnFailure>,
    pub on_unknown: Option<OnFailure>,
    pub on_conversation: Option<OnConversation>,
}

/// How candidates are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StrategyWord {
    #[default]
    Priority,
    Cheapest,
    Fastest,
    Balanced,
    Weighted,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeighEntry {
    pub cost: Option<Located<f64>>,
    pub latency: Option<Located<f64>>,
    pub reliability: Option<Located<f64>>,
}

/// The long form of a candidate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CandidateEntry {
    pub model: Located<String>,
    pub weight: Option<Located<f64>>,
    pub when: Option<Located<WhenEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenEntry {
    pub max_input_tokens: Option<Located<u64>>,
    pub min_input_tokens: Option<Located<u64>>,
    pub label: Option<Located<String>>,
    pub tools: Option<bool>,
    pub attachments: Option<bool>,
    pub schema: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QualityEntry {
    pub set: Located<String>,
    pub min_pass_rate: Located<f64>,
    pub max_age: Option<Located<String>>,
    #[serde(default)]
    pub missing: MissingWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MissingWord {
    #[default]
    Warn,
    Skip,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryEntry {
    pub retries: Option<Located<u32>>,
    pub when: Option<Located<RetryWord>>,
    pub base: Option<Located<String>>,
    pub cap: Option<Located<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RetryWord {
    Alone,
    First,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnFailure {
    Stop,
    Failover,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnMidstream {
    Stop,
    Restart,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnConversation {
    Stay,
    Failover,
}
