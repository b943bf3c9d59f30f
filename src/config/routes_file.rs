//! The types of `routes.yaml` as written. They avoid serde's `flatten` and `untagged`, which lose the
//! location of an error.

use serde::Deserialize;

use super::route_entry::DefaultsEntry;
use super::strategy_options::RouteWithOptions;
use super::yaml::{NameAndArgument, Spanned, SpannedMap};
use crate::chat::TokenCount;
use crate::dialect::Dialect;
use crate::provider::Hosting;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoutesFile {
    pub version: Spanned<u32>,
    #[serde(default)]
    pub defaults: DefaultsEntry,
    pub budget: Option<BudgetEntry>,
    pub on_breaker_open: Option<HookEntry>,
    #[serde(default)]
    pub providers: SpannedMap<ProviderEntry>,
    #[serde(default)]
    pub models: SpannedMap<ModelEntry>,
    #[serde(default)]
    pub aliases: SpannedMap<Spanned<String>>,
    #[serde(default)]
    pub routes: SpannedMap<RouteWithOptions>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderEntry {
    pub dialect: Option<Dialect>,
    pub dialects: Option<SpannedMap<Vec<String>>>,
    pub base_url: Option<Spanned<String>>,
    pub hosting: Option<Hosting>,
    #[serde(default)]
    pub allow_http: bool,
    pub api_key: Option<Spanned<ApiKeyEntry>>,
    pub auth: Option<NameAndArgument>,
    #[serde(default)]
    pub headers: SpannedMap<Spanned<String>>,
    #[serde(default)]
    pub query: SpannedMap<Spanned<String>>,
    pub region: Option<Spanned<String>>,
    pub project: Option<Spanned<String>>,
    pub resource: Option<Spanned<String>>,
    pub account: Option<Spanned<String>>,
    pub api_version: Option<Spanned<String>>,
    pub limits: Option<LimitsEntry>,
    pub quirks: Option<Spanned<serde_json::Value>>,
}

/// Exactly one field must be set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyEntry {
    pub env: Option<Spanned<String>>,
    pub file: Option<Spanned<String>>,
    pub command: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelEntry {
    pub context_tokens: Option<TokenCount>,
    pub max_output_tokens: Option<TokenCount>,
    pub price: Option<PriceEntry>,
    pub supports: Option<Vec<Spanned<String>>>,
    pub efforts: Option<Vec<Spanned<String>>>,
    pub refuses: Option<Vec<Spanned<String>>>,
}

/// USD per million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceEntry {
    pub input: Option<Spanned<f64>>,
    pub cached_input: Option<Spanned<f64>>,
    pub cache_write: Option<Spanned<f64>>,
    pub cache_write_1h: Option<Spanned<f64>>,
    pub output: Option<Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsEntry {
    pub concurrency: Option<Spanned<u32>>,
    pub requests_per_minute: Option<Spanned<u32>>,
    pub tokens_per_minute: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetEntry {
    /// A string, to keep the decimal exact.
    pub daily_usd: Spanned<String>,
    #[serde(default)]
    pub on_exceeded: ExceededKeyword,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExceededKeyword {
    #[default]
    Stop,
    Warn,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookEntry {
    pub command: Spanned<Vec<Spanned<String>>>,
}
