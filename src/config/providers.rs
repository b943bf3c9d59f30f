//! Providers of `routes.yaml`: built-in rows with changes, and rows of one's own.

use super::provider_trust::is_local;
use super::routes::Reader;
use super::routes_file::ProviderEntry;
use super::yaml::Located;
use crate::dialect::Dialect;
use crate::provider::{Auth, Provider, SharedSigner, filled};

impl Reader {
    /// A provider out of its entry and, where there is one, the built-in row of its name.
    pub(super) fn provider(
        &mut self,
        name: &Located<String>,
        entry: ProviderEntry,
        built_in: Option<&Provider>,
    ) -> Option<Provider> {
        if name.value.is_empty()
            || name.value.contains(|c: char| c.is_control() || matches!(c, '/' | ',' | '#'))
            || name.value == "route"
        {
            self.wrong(
                format!("`{}` cannot name a provider", name.value),
                name.span.clone(),
                "leave out `/`, `,` and `#`",
            );
            return None;
        }
        let dialect = entry.dialect.or(built_in.map(|p| p.dialect));
        let base_url = entry.base_url.as_ref().map(|u| u.value.trim().trim_end_matches('/').to_owned());
        let (Some(dialect), Some(url)) = (dialect, base_url.clone().or(built_in.map(|p| p.base_url.clone())))
        else {
            let hint = "add `dialect:` (openai-chat, openai-responses, anthropic, gemini, cohere, ollama or bedrock) and `base_url:`"
                .to_owned();
            self.wrong(
                format!("`{}` is no built-in provider, so its dialect and base URL must be said", name.value),
                name.span.clone(),
                hint,
            );
            return None;
        };
        if let Some(given) = &entry.base_url
            && let Err((wrong, hint)) = plain_url(&given.value)
        {
            self.wrong(wrong, given.span.clone(), hint);
        }
        let row = built_in.filter(|p| p.dialect == dialect).cloned();
        let mut provider = row.unwrap_or_else(|| {
            let mut new = Provider::new(&name.value, dialect, "", default_auth(dialect));
            new.key_variables = built_in.map(|p| p.key_variables.clone()).unwrap_or_default();
            // A host of one's own often has no key; where one is named, it is needed.
            new.key_optional = true;
            new
        });
        // What the built-in provider would sign with is not this one's.
        provider.signer = SharedSigner::default();
        provider.base_url = url;
        if base_url.is_some() {
            // What the file says stands before the vendor's variable.
            provider.base_url_variable = None;
            provider.base_url_by_region.clear();
        }
        if entry.dialect.is_some() {
            // The file says what all its models speak, unless it says more below.
            provider.dialects.clear();
        }
        provider.hosting = entry.hosting.unwrap_or(provider.hosting);
        provider.allow_http = entry.allow_http;
        // Only what runs here can be taken for the simulator.
        provider.simulated &= base_url.is_none() || is_local(&provider.base_url);
        if let Some(key) = entry.api_key {
            if let Some(source) = self.key_source(key) {
                provider.key_source = Some(source);
            }
            provider.key_optional = false;
            if provider.auth == Auth::None {
                provider.auth = default_auth(dialect);
            }
        }
        if let Some(auth) = entry.auth.and_then(|auth| self.auth(auth, name)) {
            provider.key_optional &= !auth.signs();
            provider.auth = auth;
        }
        self.settings(
            &mut provider,
            [
                ("region", entry.region),
                ("project", entry.project),
                ("resource", entry.resource),
                ("account", entry.account),
                ("api_version", entry.api_version),
            ],
        );
        self.headers(&mut provider, entry.headers);
        self.query(&mut provider, entry.query);
        if let Some(dialects) = entry.dialects {
            provider.dialects = self.dialects(dialects);
        }
        if let Some(quirks) = entry.quirks {
            match provider.quirks.with(&quirks.value) {
                Ok(merged) => provider.quirks = merged,
                Err(why) => {
                    self.wrong(why, quirks.span, "write it as for example `{max_tokens_field: max_tokens}`");
                }
            }
        }
        Some(provider)
    }
}

fn default_auth(dialect: Dialect) -> Auth {
    match dialect {
        Dialect::OpenaiChat
        | Dialect::OpenaiResponses
        | Dialect::Cohere
        | Dialect::Ollama
        | Dialect::Bedrock => Auth::Bearer,
        Dialect::Anthropic => Auth::Header("x-api-key".into()),
        Dialect::Gemini => Auth::Header("x-goog-api-key".into()),
    }
}

/// Whether a base URL is one, once its settings are filled in.
fn plain_url(text: &str) -> Result<(), (String, &'static str)> {
    let known = |name: &str| match name {
        "region" | "project" | "resource" | "account" => Ok("x".to_owned()),
        name => Err((
            format!("`{{{name}}}` is no setting that a `base_url` can hold"),
            "the settings are {region}, {project}, {resource} and {account}",
        )),
    };
    let filled = filled(text.trim(), known)?;
    let plain = reqwest::Url::parse(&filled).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if plain {
        return Ok(());
    }
    let hint = "write http:// or https://, a host and a path; no user name, no query";
    Err(("the `base_url` is no plain http or https URL".to_owned(), hint))
}
