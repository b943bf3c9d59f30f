//! Providers as rows of data.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Error as _;

use super::KeySource;
use super::glob::glob_matches;
use super::signer::SharedSigner;
use crate::dialect::{Dialect, Quirks};

/// A company or server with a base URL and credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in a model ref.
    pub name: String,
    /// Other names that it goes by.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The wire format that it speaks.
    pub dialect: Dialect,
    /// Models, by glob, that speak another dialect of the same host.
    #[serde(default, deserialize_with = "deserialize_dialects")]
    pub dialects: Vec<(Dialect, Vec<String>)>,
    /// Where the dialect's path begins. May hold `{region}` and other settings.
    pub base_url: String,
    /// The base URL of regions that have one of another form.
    #[serde(default)]
    pub base_url_by_region: BTreeMap<String, String>,
    /// The variable by which the vendor's own SDK moves the base URL.
    #[serde(default)]
    pub base_url_variable: Option<BaseUrlVariable>,
    /// What the host's URLs have that the dialect does not know of.
    #[serde(default)]
    pub hosting: Hosting,
    /// Variables that may hold a setting, by its name; the first one set wins.
    #[serde(default)]
    pub setting_variables: BTreeMap<String, Vec<String>>,
    /// Settings that `routes.yaml` gives: `region`, `project`, `resource`, `account`, `api_version`.
    #[serde(skip)]
    pub settings: BTreeMap<String, String>,
    /// Headers beside the dialect's own.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters beside the dialect's own.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Variables that may hold the key, the first one set wins.
    #[serde(default)]
    pub key_variables: Vec<String>,
    /// Variables that may hold a token, which goes as `Authorization: Bearer` whatever `auth` says. They come after
    /// the key's, and before signing.
    #[serde(default)]
    pub bearer_variables: Vec<String>,
    /// A key that `routes.yaml` names in place of the usual variables.
    #[serde(skip)]
    pub key_source: Option<KeySource>,
    /// Whether it can be called without a key.
    #[serde(default)]
    pub key_optional: bool,
    /// How requests are authorised.
    #[serde(default)]
    pub auth: AuthScheme,
    /// Whether the key may go over plain HTTP to a host that is not loopback.
    #[serde(default)]
    pub allow_http: bool,
    /// What it does its own way.
    #[serde(default)]
    pub quirks: Quirks,
    /// Whether it is the simulator.
    #[serde(default)]
    pub simulated: bool,
    /// How much of it may be used at once.
    #[serde(skip)]
    pub limits: ProviderLimits,
    /// Why it may not be used until its `routes.yaml` is trusted; `None` when nothing is wrong.
    #[serde(skip)]
    pub untrusted_reason: Option<String>,
    /// What gets keys and tokens for it, once for all its models.
    #[serde(skip)]
    pub signer: SharedSigner,
}

/// How much of a provider may be used at once, by all processes that share a ledger. What is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderLimits {
    /// Calls in flight.
    pub concurrency: Option<u32>,
    /// Calls begun within any minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in and out within any minute, as estimated before each call.
    pub tokens_per_minute: Option<u64>,
}

/// A variable for a base URL, by its SDK's convention.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseUrlVariable {
    /// The variable's name.
    pub name: String,
    /// What the SDK appends and this product's base URL holds already.
    #[serde(default)]
    pub completed_by: String,
    /// The port where the value names a host without one.
    #[serde(default)]
    pub default_port: Option<u16>,
}

/// How a request is authorised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthScheme {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// A header that holds the key alone.
    Header(String),
    /// A query parameter that holds the key.
    Query(String),
    /// No key is sent.
    None,
    /// Signed the AWS way; a key, where there is one, goes as a bearer token instead.
    Sigv4,
    /// With a token for Google Cloud; a key, where there is one, goes as a bearer token instead.
    Google,
}

impl AuthScheme {
    /// Whether requests are signed with credentials of a cloud.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Sigv4 | Self::Google)
    }
}

/// What a host's URLs have that the dialect does not know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hosting {
    /// Nothing: the dialect's path follows the base URL.
    #[default]
    Direct,
    /// Azure: `/openai/v1`, or `/openai/deployments/{model}` where the API version is a date.
    Azure,
    /// Vertex AI: `/publishers/{publisher}`, and Anthropic's models by a path instead of a field.
    Vertex,
}

/// Variables that hold AWS credentials.
const AWS_KEY_VARIABLES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

impl Provider {
    /// A provider that is no built-in one, with nothing but what it must have.
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

    /// Whether calling it needs a key or other credentials.
    pub fn is_key_required(&self) -> bool {
        self.auth != AuthScheme::None && !self.key_optional
    }

    /// Whether a key, a token or a signature of the user's may be sent to it.
    pub fn can_send_key(&self) -> bool {
        let named =
            self.key_source.is_some() || !self.key_variables.is_empty() || !self.bearer_variables.is_empty();
        self.auth.is_signed() || (self.auth != AuthScheme::None && named)
    }

    /// The variables that hold its key or credentials.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let aws: &[&str] = if self.auth == AuthScheme::Sigv4 { &AWS_KEY_VARIABLES } else { &[] };
        let source = match &self.key_source {
            Some(KeySource::Variable(name)) => Some(name.as_str()),
            _ => None,
        };
        let usual = self.key_variables.iter().chain(&self.bearer_variables).map(String::as_str);
        usual.chain(source).chain(aws.iter().copied())
    }

    /// The dialect that a model speaks.
    pub fn dialect_for_model(&self, model: &str) -> Dialect {
        let speaks = |globs: &[String]| globs.iter().any(|glob| glob_matches(glob, model));
        self.dialects.iter().find(|(_, globs)| speaks(globs)).map_or(self.dialect, |(dialect, _)| *dialect)
    }
}

/// A map from dialects to globs, in its order.
fn deserialize_dialects<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Dialect, Vec<String>)>, D::Error> {
    let map: serde_json::Map<String, serde_json::Value> = Deserialize::deserialize(deserializer)?;
    let entry = |(name, globs): (String, serde_json::Value)| {
        let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == name);
        let dialect = dialect.ok_or_else(|| D::Error::custom(format!("there is no dialect `{name}`")))?;
        Ok((dialect, serde_json::from_value(globs).map_err(D::Error::custom)?))
    };
    map.into_iter().map(entry).collect()
}

/// The providers that need no configuration beyond a key.
pub fn built_in_providers() -> Vec<Provider> {
    // The rows are part of the program; a test reads them.
    serde_json::from_str(include_str!("providers.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_rows_are_valid() {
        let rows: Vec<Provider> =
            serde_json::from_str(include_str!("providers.json")).expect("providers.json");
        assert!(rows.len() >= 15);
        let mut names = std::collections::HashSet::new();
        for row in rows {
            assert!(!row.is_key_required() || row.can_send_key(), "{}", row.name);
            assert!(!row.base_url.ends_with('/'), "{}", row.name);
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(names.insert(name.clone()), "{name} twice");
            }
        }
    }

    #[test]
    fn model_glob_selects_dialect() {
        let openai = built_in_providers().into_iter().find(|p| p.name == "openai").unwrap();
        for (model, dialect) in [
            ("gpt-6-pro", Dialect::OpenaiResponses),
            ("gpt-5-pro-2025-10-06", Dialect::OpenaiResponses),
            ("gpt-5.1-codex-max", Dialect::OpenaiResponses),
            ("o3-deep-research", Dialect::OpenaiResponses),
            ("gpt-6", Dialect::OpenaiChat),
            ("process", Dialect::OpenaiChat),
        ] {
            assert_eq!(openai.dialect_for_model(model), dialect, "{model}");
        }
    }
}
