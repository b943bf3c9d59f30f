//! Resolves the providers of `routes.yaml`: changes to built-in ones, and new ones.

use super::config_resolver::ConfigResolver;
use super::provider_trust::is_loopback_url;
use super::routes_file::ProviderEntry;
use super::yaml::Spanned;
use crate::dialect::{DefaultAuth, Dialect, Quirks};
use crate::provider::{AuthScheme, Hosting, Provider, SharedSigner, fill_template};

impl ConfigResolver {
    /// Builds a provider from its entry and the built-in row with the same name, if any.
    pub(super) fn resolve_provider(
        &mut self,
        name: &Spanned<String>,
        entry: ProviderEntry,
        built_in: Option<&Provider>,
    ) -> Option<Provider> {
        if name.value.is_empty()
            || name.value.contains(|c: char| c.is_control() || matches!(c, '/' | ',' | '#'))
            || name.value == "route"
        {
            self.report(
                format!("invalid provider name `{}`", name.value),
                name.span.clone(),
                "remove `/`, `,`, and `#`",
            );
            return None;
        }
        let dialect = entry.dialect.or(built_in.map(|p| p.dialect));
        let base_url = entry.base_url.as_ref().map(|u| u.value.trim().trim_end_matches('/').to_owned());
        let (Some(dialect), Some(url)) = (dialect, base_url.clone().or(built_in.map(|p| p.base_url.clone())))
        else {
            let hint = format!("add `dialect:` ({}) and `base_url:`", list_dialects());
            self.report(
                format!("`{}` is not a built-in provider: `dialect` and `base_url` are required", name.value),
                name.span.clone(),
                hint,
            );
            return None;
        };
        if let Some(given) = &entry.base_url
            && let Err((message, hint)) = check_base_url(&given.value)
        {
            self.report(message, given.span.clone(), hint);
        }
        let hosting = entry.hosting.or(built_in.map(|p| p.hosting)).unwrap_or_default();
        let default_scheme = default_auth(dialect, hosting);
        let row = built_in.map(|row| with_dialect(row, dialect, hosting));
        let mut provider = row.unwrap_or_else(|| {
            let mut new = Provider::new(&name.value, dialect, "", default_scheme.clone());
            // A custom host often needs no key, but if the entry names one, it is required.
            new.key_optional = true;
            new
        });
        // The built-in provider's signer must not sign for another provider.
        provider.signer = SharedSigner::default();
        provider.base_url = url;
        if base_url.is_some() {
            // The file takes precedence over the provider's environment variable.
            provider.base_url_variable = None;
            provider.base_url_by_region.clear();
        }
        if entry.dialect.is_some() {
            // The file's dialect applies to all models, unless `dialects` below adds exceptions.
            provider.dialects.clear();
        }
        provider.hosting = hosting;
        provider.allow_http = entry.allow_http;
        // Only a server on this machine can count as the simulator.
        provider.simulated &= base_url.is_none() || is_loopback_url(&provider.base_url);
        if let Some(key) = entry.api_key {
            if let Some(source) = self.resolve_key_source(key) {
                provider.key_source = Some(source);
            }
            provider.key_optional = false;
            if provider.auth == AuthScheme::None {
                provider.auth = default_scheme;
            }
        }
        if let Some(auth) = entry.auth.and_then(|auth| self.resolve_auth(auth, name)) {
            provider.key_optional &= !auth.is_signed();
            provider.auth = auth;
        }
        self.apply_settings(
            &mut provider,
            [
                ("region", entry.region),
                ("project", entry.project),
                ("resource", entry.resource),
                ("account", entry.account),
                ("api_version", entry.api_version),
            ],
        );
        self.apply_headers(&mut provider, entry.headers);
        self.apply_query(&mut provider, entry.query);
        if let Some(dialects) = entry.dialects {
            provider.dialects = self.resolve_dialects(dialects);
        }
        if let Some(limits) = entry.limits {
            provider.limits = self.resolve_limits(limits);
        }
        if let Some(quirks) = entry.quirks {
            match provider.quirks.with_overrides(&quirks.value) {
                Ok(merged) => provider.quirks = merged,
                Err(why) => {
                    self.report(why, quirks.span, "use this form: `{max_tokens_field: max_tokens}`");
                }
            }
        }
        Some(provider)
    }
}

/// Copies a built-in row with another dialect or hosting, and resets only what belongs to the old wire
/// format.
fn with_dialect(row: &Provider, dialect: Dialect, hosting: Hosting) -> Provider {
    let mut provider = Provider { dialect, ..row.clone() };
    // Azure, Vertex, and others have their own auth scheme for every dialect.
    if row.auth == default_auth(row.dialect, row.hosting) {
        provider.auth = default_auth(dialect, hosting);
    }
    if row.dialect.family != dialect.family {
        provider.quirks = Quirks::default();
    }
    provider
}

fn default_auth(dialect: Dialect, hosting: Hosting) -> AuthScheme {
    if hosting == Hosting::Azure {
        return AuthScheme::Header("api-key".into());
    }
    match dialect.default_auth {
        DefaultAuth::Bearer => AuthScheme::Bearer,
        DefaultAuth::Header(name) => AuthScheme::Header(name.into()),
    }
}

/// Every dialect, as in `a, b, or c`.
fn list_dialects() -> String {
    let names: Vec<&str> = Dialect::all().map(Dialect::as_str).collect();
    match names.split_last() {
        Some((last, others)) => format!("{}, or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Checks a base URL after filling in its settings.
fn check_base_url(text: &str) -> Result<(), (String, &'static str)> {
    let known = |name: &str| match name {
        "region" | "project" | "resource" | "account" => Ok("x".to_owned()),
        name => Err((
            format!("unknown setting `{{{name}}}` in `base_url`"),
            "use {region}, {project}, {resource}, or {account}",
        )),
    };
    let filled = fill_template(text.trim(), known)?;
    let is_plain = reqwest::Url::parse(&filled).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if is_plain {
        return Ok(());
    }
    let hint = "use http:// or https://, a host, and a path, without a user name or query";
    Err(("invalid `base_url`: not a plain http or https URL".to_owned(), hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigFile, ConfigOrigin, TrustStore};

    fn load_provider(name: &str, entry: &str) -> Provider {
        let text = format!("version: 1\nproviders:\n  {name}: {{{entry}}}\n");
        let found = ConfigFile {
            display_name: "routes.yaml".into(),
            path: None,
            text,
            origin: ConfigOrigin::Explicit,
        };
        let config = Config::load(found, &TrustStore::for_user()).unwrap();
        (**config.providers.get(name).unwrap()).clone()
    }

    #[test]
    fn dialect_override_keeps_built_in_settings() {
        let openai = load_provider("openai", "dialect: openai-responses");
        assert!(openai.is_key_required() && openai.base_url_variable.is_some() && openai.dialects.is_empty());
        assert_eq!((openai.dialect, openai.auth), (Dialect::named("openai-responses"), AuthScheme::Bearer));
        let azure = load_provider("azure", "dialect: openai-responses, resource: me");
        assert_eq!((azure.hosting, azure.auth), (Hosting::Azure, AuthScheme::Header("api-key".into())));
        assert_eq!(azure.bearer_variables, ["AZURE_OPENAI_AD_TOKEN"]);
        assert!(azure.setting_variables.contains_key("api_version"));
        let deepseek =
            load_provider("deepseek", "dialect: anthropic, base_url: 'https://api.deepseek.com/anthropic'");
        assert_eq!(
            (deepseek.auth, deepseek.quirks),
            (AuthScheme::Header("x-api-key".into()), Quirks::default())
        );
        assert_eq!(deepseek.key_variables, ["DEEPSEEK_API_KEY"]);
        let simulated = load_provider("sim-openai", "dialect: openai-responses");
        assert!(simulated.simulated && simulated.auth == AuthScheme::None);
        assert!(!load_provider("vllm", "dialect: openai-responses").is_key_required());
        assert_eq!(
            load_provider("bedrock", "dialect: anthropic, base_url: 'https://b'").auth,
            AuthScheme::Sigv4
        );
    }

    #[test]
    fn azure_hosting_defaults_to_api_key_header() {
        let own = |more: &str| {
            load_provider("own", &format!("dialect: openai-chat, base_url: 'https://b', {more}")).auth
        };
        assert_eq!(own("hosting: azure"), AuthScheme::Header("api-key".into()));
        assert_eq!(own("hosting: azure, auth: bearer"), AuthScheme::Bearer);
        assert_eq!(own("hosting: direct"), AuthScheme::Bearer);
    }
}
