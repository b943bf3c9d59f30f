//! Providers of `routes.yaml`: built-in rows with changes, and rows of one's own.

use super::routes::Reader;
use super::routes_file::ProviderEntry;
use super::yaml::Located;
use crate::dialect::{Dialect, Quirks};
use crate::provider::{Auth, KeySource, Provider, is_loopback};

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
            && !is_plain_url(&given.value)
        {
            let hint = "write http:// or https://, a host and a path; no user name, no query";
            self.wrong("the `base_url` is no plain http or https URL", given.span.clone(), hint);
        }
        let mut provider = built_in.filter(|p| p.dialect == dialect).cloned().unwrap_or(Provider {
            name: name.value.clone(),
            dialect,
            base_url: String::new(),
            base_url_variable: None,
            key_variables: built_in.map(|p| p.key_variables.clone()).unwrap_or_default(),
            key_source: None,
            // A host of one's own often has no key; where one is named, it is needed.
            key_optional: true,
            auth: default_auth(dialect),
            allow_http: false,
            quirks: Quirks::default(),
            simulated: false,
            untrusted: None,
        });
        provider.base_url = url;
        if base_url.is_some() {
            // What the file says stands before the vendor's variable.
            provider.base_url_variable = None;
        }
        provider.allow_http = entry.allow_http;
        // Only what runs here can be taken for the simulator.
        provider.simulated &= base_url.is_none() || is_local(&provider.base_url);
        if let Some(key) = entry.api_key {
            if !is_variable_name(&key.env.value) {
                let hint = "write the name of a variable, never the key itself: `api_key: {env: MY_KEY}`";
                self.wrong("`env` holds no name of a variable", key.env.span, hint);
            }
            provider.key_source = Some(KeySource::Variable(key.env.value));
            provider.key_optional = false;
            if provider.auth == Auth::None {
                provider.auth = default_auth(dialect);
            }
        }
        if let Some(auth) = entry.auth {
            let header = auth.argument.as_ref().and_then(|a| a.value.as_str().map(str::to_owned));
            match (auth.name.value.as_str(), header) {
                ("bearer", None) => provider.auth = Auth::Bearer,
                ("none", None) => provider.auth = Auth::None,
                ("header", Some(header))
                    if header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                        && !header.is_empty() =>
                {
                    provider.auth = Auth::Header(header.to_ascii_lowercase());
                }
                _ => self.wrong(
                    format!("`{}` is no way to send a key", auth.name.value),
                    auth.name.span.or(name.span.clone()),
                    "write `bearer`, `none` or `header: NAME`",
                ),
            }
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

/// What a provider would do that only a trusted file may ask for: send a key anywhere but to its own host over its own
/// scheme, or take prompts meant for the simulator to another machine.
pub(super) fn why_untrusted(provider: &Provider, built_in: Option<&Provider>) -> Option<String> {
    let sends_key =
        provider.auth != Auth::None && (provider.key_source.is_some() || !provider.key_variables.is_empty());
    let own = built_in.is_some_and(|own| origin(&own.base_url) == origin(&provider.base_url));
    let left_simulator = built_in.is_some_and(|own| own.simulated && !own_or_local(own, provider));
    let (name, host) = (&provider.name, origin(&provider.base_url));
    match (sends_key && !own, left_simulator) {
        (true, _) => Some(format!("`{name}` would send a key to {host}")),
        (false, true) => Some(format!("`{name}` would send prompts to {host}")),
        (false, false) => None,
    }
}

fn own_or_local(own: &Provider, provider: &Provider) -> bool {
    own.base_url == provider.base_url || is_local(&provider.base_url)
}

/// Scheme, host and port.
fn origin(base_url: &str) -> String {
    reqwest::Url::parse(base_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

fn is_local(base_url: &str) -> bool {
    reqwest::Url::parse(base_url).is_ok_and(|url| is_loopback(&url))
}

fn is_plain_url(text: &str) -> bool {
    reqwest::Url::parse(text.trim()).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn is_variable_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit())
}
