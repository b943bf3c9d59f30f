//! Why a provider in a project's `routes.yaml` may need the user's trust.

use crate::provider::{AuthScheme, KeySource, Provider, is_loopback};

/// Returns why a provider needs trust: it would run a command, read a file, send a key to another host, with
/// another auth scheme, or with extra headers or parameters, or send prompts to a remote host or to another
/// host than the built-in provider's. `built_in` is the row that has this name or alias.
pub(super) fn find_trust_requirement(provider: &Provider, built_in: Option<&Provider>) -> Option<String> {
    let name = &provider.name;
    match &provider.key_source {
        Some(KeySource::Command(_)) if provider.auth != AuthScheme::None => {
            return Some(format!("`{name}` would run a command"));
        }
        Some(KeySource::File(_)) if provider.auth != AuthScheme::None => {
            return Some(format!("`{name}` would read a key from a file"));
        }
        _ => {}
    }
    if let (Some(KeySource::Variable(variable)), Some(own)) = (&provider.key_source, built_in)
        && !own.secret_variables().any(|known| known == variable)
    {
        // A built-in host may get its own key, but no other environment variable.
        return Some(format!("`{name}` would send the value of {variable}"));
    }
    if provider.can_send_key() && built_in.is_some_and(|own| own.auth != provider.auth) {
        // In another part of the request, a key might be logged on the way.
        return Some(format!("`{name}` would send its key with a different auth scheme"));
    }
    let host = url_origin(&provider.base_url);
    let is_own_host = keeps_host(provider, built_in);
    if provider.can_send_key() && !is_own_host {
        return Some(format!("`{name}` would send a key to {host}"));
    }
    let variables =
        provider.setting_variables.keys().any(|name| provider.base_url.contains(&format!("{{{name}}}")));
    if variables && !is_own_host {
        return Some(format!("`{name}` would send your settings to {host}"));
    }
    let extra = !provider.headers.is_empty() || !provider.query.is_empty();
    if provider.can_send_key() && extra {
        // A header can tell a gateway where to forward the request.
        return Some(format!("`{name}` would send the file's headers or query parameters along with a key"));
    }
    if provider.can_send_key() && built_in.is_some_and(|own| provider.allow_http && !own.allow_http) {
        return Some(format!("`{name}` would send a key over plain HTTP"));
    }
    // A server on this machine that the file adds gets only prompts that name it (see `redirected_names`).
    let is_added = built_in.is_none_or(|row| row.simulated) && is_loopback_url(&provider.base_url);
    (!is_own_host && !is_added).then(|| format!("`{name}` would send prompts to {host}"))
}

/// Whether requests still go to the built-in provider's host.
pub(super) fn keeps_host(provider: &Provider, built_in: Option<&Provider>) -> bool {
    let host = url_origin(&provider.base_url);
    built_in.is_some_and(|own| url_origin(&own.base_url) == host && is_host_unchanged(provider))
}

/// Whether the file's settings leave the host unchanged. Every region belongs to the provider.
fn is_host_unchanged(provider: &Provider) -> bool {
    let host =
        provider.base_url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let chosen = |name: &String| name != "region" && host.contains(&format!("{{{name}}}"));
    !provider.settings.keys().any(chosen)
}

/// Scheme, host, and port. A host with placeholders stays a template, because a filled-in value could be the
/// name of a different host.
fn url_origin(base_url: &str) -> String {
    let after = base_url.find("://").map_or(base_url.len(), |at| at + 3);
    let (scheme, rest) = base_url.split_at(after);
    let host = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let written = format!("{scheme}{host}");
    if host.contains('{') {
        return written;
    }
    reqwest::Url::parse(&written).map_or(written, |url| url.origin().ascii_serialization())
}

pub(super) fn is_loopback_url(base_url: &str) -> bool {
    reqwest::Url::parse(base_url).is_ok_and(|url| is_loopback(&url))
}
