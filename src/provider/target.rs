//! A model, with all that is needed to call it.

use std::sync::Arc;

use super::{Auth, Credential, KeySource, ModelRef, Provider};
use crate::catalog::{Catalog, ModelFacts};
use crate::chat::{Parameter, Request};
use crate::dialect::Quirks;

/// A model with its provider, key, facts and quirks.
#[derive(Clone, Debug)]
pub struct Target {
    /// The model.
    pub model_ref: ModelRef,
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// What is known of it; nothing for a model that came out this morning.
    pub facts: Option<ModelFacts>,
    /// What the provider does its own way, with what the model adds.
    pub quirks: Quirks,
    base_url: String,
    credential: Option<Credential>,
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
    UserInfo {
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

impl Target {
    /// Puts together what is needed to call a model. `environment` looks a variable up.
    ///
    /// # Errors
    /// What is missing or not allowed.
    pub fn resolve(
        model_ref: ModelRef,
        provider: &Arc<Provider>,
        catalog: &Catalog,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TargetError> {
        let name = || provider.name.clone();
        if let Some(why) = &provider.untrusted {
            return Err(TargetError::Untrusted { provider: name(), why: why.clone() });
        }
        let base_url = base_url(provider, environment);
        if base_url.contains('@') {
            return Err(TargetError::UserInfo { provider: name() });
        }
        let plain = |u: &reqwest::Url| {
            matches!(u.scheme(), "http" | "https") && u.query().is_none() && u.fragment().is_none()
        };
        let Some(url) = reqwest::Url::parse(&base_url).ok().filter(plain) else {
            return Err(TargetError::BadUrl { provider: name(), base_url: without_query(&base_url) });
        };
        let credential = find_key(provider, environment);
        match &credential {
            None if provider.needs_key() => {
                let variable = wanted_variable(provider);
                return Err(TargetError::NoKey { provider: name(), variable });
            }
            Some(_) if url.scheme() == "http" && !provider.allow_http && !is_loopback(&url) => {
                return Err(TargetError::PlainHttp { provider: name(), base_url });
            }
            Some(key) if !key.expose().bytes().all(|b| (0x20..0x7f).contains(&b)) => {
                return Err(TargetError::BadKey { provider: name() });
            }
            _ => {}
        }
        let facts = catalog.find(&model_ref.provider, &model_ref.model);
        let mut quirks = provider.quirks.clone();
        quirks.default_max_tokens =
            quirks.default_max_tokens.or(facts.as_ref().and_then(|f| f.max_output_tokens));
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self { model_ref, provider: Arc::clone(provider), facts, quirks, base_url, credential })
    }

    /// Where the dialect's path begins.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether it runs on this machine, where a first call may have to load the model.
    pub fn is_local(&self) -> bool {
        !self.provider.simulated && reqwest::Url::parse(&self.base_url).is_ok_and(|url| is_loopback(&url))
    }

    /// The request without the parameters that this model refuses or its dialect lacks, and which those were.
    pub fn without_refused(&self, request: &Request) -> (Request, Vec<Parameter>) {
        let mut request = request.clone();
        let lacks = self.provider.dialect.client().lacks().iter();
        let refused = self.facts.iter().flat_map(|f| f.refuses.iter());
        let dropped = lacks.chain(refused).copied().filter(|parameter| request.take(*parameter)).collect();
        (request, dropped)
    }

    /// The header that carries the key.
    pub(super) fn key_header(&self) -> Option<(String, String)> {
        let key = self.credential.as_ref()?.expose();
        match &self.provider.auth {
            Auth::Bearer => Some(("authorization".to_owned(), format!("Bearer {key}"))),
            Auth::Header(name) => Some((name.clone(), key.to_owned())),
            Auth::None => None,
        }
    }

    pub(super) fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }
}

fn base_url(provider: &Provider, environment: &dyn Fn(&str) -> Option<String>) -> String {
    let moved = provider.base_url_variable.as_ref().and_then(|variable| {
        let value = environment(&variable.name).filter(|v| !v.trim().is_empty())?;
        let value = value.trim().trim_end_matches('/').to_owned();
        // OLLAMA_HOST is often no more than a host, and often the address that a server listens on.
        let url = if value.contains("://") { value } else { format!("http://{value}") }.replacen(
            "//0.0.0.0",
            "//127.0.0.1",
            1,
        );
        let has_port = url.rsplit_once("://").is_some_and(|(_, host)| host.contains(':'));
        let url = match variable.default_port.filter(|_| !has_port) {
            Some(port) => format!("{url}:{port}"),
            None => url,
        };
        Some(format!("{url}{}", variable.completed_by))
    });
    moved.unwrap_or_else(|| provider.base_url.clone())
}

fn find_key(provider: &Provider, environment: &dyn Fn(&str) -> Option<String>) -> Option<Credential> {
    if provider.auth == Auth::None {
        return None;
    }
    match &provider.key_source {
        Some(KeySource::Variable(name)) => environment(name).as_deref().and_then(Credential::new),
        None => provider
            .key_variables
            .iter()
            .find_map(|name| environment(name).as_deref().and_then(Credential::new)),
    }
}

fn wanted_variable(provider: &Provider) -> String {
    match &provider.key_source {
        Some(KeySource::Variable(name)) => name.clone(),
        None => provider.key_variables.first().cloned().unwrap_or_else(|| "its key".to_owned()),
    }
}

/// A URL as far as its path: what follows may hold a key.
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
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
    use crate::provider::built_in_providers;

    fn resolve(
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
    fn keys_and_base_urls() {
        let error = resolve("openai", |_| (), &[("OPENAI_API_KEY", " ")]).unwrap_err();
        assert_eq!(
            error,
            TargetError::NoKey { provider: "openai".into(), variable: "OPENAI_API_KEY".into() }
        );
        let moved = resolve(
            "gemini",
            |_| (),
            &[("GOOGLE_API_KEY", "k"), ("GOOGLE_GEMINI_BASE_URL", "https://g.example/")],
        );
        assert_eq!(moved.unwrap().base_url(), "https://g.example/v1beta");
        let ollama = resolve("ollama", |_| (), &[("OLLAMA_HOST", "box:1234")]).unwrap();
        assert_eq!((ollama.base_url(), ollama.is_local()), ("http://box:1234", false));
        for (host, expected) in [("0.0.0.0", "http://127.0.0.1:11434"), ("http://box:1/", "http://box:1")] {
            assert_eq!(resolve("ollama", |_| (), &[("OLLAMA_HOST", host)]).unwrap().base_url(), expected);
        }
        let no_auth = |p: &mut Provider| (p.base_url, p.auth) = ("http://far.example/v1".into(), Auth::None);
        assert!(resolve("openai", no_auth, &[("OPENAI_API_KEY", "k")]).unwrap().key_header().is_none());
        assert!(resolve("vllm", |_| (), &[]).unwrap().key_header().is_none());
    }

    #[test]
    fn a_key_never_travels_in_the_clear() {
        let key = [("OPENAI_API_KEY", "k")];
        let plain = |p: &mut Provider| p.base_url = "http://far.example/v1".into();
        assert!(matches!(resolve("openai", plain, &key), Err(TargetError::PlainHttp { .. })));
        let allowed = |p: &mut Provider| (plain(p), p.allow_http = true).0;
        assert!(resolve("openai", allowed, &key).is_ok());
        assert!(resolve("openai", |p| p.base_url = "http://[::1]:1/v1".into(), &key).is_ok());
        assert!(matches!(
            resolve("openai", |p| p.base_url = "far".into(), &key),
            Err(TargetError::BadUrl { .. })
        ));
        assert!(matches!(
            resolve("openai", |_| (), &[("OPENAI_API_KEY", "k\ny")]),
            Err(TargetError::BadKey { .. })
        ));
    }
}
