//! The parts of a provider in `routes.yaml`: its key, its way to authorise, settings, headers, query and dialects.

use super::config_resolver::ConfigResolver;
use super::diagnostic::find_closest;
use super::routes_file::ApiKeyEntry;
use super::yaml::{NameAndArgument, Spanned, SpannedMap};
use crate::dialect::Dialect;
use crate::provider::{AuthScheme, Hosting, KeySource, Provider, is_valid_setting};

impl ConfigResolver {
    /// Where the key is.
    pub(super) fn resolve_key_source(&mut self, key: Spanned<ApiKeyEntry>) -> Option<KeySource> {
        let hint =
            "write `{env: MY_KEY}`, `{file: PATH}` or `{command: [PROGRAM, ARGUMENT]}`, never the key itself";
        match key.value {
            ApiKeyEntry { env: Some(name), file: None, command: None } => {
                if !is_variable_name(&name.value) {
                    let hint = "write the name of a variable, never the key itself: `api_key: {env: MY_KEY}`";
                    self.report("`env` holds no name of a variable", name.span, hint);
                }
                Some(KeySource::Variable(name.value))
            }
            ApiKeyEntry { env: None, file: Some(path), command: None } => {
                let text = path.value.trim();
                if text.is_empty() {
                    self.report("`file` holds no path", path.span, hint);
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
                    self.report("`command` names no program", command.span, hint);
                    return None;
                }
                Some(KeySource::Command(command.value))
            }
            _ => {
                self.report("`api_key` takes one of `env`, `file` and `command`", key.span, hint);
                None
            }
        }
    }

    /// How requests are authorised.
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
            let hint = "name the header that the provider reads its key from";
            self.report(format!("the header `{name}` cannot carry a key"), span, hint);
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
                    format!("`{name}` is no way to authorise a request"),
                    auth.name.span.or(provider.span.clone()),
                    "write `bearer`, `header: NAME`, `query: NAME`, `none`, `sigv4` or `google`",
                );
                return None;
            }
        })
    }

    /// The settings of a base URL.
    pub(super) fn apply_settings(
        &mut self,
        provider: &mut Provider,
        given: [(&str, Option<Spanned<String>>); 5],
    ) {
        for (name, value) in given {
            let Some(Spanned { value, span }) = value else { continue };
            let value = value.trim();
            if name == "api_version" && provider.hosting != Hosting::Azure {
                let hint = "other hosts take theirs in `base_url`, `headers` or `query`";
                self.report("only Azure has an `api_version`", span, hint);
            } else if !is_valid_setting(name, value) {
                let hint = "write letters, digits and `-`; no slash, and no `@`";
                self.report(format!("`{name}` cannot be part of a URL"), span, hint);
            } else if !is_setting_used(provider, name) {
                let hint = format!("write `{{{name}}}` where it belongs in the `base_url`, or leave it out");
                self.report(format!("`{}` has no use for `{name}`", provider.name), span, hint);
            } else {
                provider.settings.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Headers beside the dialect's own.
    pub(super) fn apply_headers(&mut self, provider: &mut Provider, given: SpannedMap<Spanned<String>>) {
        for (name, value) in given.0 {
            let lower = name.value.to_ascii_lowercase();
            let carries = matches!(&provider.auth, AuthScheme::Header(own) if *own == lower);
            if !is_header_name(&lower) {
                self.report("this is no name of a header", name.span, "use letters, digits and `-`");
            } else if carries || is_secret_name(&lower) {
                let hint = "a key belongs under `api_key:`, and `auth: {header: NAME}` says how it is sent";
                self.report(format!("the header `{lower}` carries a key"), name.span, hint);
            } else if is_reserved_header(&lower) {
                let hint = "leave it out: it belongs to the connection or is set for each request";
                self.report(format!("the header `{lower}` cannot be set"), name.span, hint);
            } else if !value.value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                let hint = "write plain ASCII on one line";
                self.report(format!("the value of `{lower}` cannot be sent in a header"), value.span, hint);
            } else {
                provider.headers.insert(lower, value.value);
            }
        }
    }

    /// Query parameters beside the dialect's own.
    pub(super) fn apply_query(&mut self, provider: &mut Provider, given: SpannedMap<Spanned<String>>) {
        for (name, value) in given.0 {
            if !is_parameter_name(&name.value) {
                self.report(
                    "this is no name of a query parameter",
                    name.span,
                    "use letters, digits, `-`, `_` and `.`",
                );
            } else if is_secret_name(&name.value.to_ascii_lowercase()) || name.value == "key" {
                let hint = "a key belongs under `api_key:`, and `auth: {query: NAME}` says how it is sent";
                self.report(format!("the parameter `{}` carries a key", name.value), name.span, hint);
            } else {
                provider.query.insert(name.value, value.value);
            }
        }
    }

    /// Models that speak another dialect.
    pub(super) fn resolve_dialects(&mut self, given: SpannedMap<Vec<String>>) -> Vec<(Dialect, Vec<String>)> {
        let mut dialects = Vec::new();
        for (name, globs) in given.0 {
            match Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == name.value) {
                Some(dialect) => dialects.push((dialect, globs)),
                None => {
                    let names = Dialect::ALL.map(Dialect::as_str);
                    let hint = find_closest(&name.value, names).map_or_else(
                        || format!("the dialects are {}", names.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.report(format!("there is no dialect `{}`", name.value), name.span, hint);
                }
            }
        }
        dialects
    }
}

/// Whether a setting goes anywhere.
fn is_setting_used(provider: &Provider, name: &str) -> bool {
    match name {
        "api_version" => true,
        "region" if provider.auth == AuthScheme::Sigv4 => true,
        name => provider.base_url.contains(&format!("{{{name}}}")),
    }
}

/// Headers of the connection, and those that every request gets.
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

/// Whether a header of that name, in lower case, is not one's own to set.
fn is_reserved_header(name: &str) -> bool {
    RESERVED_HEADERS.contains(&name) || name.starts_with("proxy-")
}

/// Whether a header or a parameter of that name, in lower case, is meant for what must not stand in a file.
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
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit())
}
