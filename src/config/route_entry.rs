//! Routes and `defaults` as written in `routes.yaml`.

use serde::{Deserialize, Deserializer};

use super::yaml::{Spanned, StringOrMap};
use crate::chat::TokenCount;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DefaultsEntry {
    pub route: Option<Spanned<String>>,
    pub deadline: Option<Spanned<String>>,
    pub timeouts: TimeoutsEntry,
    pub retry: RetryEntry,
    pub on_midstream: Option<OnMidstream>,
    pub on_content_policy: Option<OnFailure>,
    pub on_bad_request: Option<OnFailure>,
    pub on_unknown: Option<OnFailure>,
    pub on_conversation: Option<OnConversation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimeoutsEntry {
    pub connect: Option<Spanned<String>>,
    pub first_token: Option<Spanned<String>>,
    pub idle: Option<Spanned<String>>,
}

/// The keys of a route, without the options of strategies (`strategy_options`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub description: Option<String>,
    #[serde(default, deserialize_with = "deserialize_set_value")]
    pub strategy: Option<Spanned<String>>,
    pub candidates: Spanned<Vec<Spanned<StringOrMap<CandidateEntry>>>>,
    #[serde(default)]
    pub requires: Vec<Spanned<String>>,
    pub quality: Option<QualityEntry>,
    /// A string, to keep the decimal exact.
    pub max_cost_usd: Option<Spanned<String>>,
    pub max_p50_ms: Option<Spanned<u64>>,
    pub deadline: Option<Spanned<String>>,
    #[serde(default)]
    pub timeouts: TimeoutsEntry,
    #[serde(default)]
    pub retry: RetryEntry,
    pub on_midstream: Option<OnMidstream>,
    pub on_content_policy: Option<OnFailure>,
    pub on_bad_request: Option<OnFailure>,
    pub on_unknown: Option<OnFailure>,
    pub on_conversation: Option<OnConversation>,
}

/// A key that may be absent but not empty.
fn deserialize_set_value<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Spanned<String>>, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

/// The map form of a candidate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CandidateEntry {
    pub model: Spanned<String>,
    pub weight: Option<Spanned<f64>>,
    pub when: Option<Spanned<WhenEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenEntry {
    pub max_input_tokens: Option<Spanned<TokenCount>>,
    pub min_input_tokens: Option<Spanned<TokenCount>>,
    pub label: Option<Spanned<String>>,
    pub tools: Option<bool>,
    pub attachments: Option<bool>,
    pub schema: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QualityEntry {
    pub set: Spanned<String>,
    pub min_pass_rate: Spanned<f64>,
    pub max_age: Option<Spanned<String>>,
    #[serde(default)]
    pub missing: MissingScoreKeyword,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MissingScoreKeyword {
    #[default]
    Warn,
    Skip,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryEntry {
    pub retries: Option<Spanned<u32>>,
    pub when: Option<Spanned<RetryWhenKeyword>>,
    pub base: Option<Spanned<String>>,
    pub cap: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RetryWhenKeyword {
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
