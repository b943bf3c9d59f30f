//! A model, with all that is needed to call it.

use std::sync::Arc;

use super::authorization::{Authorization, ResolvedAuthorization};
use super::endpoint::{is_unencrypted, resolve_base_url, resolve_setting};
use super::{Environment, ModelRef, Provider};
use crate::catalog::{Capabilities, Capability, Catalog, ModelFacts, ModelMode, ReasoningControl};
use crate::dialect::{Dialect, EffortControl, Quirks};

/// A model with its provider, key, facts and quirks.
#[derive(Clone, Debug)]
pub struct Target {
    /// The model.
    pub model_ref: ModelRef,
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// The wire format that it speaks: its provider's, or another one of the same host.
    pub dialect: Dialect,
    /// What is known of it; nothing for a model that came out this morning.
    pub facts: Option<ModelFacts>,
    /// What the provider does its own way, with what the model adds.
    pub quirks: Quirks,
    base_url: String,
    api_version: Option<String>,
    authorization: Option<ResolvedAuthorization>,
}

/// Why a model cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The key is not set.
    #[error("`{provider}` has no key: {variable} is not set")]
    NoKey {
        /// The provider.
        provider: String,
        /// The variable that would hold it.
        variable: String,
    },
    /// There are no credentials to sign with.
    #[error("`{provider}` has no credentials: {why}")]
    NoCredentials {
        /// The provider.
        provider: String,
        /// Where they were looked for, and what to do.
        why: String,
    },
    /// The file that holds the key cannot be used.
    #[error("`{provider}` has no key: {path} {why}")]
    BadKeyFile {
        /// The provider.
        provider: String,
        /// The file.
        path: String,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// A part of the base URL is not known.
    #[error("`{provider}` has no {setting}: {}", missing_setting_hint(.variables, .setting))]
    NoSetting {
        /// The provider.
        provider: String,
        /// Its name in `routes.yaml`.
        setting: String,
        /// The variables that would hold it.
        variables: Vec<String>,
    },
    /// A part of the base URL would lead elsewhere.
    #[error("the {setting} of `{provider}` holds characters that do not belong there")]
    BadSetting {
        /// The provider.
        provider: String,
        /// Its name in `routes.yaml`.
        setting: String,
    },
    /// The key would travel in the clear.
    #[error("`{provider}` would get its key over plain HTTP at {base_url}")]
    PlainHttp {
        /// The provider.
        provider: String,
        /// Where it is.
        base_url: String,
    },
    /// The base URL is none, or holds more than a path.
    #[error("`{provider}` has the base URL `{base_url}`, which is no plain http or https URL")]
    BadUrl {
        /// The provider.
        provider: String,
        /// What was given.
        base_url: String,
    },
    /// The base URL holds a user name or a password, which would show wherever a URL does.
    #[error("the base URL of `{provider}` holds a user name or password")]
    UserInfoInUrl {
        /// The provider.
        provider: String,
    },
    /// It is in a project's file that nobody has trusted.
    #[error("`{provider}` is not trusted yet: {why}")]
    Untrusted {
        /// The provider.
        provider: String,
        /// What needs trust.
        why: String,
    },
    /// The key holds characters that no header can carry.
    #[error("the key of `{provider}` holds characters that cannot be sent in a header")]
    BadKey {
        /// The provider.
        provider: String,
    },
}

fn missing_setting_hint(variables: &[String], setting: &str) -> String {
    match variables {
        [] => format!("say `{setting}:` under its name in routes.yaml"),
        variables => format!("{} is not set", variables.join(" or ")),
    }
}

impl TargetError {
    /// Whether something is merely not set up: a key, credentials, a region.
    pub fn is_not_configured(&self) -> bool {
        match self {
            Self::NoKey { .. }
            | Self::NoCredentials { .. }
            | Self::BadKeyFile { .. }
            | Self::NoSetting { .. } => true,
            Self::BadSetting { .. }
            | Self::PlainHttp { .. }
            | Self::BadUrl { .. }
            | Self::UserInfoInUrl { .. }
            | Self::Untrusted { .. }
            | Self::BadKey { .. } => false,
        }
    }
}

impl Target {
    /// Puts together what is needed to call a model. `environment` looks a variable up. Nothing is sent and no command
    /// is run: what has to be fetched is fetched when a call is about to be sent.
    ///
    /// # Errors
    /// What is missing or not allowed.
    pub fn resolve(
        model_ref: ModelRef,
        provider: &Arc<Provider>,
        catalog: &Catalog,
        environment: &dyn Environment,
    ) -> Result<Self, TargetError> {
        let name = || provider.name.clone();
        if let Some(why) = &provider.untrusted_reason {
            return Err(TargetError::Untrusted { provider: name(), why: why.clone() });
        }
        let base_url = match resolve_base_url(provider, environment) {
            // Without a key, a region alone would not help: the key is named first.
            Err(missing) if missing.is_not_configured() => Err(missing),
            found => Ok(found?),
        };
        let authorization = ResolvedAuthorization::resolve(provider, environment)?;
        let base_url = base_url?;
        if authorization.is_some() && !provider.allow_http && is_unencrypted(&base_url) {
            return Err(TargetError::PlainHttp { provider: name(), base_url });
        }
        let facts = catalog.find(&model_ref.provider, &model_ref.model);
        let mut dialect = provider.dialect_for_model(&model_ref.model);
        let responses_alone = facts.as_ref().is_some_and(|facts| facts.mode == ModelMode::Responses);
        if dialect == Dialect::OpenaiChat && responses_alone {
            dialect = Dialect::OpenaiResponses;
        }
        let quirks = merge_quirks(&provider.quirks, dialect, facts.as_ref());
        Ok(Self {
            dialect,
            api_version: resolve_setting(provider, "api_version", environment),
            model_ref,
            provider: Arc::clone(provider),
            facts,
            quirks,
            base_url,
            authorization,
        })
    }

    /// Where the dialect's path begins.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether it runs on this machine, where a first call may have to load the model.
    pub fn is_local(&self) -> bool {
        !self.provider.simulated && reqwest::Url::parse(&self.base_url).is_ok_and(|url| is_loopback(&url))
    }

    /// What its calls are authorised with, in words: where from, never what.
    pub fn authorization_origin(&self) -> Option<&str> {
        self.authorization.as_ref().map(|found| found.origin.as_str())
    }

    /// A mark by which its key is known again, and from which the key cannot be found out; `None` without a key.
    pub fn key_fingerprint(&self) -> Option<String> {
        self.authorization.as_ref().map(ResolvedAuthorization::fingerprint)
    }

    pub(super) fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }

    pub(super) fn authorization(&self) -> Option<&Authorization> {
        self.authorization.as_ref().map(|found| &found.authorization)
    }
}

/// The provider's quirks with what is known of the model. What the provider says of itself stands first.
fn merge_quirks(own: &Quirks, dialect: Dialect, facts: Option<&ModelFacts>) -> Quirks {
    let mut quirks = own.clone();
    let Some(facts) = facts else { return quirks };
    let claude =
        dialect == Dialect::Anthropic || dialect == Dialect::Bedrock && facts.model.contains("claude");
    // Where much is known of a model and nothing of its thinking, there is none to ask for.
    let unknown = facts.capabilities == Capabilities::default();
    let thinks = unknown || facts.supports(Capability::Reasoning) == Some(true) && !own.effort_by_model;
    if quirks.effort == EffortControl::Native {
        quirks.effort = match facts.reasoning_control {
            Some(ReasoningControl::None) => EffortControl::Unsupported,
            Some(ReasoningControl::Budget) => EffortControl::Budget,
            Some(ReasoningControl::Adaptive) => EffortControl::Adaptive,
            // A level alone, without a way to think: Claude Opus 4.5.
            None if claude && !facts.efforts.is_empty() => EffortControl::Level,
            None if facts.efforts.is_empty() && !thinks => EffortControl::Unsupported,
            Some(ReasoningControl::Level) | None => EffortControl::Native,
        };
    }
    quirks.effort_levels |= facts.efforts.len() > 1;
    quirks.reasons |= facts.supports(Capability::Reasoning) == Some(true);
    let marks = matches!(dialect, Dialect::Anthropic | Dialect::Bedrock);
    quirks.cache_points |= marks && facts.supports(Capability::Caching) == Some(true);
    quirks.default_max_tokens = quirks.default_max_tokens.or(facts.max_output_tokens);
    quirks
}

/// Whether a URL stays on this machine.
pub fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{AuthScheme, built_in_providers};

    fn resolve_target(
        provider: &str,
        change: impl FnOnce(&mut Provider),
        environment: &[(&str, &str)],
    ) -> Result<Target, TargetError> {
        let mut row = built_in_providers().into_iter().find(|p| p.name == provider).unwrap();
        change(&mut row);
        let look = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let model_ref = ModelRef { provider: provider.into(), model: "m".into() };
        Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &look)
    }

    #[test]
    fn resolve_cases() {
        let error = resolve_target("openai", |_| (), &[("OPENAI_API_KEY", " ")]).unwrap_err();
        assert_eq!(
            error,
            TargetError::NoKey { provider: "openai".into(), variable: "OPENAI_API_KEY".into() }
        );
        let moved = resolve_target(
            "gemini",
            |_| (),
            &[("GOOGLE_API_KEY", "k"), ("GOOGLE_GEMINI_BASE_URL", "https://g.example/")],
        );
        assert_eq!(moved.unwrap().base_url(), "https://g.example/v1beta");
        let ollama = resolve_target("ollama", |_| (), &[("OLLAMA_HOST", "box:1234")]).unwrap();
        assert_eq!((ollama.base_url(), ollama.is_local()), ("http://box:1234", false));
        for (host, expected) in [
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("http://box:1/", "http://box:1"),
            (":11434", "http://127.0.0.1:11434"),
            (":8080", "http://127.0.0.1:8080"),
            ("[::1]", "http://[::1]:11434"),
            ("::1", "http://[::1]:11434"),
            ("[::1]:80", "http://[::1]"),
            ("box/path", "http://box:11434/path"),
            ("https://host", "https://host"),
            ("http://box/path/", "http://box/path"),
            ("http://0.0.0.0:1", "http://127.0.0.1:1"),
        ] {
            assert_eq!(
                resolve_target("ollama", |_| (), &[("OLLAMA_HOST", host)]).unwrap().base_url(),
                expected
            );
        }
        for host in ["{region}", "http://{x}", "b ox"] {
            let found = resolve_target("ollama", |_| (), &[("OLLAMA_HOST", host)]);
            assert!(matches!(found, Err(TargetError::BadUrl { .. })), "{host}");
        }
        let no_auth =
            |p: &mut Provider| (p.base_url, p.auth) = ("http://far.example/v1".into(), AuthScheme::None);
        assert!(
            resolve_target("openai", no_auth, &[("OPENAI_API_KEY", "k")]).unwrap().authorization().is_none()
        );
        assert!(resolve_target("vllm", |_| (), &[]).unwrap().authorization().is_none());
    }

    #[test]
    fn key_over_plain_http_is_rejected() {
        let key = [("OPENAI_API_KEY", "k")];
        let plain = |p: &mut Provider| p.base_url = "http://far.example/v1".into();
        assert!(matches!(resolve_target("openai", plain, &key), Err(TargetError::PlainHttp { .. })));
        let allowed = |p: &mut Provider| (plain(p), p.allow_http = true).0;
        assert!(resolve_target("openai", allowed, &key).is_ok());
        assert!(resolve_target("openai", |p| p.base_url = "http://[::1]:1/v1".into(), &key).is_ok());
        assert!(matches!(
            resolve_target("openai", |p| p.base_url = "far".into(), &key),
            Err(TargetError::BadUrl { .. })
        ));
        assert!(matches!(
            resolve_target("openai", |_| (), &[("OPENAI_API_KEY", "k\ny")]),
            Err(TargetError::BadKey { .. })
        ));
    }
}
