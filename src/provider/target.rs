//! A model with everything needed to call it.

use std::sync::Arc;

use super::authorization::{Authorization, ResolvedAuthorization};
use super::endpoint::{is_unencrypted, resolve_base_url, resolve_setting};
use super::{Environment, ModelRef, Provider, TargetError, is_loopback};
use crate::catalog::{Capabilities, Capability, Catalog, ModelFacts, ModelMode, ReasoningControl};
use crate::dialect::{Dialect, EffortControl, PromptCaching, Quirks};

#[derive(Clone, Debug)]
pub struct Target {
    pub model_ref: ModelRef,
    pub provider: Arc<Provider>,
    /// The provider's default dialect, or another one of the same host.
    pub dialect: Dialect,
    /// `None` for a model that the catalog does not know.
    pub facts: Option<ModelFacts>,
    /// The provider's quirks, completed with the facts about the model.
    pub quirks: Quirks,
    base_url: String,
    api_version: Option<String>,
    authorization: Option<ResolvedAuthorization>,
}

impl Target {
    /// Resolves everything needed to call a model. Sends nothing and runs no command; credentials are fetched
    /// when a call is sent.
    pub fn resolve(
        model_ref: ModelRef,
        provider: &Arc<Provider>,
        catalog: &Catalog,
        environment: &dyn Environment,
    ) -> Result<Self, TargetError> {
        let name = || provider.name.clone();
        if let Some(why) = &provider.untrusted_reason {
            // The message already names the provider.
            let rest = why.strip_prefix(&format!("`{}` ", provider.name));
            let why = rest.map_or_else(|| why.clone(), |rest| format!("it {rest}"));
            return Err(TargetError::Untrusted { provider: name(), why });
        }
        let base_url = match resolve_base_url(provider, environment) {
            // Report the missing key first: a region alone would not help.
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
        let is_responses_only = facts.as_ref().is_some_and(|facts| facts.mode == ModelMode::Responses);
        if is_responses_only {
            dialect = dialect.for_responses_models();
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

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether the model runs on this machine, where the first call may have to load it.
    pub fn is_local(&self) -> bool {
        !self.provider.simulated && reqwest::Url::parse(&self.base_url).is_ok_and(|url| is_loopback(&url))
    }

    /// Where the key or credentials come from, for display; `None` if none are needed.
    pub fn authorization_origin(&self) -> Option<&str> {
        self.authorization.as_ref().map(|found| found.origin.as_str())
    }

    /// Identifies the key across runs without revealing it; `None` without a key.
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

/// Completes the provider's quirks with facts about the model. The provider's own quirks take precedence.
fn merge_quirks(own: &Quirks, dialect: Dialect, facts: Option<&ModelFacts>) -> Quirks {
    let mut quirks = own.clone();
    let Some(facts) = facts else { return quirks };
    let is_claude = (dialect.capabilities.is_claude)(&facts.model);
    // If the catalog knows the model's capabilities but not reasoning, the model does not reason.
    let is_unknown = facts.capabilities == Capabilities::default();
    let can_reason =
        is_unknown || facts.supports(Capability::Reasoning) == Some(true) && !own.effort_by_model;
    if quirks.effort == EffortControl::Native {
        quirks.effort = match facts.reasoning_control {
            Some(ReasoningControl::None) => EffortControl::Unsupported,
            Some(ReasoningControl::Budget) => EffortControl::Budget,
            Some(ReasoningControl::Adaptive) => EffortControl::Adaptive,
            // Claude Opus 4.5 accepts an effort level without visible reasoning.
            None if is_claude && !facts.efforts.is_empty() => EffortControl::Level,
            None if facts.efforts.is_empty() && !can_reason => EffortControl::Unsupported,
            Some(ReasoningControl::Level) | None => EffortControl::Native,
        };
    }
    quirks.effort_levels |= facts.efforts.len() > 1;
    quirks.reasons |= facts.supports(Capability::Reasoning) == Some(true);
    let accepts_cache_points = dialect.capabilities.prompt_caching != PromptCaching::Automatic;
    quirks.cache_points |= accepts_cache_points && facts.supports(Capability::Caching) == Some(true);
    quirks.default_max_tokens = quirks.default_max_tokens.or(facts.max_output_tokens);
    quirks
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
        let mut row = built_in_providers().unwrap().into_iter().find(|p| p.name == provider).unwrap();
        change(&mut row);
        let lookup = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let model_ref = ModelRef { provider: provider.into(), model: "m".into() };
        Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &lookup)
    }

    #[test]
    fn resolve_cases() {
        let error = resolve_target("openai", |_| (), &[("OPENAI_API_KEY", " ")]).unwrap_err();
        assert_eq!(
            error,
            TargetError::NoKey { provider: "openai".into(), variable: "OPENAI_API_KEY".into() }
        );
        let overridden = resolve_target(
            "gemini",
            |_| (),
            &[("GOOGLE_API_KEY", "k"), ("GOOGLE_GEMINI_BASE_URL", "https://g.example/")],
        );
        assert_eq!(overridden.unwrap().base_url(), "https://g.example/v1beta");
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
