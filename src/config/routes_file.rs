//! `routes.yaml` as it is written. No `flatten`, no `untagged`: these lose the place of an error.

use serde::Deserialize;

use super::yaml::{Entries, Located, ScalarOrMap};
use crate::dialect::Dialect;
use crate::provider::Hosting;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutesFile {
    pub version: Located<u32>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub providers: Entries<ProviderEntry>,
    #[serde(default)]
    pub models: Entries<ModelEntry>,
    #[serde(default)]
    pub aliases: Entries<Located<String>>,
    #[serde(default)]
    pub routes: Entries<RouteEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Defaults {
    pub route: Option<Located<String>>,
    pub deadline: Option<Located<String>>,
    pub timeouts: Timeouts,
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
pub(super) struct ProviderEntry {
    pub dialect: Option<Dialect>,
    pub dialects: Option<Entries<Vec<String>>>,
    pub base_url: Option<Located<String>>,
    pub hosting: Option<Hosting>,
    #[serde(default)]
    pub allow_http: bool,
    pub api_key: Option<Located<ApiKey>>,
    pub auth: Option<ScalarOrMap>,
    #[serde(default)]
    pub headers: Entries<Located<String>>,
    #[serde(default)]
    pub query: Entries<Located<String>>,
    pub region: Option<Located<String>>,
    pub project: Option<Located<String>>,
    pub resource: Option<Located<String>>,
    pub account: Option<Located<String>>,
    pub api_version: Option<Located<String>>,
    pub quirks: Option<Located<serde_json::Value>>,
}

/// One of the three.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKey {
    pub env: Option<Located<String>>,
    pub file: Option<Located<String>>,
    pub command: Option<Located<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub context_tokens: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub price: Option<PriceEntry>,
    pub supports: Option<Vec<Located<String>>>,
    pub efforts: Option<Vec<Located<String>>>,
    pub refuses: Option<Vec<Located<String>>>,
}

/// Dollars per million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceEntry {
    pub input: Option<Located<f64>>,
    pub cached_input: Option<Located<f64>>,
    pub cache_write: Option<Located<f64>>,
    pub cache_write_1h: Option<Located<f64>>,
    pub output: Option<Located<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub description: Option<String>,
    #[serde(default)]
    pub strategy: Strategy,
    pub candidates: Located<Vec<Located<String>>>,
    pub deadline: Option<Located<String>>,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub retry: RetryEntry,
    pub on_midstream: Option<OnMidstream>,
    pub on_content_policy: Option<OnFailure>,
    pub on_bad_request: Option<OnFailure>,
    pub on_unknown: Option<OnFailure>,
}

/// How candidates are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strategy {
    /// As they are written.
    #[default]
    Priority,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryEntry {
    pub retries: Option<Located<u32>>,
    pub when: Option<When>,
    pub base: Option<Located<String>>,
    pub cap: Option<Located<String>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum When {
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
