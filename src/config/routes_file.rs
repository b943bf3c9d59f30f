//! `routes.yaml` as it is written. No `flatten`, no `untagged`: these lose the place of an error.

use serde::Deserialize;

use super::route_entry::{Defaults, RouteEntry};
use super::yaml::{Entries, Located, ScalarOrMap};
use crate::dialect::Dialect;
use crate::provider::Hosting;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutesFile {
    pub version: Located<u32>,
    #[serde(default)]
    pub defaults: Defaults,
    pub budget: Option<BudgetEntry>,
    pub on_breaker_open: Option<HookEntry>,
    #[serde(default)]
    pub providers: Entries<ProviderEntry>,
    #[serde(default)]
    pub models: Entries<ModelEntry>,
    #[serde(default)]
    pub aliases: Entries<Located<String>>,
    #[serde(default)]
    pub routes: Entries<RouteEntry>,
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
    pub limits: Option<LimitsEntry>,
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

/// How much of a provider may be used at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsEntry {
    pub concurrency: Option<Located<u32>>,
    pub requests_per_minute: Option<Located<u32>>,
    pub tokens_per_minute: Option<Located<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetEntry {
    /// Text, so that the decimal is exact.
    pub daily_usd: Located<String>,
    #[serde(default)]
    pub on_exceeded: ExceededWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExceededWord {
    #[default]
    Stop,
    Warn,
}

/// What is run when something happens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookEntry {
    pub command: Located<Vec<Located<String>>>,
}
