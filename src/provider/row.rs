//! Providers as rows of data.

use serde::Deserialize;

use super::KeySource;
use crate::dialect::{Dialect, Quirks};

/// A company or server with a base URL and credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in a model ref.
    pub name: String,
    /// The wire format that it speaks.
    pub dialect: Dialect,
    /// Where the dialect's path begins.
    pub base_url: String,
    /// The variable by which the vendor's own SDK moves the base URL.
    #[serde(default)]
    pub base_url_variable: Option<BaseUrlVariable>,
    /// Variables that may hold the key, the first one set wins.
    #[serde(default)]
    pub key_variables: Vec<String>,
    /// A key that `routes.yaml` names in place of the usual variables.
    #[serde(skip)]
    pub key_source: Option<KeySource>,
    /// Whether it can be called without a key.
    #[serde(default)]
    pub key_optional: bool,
    /// How the key is sent.
    #[serde(default)]
    pub auth: Auth,
    /// Whether the key may go over plain HTTP to a host that is not loopback.
    #[serde(default)]
    pub allow_http: bool,
    /// What it does its own way.
    #[serde(default)]
    pub quirks: Quirks,
    /// Whether it is the simulator.
    #[serde(default)]
    pub simulated: bool,
    /// Why it may not be used until its `routes.yaml` is trusted; `None` when nothing is wrong.
    #[serde(skip)]
    pub untrusted: Option<String>,
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

/// How a key is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// A header that holds the key alone.
    Header(String),
    /// No key is sent.
    None,
}

impl Provider {
    /// Whether calling it needs a key.
    pub fn needs_key(&self) -> bool {
        self.auth != Auth::None && !self.key_optional
    }
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
    fn every_row_reads() {
        let rows: Vec<Provider> =
            serde_json::from_str(include_str!("providers.json")).expect("providers.json");
        assert!(rows.len() >= 15);
        for row in rows {
            assert!(!row.needs_key() || !row.key_variables.is_empty(), "{}", row.name);
            assert!(!row.base_url.ends_with('/'), "{}", row.name);
        }
    }
}
