//! Resolves a provider's base URL from its row, its settings, and the environment.

use super::provider_row::BaseUrlVariable;
use super::signer::profile_region;
use super::{AuthScheme, Environment, Provider, TargetError, is_loopback};

/// The AWS SDKs check these before the profile.
const AWS_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The base URL, without a trailing slash.
pub(super) fn resolve_base_url(
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<String, TargetError> {
    let overridden = match &provider.base_url_variable {
        Some(variable) => base_url_from_variable(provider, variable, environment)?,
        None => None,
    };
    let template = overridden.unwrap_or_else(|| {
        let regional = resolve_setting(provider, "region", environment)
            .filter(|_| !provider.base_url_by_region.is_empty())
            .and_then(|region| provider.base_url_by_region.get(&region).cloned());
        regional.unwrap_or_else(|| provider.base_url.clone())
    });
    let filled = fill_template(&template, |name| required_setting(provider, name, environment))?;
    validate_base_url(&filled, &provider.name)?;
    Ok(filled.trim_end_matches('/').to_owned())
}

pub(super) fn required_setting(
    provider: &Provider,
    name: &str,
    environment: &dyn Environment,
) -> Result<String, TargetError> {
    let provider_name = || provider.name.clone();
    match resolve_setting(provider, name, environment) {
        Some(value) if is_valid_setting(name, &value) => Ok(value),
        Some(_) => Err(TargetError::BadSetting { provider: provider_name(), setting: name.to_owned() }),
        None => {
            let url_variable = provider.base_url_variable.as_ref().map(|variable| variable.name.clone());
            // A missing region is reported on its own, because signing needs it too.
            let is_in_url = name != "region" && provider.base_url.contains(&format!("{{{name}}}"));
            let mut variables: Vec<String> = url_variable.into_iter().filter(|_| is_in_url).collect();
            variables.extend(setting_variables(provider, name).map(str::to_owned));
            // The same variable may be listed for the whole URL and for the setting.
            variables.dedup();
            Err(TargetError::NoSetting { provider: provider_name(), setting: name.to_owned(), variables })
        }
    }
}

/// A setting from `routes.yaml`, else from a variable, else from the AWS profile (region only).
pub(super) fn resolve_setting(
    provider: &Provider,
    name: &str,
    environment: &dyn Environment,
) -> Option<String> {
    let non_empty = |value: String| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    let configured = provider.settings.get(name).cloned().and_then(non_empty);
    let from_environment = || {
        setting_variables(provider, name)
            .find_map(|variable| environment.variable(variable).and_then(non_empty))
    };
    let from_profile = || {
        (name == "region" && provider.auth == AuthScheme::Sigv4)
            .then(|| profile_region(environment))
            .flatten()
    };
    configured.or_else(from_environment).or_else(from_profile)
}

fn setting_variables<'a>(provider: &'a Provider, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let own = provider.setting_variables.get(name).map(Vec::as_slice).unwrap_or_default();
    let aws = name == "region" && provider.auth == AuthScheme::Sigv4;
    own.iter().map(String::as_str).chain(AWS_REGION.into_iter().filter(move |_| aws))
}

/// Whether a value is safe in a URL template: it cannot change the host.
pub(crate) fn is_valid_setting(name: &str, value: &str) -> bool {
    let extra: &[char] = match name {
        "region" => &['-'],
        "project" => &['-', '_', '.', ':'],
        _ => &['-', '_', '.'],
    };
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(&c))
}

/// Replaces every `{name}` in a template.
pub(crate) fn fill_template<E>(
    template: &str,
    mut fill: impl FnMut(&str) -> Result<String, E>,
) -> Result<String, E> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(before);
        text.push_str(&fill(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn base_url_from_variable(
    provider: &Provider,
    variable: &BaseUrlVariable,
    environment: &dyn Environment,
) -> Result<Option<String>, TargetError> {
    let Some(value) = environment.variable(&variable.name).filter(|v| !v.trim().is_empty()) else {
        return Ok(None);
    };
    let value = value.trim();
    if value.contains('@') {
        return Err(TargetError::UserInfoInUrl { provider: provider.name.clone() });
    }
    let bad = || bad_url_error(value, &provider.name);
    // A variable's value is not a template.
    if value.contains(['{', '}']) {
        return Err(bad());
    }
    let full_url = match value.split_once("://") {
        Some(_) => value.to_owned(),
        None => {
            let scheme = provider.base_url.split_once("://").map_or("https", |(scheme, _)| scheme);
            format!("{scheme}://{}", with_default_port(value, variable.default_port))
        }
    };
    let mut url = reqwest::Url::parse(&full_url).map_err(|_| bad())?;
    // OLLAMA_HOST is often the address that a server listens on; clients cannot connect to `0.0.0.0`
    // everywhere.
    let loopback = match url.host_str() {
        Some("0.0.0.0") => Some("127.0.0.1"),
        Some("[::]") => Some("[::1]"),
        _ => None,
    };
    if let Some(loopback) = loopback {
        url.set_host(Some(loopback)).map_err(|_| bad())?;
    }
    Ok(Some(format!("{}{}", url.as_str().trim_end_matches('/'), variable.completed_by)))
}

/// Adds the default port to a host without a scheme. OLLAMA_HOST is often just a host or just a port.
fn with_default_port(value: &str, default: Option<u16>) -> String {
    let (host, path) = value.split_at(value.find(['/', '?', '#']).unwrap_or(value.len()));
    let host = match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) if host.starts_with(':') => format!("127.0.0.1{host}"),
        Err(_) => host.to_owned(),
    };
    let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    match default.filter(|_| !has_port) {
        Some(port) => format!("{host}:{port}{path}"),
        None => format!("{host}{path}"),
    }
}

fn bad_url_error(base_url: &str, provider: &str) -> TargetError {
    TargetError::BadUrl {
        provider: provider.to_owned(),
        // A query may contain a key.
        base_url: base_url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

fn validate_base_url(base_url: &str, provider: &str) -> Result<(), TargetError> {
    if base_url.contains('@') {
        return Err(TargetError::UserInfoInUrl { provider: provider.to_owned() });
    }
    let is_plain = |u: &reqwest::Url| {
        matches!(u.scheme(), "http" | "https") && u.query().is_none() && u.fragment().is_none()
    };
    match reqwest::Url::parse(base_url).ok().filter(is_plain) {
        Some(_) => Ok(()),
        None => Err(bad_url_error(base_url, provider)),
    }
}

/// Whether requests to this URL can be read in transit.
pub(super) fn is_unencrypted(base_url: &str) -> bool {
    reqwest::Url::parse(base_url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}
