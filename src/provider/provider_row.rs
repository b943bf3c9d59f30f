//! Providers as rows of data.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Error as _;

use super::KeySource;
use super::glob::glob_matches;
use super::signer::SharedSigner;
use crate::chat::TokenCount;
use crate::dialect::{Dialect, Quirks};

/// A company or server with a base URL and credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name in a model reference.
    pub name: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub dialect: Dialect,
    /// Models, by glob, that use another dialect of the same host.
    #[serde(default, deserialize_with = "deserialize_dialects")]
    pub dialects: Vec<(Dialect, Vec<String>)>,
    /// The prefix of the dialect's paths. May contain `{region}` and other settings.
    pub base_url: String,
    /// Base URLs of regions that do not follow the template.
    #[serde(default)]
    pub base_url_by_region: BTreeMap<String, String>,
    /// The variable that overrides the base URL in the vendor's SDK.
    #[serde(default)]
    pub base_url_variable: Option<BaseUrlVariable>,
    #[serde(default)]
    pub hosting: Hosting,
    /// Variables for each setting; the first one set wins.
    #[serde(default)]
    pub setting_variables: BTreeMap<String, Vec<String>>,
    /// Settings from `routes.yaml`: `region`, `project`, `resource`, `account`, `api_version`.
    #[serde(skip)]
    pub settings: BTreeMap<String, String>,
    /// Sent in addition to the dialect's headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Sent in addition to the dialect's parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Variables for the key; the first one set wins.
    #[serde(default)]
    pub key_variables: Vec<String>,
    /// Variables for a token, sent as `Authorization: Bearer` regardless of `auth`. Checked after the key's
    /// variables and before signing.
    #[serde(default)]
    pub bearer_variables: Vec<String>,
    /// A key source from `routes.yaml`; replaces the variables.
    #[serde(skip)]
    pub key_source: Option<KeySource>,
    #[serde(default)]
    pub key_optional: bool,
    #[serde(default)]
    pub auth: AuthScheme,
    /// Whether the key may be sent over plain HTTP to a host that is not loopback.
    #[serde(default)]
    pub allow_http: bool,
    #[serde(default)]
    pub quirks: Quirks,
    #[serde(default)]
    pub simulated: bool,
    #[serde(skip)]
    pub limits: ProviderLimits,
    /// Why it cannot be used until its `routes.yaml` is trusted; `None` if trusted.
    #[serde(skip)]
    pub untrusted_reason: Option<String>,
    /// Shared by all models of the provider.
    #[serde(skip)]
    pub signer: SharedSigner,
}

/// Limits shared by all processes that use the same ledger. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Calls in flight.
    pub concurrency: Option<u32>,
    pub requests_per_minute: Option<u32>,
    /// Input and output tokens, as estimated before each call.
    pub tokens_per_minute: Option<TokenCount>,
}

/// A variable for the base URL, as the vendor's SDK reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseUrlVariable {
    pub name: String,
    /// Path that the SDK appends and that this program's base URL includes.
    #[serde(default)]
    pub completed_by: String,
    /// The port to use if the value is a host without one.
    #[serde(default)]
    pub default_port: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthScheme {
    #[default]
    Bearer,
    /// The name of a header that contains only the key.
    Header(String),
    /// The name of a query parameter.
    Query(String),
    None,
    /// AWS Signature Version 4; a key, if there is one, is sent as a bearer token instead.
    Sigv4,
    /// A Google Cloud access token; a key, if there is one, is sent as a bearer token instead.
    Google,
}

impl AuthScheme {
    /// Whether requests need cloud credentials.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Sigv4 | Self::Google)
    }
}

/// How a host's URLs differ from the dialect's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hosting {
    /// The dialect's path follows the base URL.
    #[default]
    Direct,
    /// Azure: `/openai/v1`, or `/openai/deployments/{model}` if the API version is a date.
    Azure,
    /// Vertex AI: `/publishers/{publisher}`, with Anthropic's models named in the path.
    Vertex,
}

const AWS_KEY_VARIABLES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl Provider {
    /// A custom provider, with defaults for everything optional.
    pub fn new(
        name: impl Into<String>,
        dialect: Dialect,
        base_url: impl Into<String>,
        auth: AuthScheme,
    ) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            dialect,
            dialects: Vec::new(),
            base_url: base_url.into(),
            base_url_by_region: BTreeMap::new(),
            base_url_variable: None,
            hosting: Hosting::Direct,
            setting_variables: BTreeMap::new(),
            settings: BTreeMap::new(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            key_variables: Vec::new(),
            bearer_variables: Vec::new(),
            key_source: None,
            key_optional: false,
            auth,
            allow_http: false,
            quirks: Quirks::default(),
            simulated: false,
            limits: ProviderLimits::default(),
            untrusted_reason: None,
            signer: SharedSigner::default(),
        }
    }

    pub fn is_key_required(&self) -> bool {
        self.auth != AuthScheme::None && !self.key_optional
    }

    /// Whether a key, token, or signature of the user may be sent to it.
    pub fn can_send_key(&self) -> bool {
        let has_key_source =
            self.key_source.is_some() || !self.key_variables.is_empty() || !self.bearer_variables.is_empty();
        self.auth.is_signed() || (self.auth != AuthScheme::None && has_key_source)
    }

    /// The variables that hold its key or credentials.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let aws: &[&str] = if self.auth == AuthScheme::Sigv4 { &AWS_KEY_VARIABLES } else { &[] };
        let source = match &self.key_source {
            Some(KeySource::Variable(name)) => Some(name.as_str()),
            _ => None,
        };
        let configured = self.key_variables.iter().chain(&self.bearer_variables).map(String::as_str);
        configured.chain(source).chain(aws.iter().copied())
    }

    pub fn dialect_for_model(&self, model: &str) -> Dialect {
        let matches_model = |globs: &[String]| globs.iter().any(|glob| glob_matches(glob, model));
        self.dialects
            .iter()
            .find(|(_, globs)| matches_model(globs))
            .map_or(self.dialect, |(dialect, _)| *dialect)
    }
}

/// A map from dialects to globs that keeps its order.
fn deserialize_dialects<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Dialect, Vec<String>)>, D::Error> {
    let map: serde_json::Map<String, serde_json::Value> = Deserialize::deserialize(deserializer)?;
    let entry = |(name, globs): (String, serde_json::Value)| {
        let dialect = Dialect::from_name(&name);
        let dialect = dialect.ok_or_else(|| D::Error::custom(format!("unknown dialect `{name}`")))?;
        Ok((dialect, serde_json::from_value(globs).map_err(D::Error::custom)?))
    };
    map.into_iter().map(entry).collect()
}

/// The providers that need no configuration beyond a key.
///
/// # Errors
/// If the embedded table is invalid, which a test rules out.
pub fn built_in_providers() -> Result<Vec<Provider>, BuiltInProvidersError> {
    serde_json::from_str(include_str!("providers.json")).map_err(BuiltInProvidersError)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot parse the built-in providers: {0}")]
pub struct BuiltInProvidersError(serde_json::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_rows_are_valid() {
        let rows = built_in_providers().unwrap();
        assert!(rows.len() >= 15);
        let mut names = std::collections::HashSet::new();
        for row in rows {
            assert!(!row.is_key_required() || row.can_send_key(), "{}", row.name);
            assert!(!row.base_url.ends_with('/'), "{}", row.name);
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(names.insert(name.clone()), "duplicate {name}");
            }
        }
    }

    #[test]
    fn model_glob_selects_dialect() {
        let openai = built_in_providers().unwrap().into_iter().find(|p| p.name == "openai").unwrap();
        for (model, dialect) in [
            ("gpt-6-pro", Dialect::named("openai-responses")),
            ("gpt-5-pro-2025-10-06", Dialect::named("openai-responses")),
            ("gpt-5.1-codex-max", Dialect::named("openai-responses")),
            ("o3-deep-research", Dialect::named("openai-responses")),
            ("gpt-6", Dialect::named("openai-chat")),
            ("process", Dialect::named("openai-chat")),
        ] {
            assert_eq!(openai.dialect_for_model(model), dialect, "{model}");
        }
    }
}
