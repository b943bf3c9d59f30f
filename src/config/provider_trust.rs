//! What a provider of a project's `routes.yaml` would do that only a trusted file may ask for.

use crate::provider::{AuthScheme, KeySource, Provider, is_loopback};

/// Why a provider needs trust: it would run a command or read a file, send a key anywhere but to its own host over its own
/// scheme or along with words of the file's, or take prompts meant for a built-in provider to another machine. `built_in`
/// is the row of its name, or of which its name is another name.
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
        // A built-in host is trusted with its own key, and not with whatever else the environment holds.
        return Some(format!("`{name}` would send what {variable} holds"));
    }
    if provider.can_send_key() && built_in.is_some_and(|own| own.auth != provider.auth) {
        // Elsewhere in a request a key may be written down on its way.
        return Some(format!("`{name}` would send its key another way"));
    }
    let host = url_origin(&provider.base_url);
    let own = keeps_host(provider, built_in);
    if provider.can_send_key() && !own {
        return Some(format!("`{name}` would send a key to {host}"));
    }
    let variables =
        provider.setting_variables.keys().any(|name| provider.base_url.contains(&format!("{{{name}}}")));
    if variables && !own {
        return Some(format!("`{name}` would send settings of yours to {host}"));
    }
    let extra = !provider.headers.is_empty() || !provider.query.is_empty();
    if provider.can_send_key() && extra {
        // A gateway may be told by a header where to send what it gets.
        return Some(format!("`{name}` would send headers or a query of the file's along with a key"));
    }
    if provider.can_send_key() && built_in.is_some_and(|own| provider.allow_http && !own.allow_http) {
        return Some(format!("`{name}` would send a key over plain HTTP"));
    }
    // A server on this machine that the file adds gets only prompts that name it; see `redirected_names`.
    let is_added = built_in.is_none_or(|row| row.simulated) && is_loopback_url(&provider.base_url);
    (!own && !is_added).then(|| format!("`{name}` would send prompts to {host}"))
}

/// Whether requests still go to the built-in provider's own host.
pub(super) fn keeps_host(provider: &Provider, built_in: Option<&Provider>) -> bool {
    let host = url_origin(&provider.base_url);
    built_in.is_some_and(|own| url_origin(&own.base_url) == host && is_host_unchanged(provider))
}

/// Whether the file leaves alone whose host is asked. A region is the vendor's own in any case.
fn is_host_unchanged(provider: &Provider) -> bool {
    let host =
        provider.base_url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let chosen = |name: &String| name != "region" && host.contains(&format!("{{{name}}}"));
    !provider.settings.keys().any(chosen)
}

/// Scheme, host and port. A host with places for settings stays as it is written: whatever stood for them could also be
/// the name of somebody's host.
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
