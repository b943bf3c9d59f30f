//! Resolves the fields of a provider in `routes.yaml`: key, auth, settings, headers, query, and dialects.

use super::config_resolver::ConfigResolver;
use super::routes_file::ApiKeyEntry;
use super::yaml::{NameAndArgument, Spanned, SpannedMap};
use crate::chat::find_closest;
use crate::dialect::Dialect;
use crate::provider::{AuthScheme, Hosting, KeySource, Provider, is_valid_setting};

impl ConfigResolver {
    pub(super) fn resolve_key_source(&mut self, key: Spanned<ApiKeyEntry>) -> Option<KeySource> {
        let hint =
            "use `{env: MY_KEY}`, `{file: PATH}`, or `{command: [PROGRAM, ARGUMENT]}`, never the key itself";
        match key.value {
            ApiKeyEntry { env: Some(name), file: None, command: None } => {
                if !is_variable_name(&name.value) {
                    let hint = "use the name of a variable, never the key itself: `api_key: {env: MY_KEY}`";
                    self.report("`env` must be the name of an environment variable", name.span, hint);
                }
                Some(KeySource::Variable(name.value))
            }
            ApiKeyEntry { env: None, file: Some(path), command: None } => {
                let text = path.value.trim();
                if text.is_empty() {
                    self.report("missing path in `file`", path.span, hint);
                    return None;
                }
                let folder = self.folder.as_ref().filter(|_| !text.starts_with("~/"));
                let path = folder.map_or(text.into(), |folder| folder.join(text));
                Some(KeySource::File(path.display().to_string()))
            }
            ApiKeyEntry { env: None, file: None, command: Some(command) } => {
                if command.value.first().is_none_or(|program| program.trim().is_empty()) {
                    let hint =
                        "write a program and its arguments as a list: `command: [op, read, op://vault/key]`";
                    self.report("missing program in `command`", command.span, hint);
                    return None;
                }
                Some(KeySource::Command(command.value))
            }
            _ => {
                self.report("`api_key` needs exactly one of `env`, `file`, or `command`", key.span, hint);
                None
            }
        }
    }

    pub(super) fn resolve_auth(
        &mut self,
        auth: NameAndArgument,
        provider: &Spanned<String>,
    ) -> Option<AuthScheme> {
        let argument = auth.argument.as_ref().and_then(|a| a.value.as_str().map(str::to_owned));
        if let ("header", Some(name)) =
            (auth.name.value.as_str(), argument.as_deref().map(str::to_ascii_lowercase))
            && is_reserved_header(&name)
        {
            let span = auth.argument.and_then(|argument| argument.span).or(provider.span.clone());
            let hint = "use the header in which the provider expects its key";
            self.report(format!("header `{name}` cannot carry a key"), span, hint);
            return None;
        }
        Some(match (auth.name.value.as_str(), argument) {
            ("bearer", None) => AuthScheme::Bearer,
            ("none", None) => AuthScheme::None,
            ("sigv4", None) => AuthScheme::Sigv4,
            ("google", None) => AuthScheme::Google,
            ("header", Some(name)) if is_header_name(&name) => AuthScheme::Header(name.to_ascii_lowercase()),
            ("query", Some(name)) if is_parameter_name(&name) => AuthScheme::Query(name),
            (name, _) => {
                self.report(
                    format!("unknown auth scheme `{name}`"),
                    auth.name.span.or(provider.span.clone()),
                    "use `bearer`, `header: NAME`, `query: NAME`, `none`, `sigv4`, or `google`",
                );
                return None;
            }
        })
    }

    pub(super) fn apply_settings(
        &mut self,
        provider: &mut Provider,
        given: [(&str, Option<Spanned<String>>); 5],
    ) {
        for (name, value) in given {
            let Some(Spanned { value, span }) = value else { continue };
            let value = value.trim();
            if name == "api_version" && provider.hosting != Hosting::Azure {
                let hint = "for other hosts, set the version in `base_url`, `headers`, or `query`";
                self.report("`api_version` is supported only for Azure", span, hint);
            } else if !is_valid_setting(name, value) {
                let hint = "use letters, digits, and `-` only";
                self.report(format!("invalid `{name}`: cannot be part of a URL"), span, hint);
            } else if !is_setting_used(provider, name) {
                let hint = format!("add `{{{name}}}` to the `base_url`, or remove this setting");
                self.report(format!("`{}` does not use `{name}`", provider.name), span, hint);
            } else {
                provider.settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Adds headers to those of the dialect.
    pub(super) fn apply_headers(&mut self, provider: &mut Provider, given: SpannedMap<Spanned<String>>) {
        for (name, value) in given.0 {
            let lower = name.value.to_ascii_lowercase();
            let carries_key = matches!(&provider.auth, AuthScheme::Header(own) if *own == lower);
            if !is_header_name(&lower) {
                self.report("invalid header name", name.span, "use letters, digits, and `-`");
            } else if carries_key || is_secret_name(&lower) {
                let hint = "move the key to `api_key:` and set `auth: {header: NAME}`";
                self.report(format!("header `{lower}` would carry a key"), name.span, hint);
            } else if is_reserved_header(&lower) {
                let hint = "remove it: slalom sets this header itself";
                self.report(format!("header `{lower}` cannot be set"), name.span, hint);
            } else if !value.value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                let hint = "use plain ASCII on one line";
                self.report(format!("invalid value for header `{lower}`"), value.span, hint);
            } else {
                provider.headers.insert(lower, value.value);
            }
        }
    }

    /// Adds query parameters to those of the dialect.
    pub(super) fn apply_query(&mut self, provider: &mut Provider, given: SpannedMap<Spanned<String>>) {
        for (name, value) in given.0 {
            if !is_parameter_name(&name.value) {
                self.report(
                    "invalid query parameter name",
                    name.span,
                    "use letters, digits, `-`, `_`, and `.`",
                );
            } else if is_secret_name(&name.value.to_ascii_lowercase()) || name.value == "key" {
                let hint = "move the key to `api_key:` and set `auth: {query: NAME}`";
                self.report(format!("query parameter `{}` would carry a key", name.value), name.span, hint);
            } else {
                provider.query.insert(name.value, value.value);
            }
        }
    }

    /// Resolves the globs of models that use another dialect.
    pub(super) fn resolve_dialects(&mut self, given: SpannedMap<Vec<String>>) -> Vec<(Dialect, Vec<String>)> {
        let mut dialects = Vec::new();
        for (name, globs) in given.0 {
            match Dialect::from_name(&name.value) {
                Some(dialect) => dialects.push((dialect, globs)),
                None => {
                    let names: Vec<&str> = Dialect::all().map(Dialect::as_str).collect();
                    let hint = find_closest(&name.value, names.iter().copied()).map_or_else(
                        || format!("use one of {}", names.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.report(format!("unknown dialect `{}`", name.value), name.span, hint);
                }
            }
        }
        dialects
    }
}

/// Whether the provider uses a setting at all.
fn is_setting_used(provider: &Provider, name: &str) -> bool {
    match name {
        "api_version" => true,
        "region" if provider.auth == AuthScheme::Sigv4 => true,
        name => provider.base_url.contains(&format!("{{{name}}}")),
    }
}

/// Connection headers, and headers that slalom sets on every request.
const RESERVED_HEADERS: [&str; 11] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "expect",
];

/// Whether the user cannot set a header; `name` is lowercase.
fn is_reserved_header(name: &str) -> bool {
    RESERVED_HEADERS.contains(&name) || name.starts_with("proxy-")
}

/// Whether a header or parameter usually carries a secret, which must not be in the file; `name` is
/// lowercase.
fn is_secret_name(name: &str) -> bool {
    let has = |part: &str| name.contains(part);
    has("authorization")
        || has("api-key")
        || has("api_key")
        || has("apikey")
        || has("access_token")
        || has("cookie")
        || has("security-token")
        || name.ends_with("-auth")
        || name.starts_with("x-amz-")
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_parameter_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_variable_name(text: &str) -> bool {
    let is_word_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(is_word_char) && !text.starts_with(|c: char| c.is_ascii_digit())
}
