//! Where a provider is: the base URL out of its row, its settings and the environment.

use super::provider_row::BaseUrlVariable;
use super::signer::profile_region;
use super::target::TargetError;
use super::{AuthScheme, Environment, Provider, is_loopback};

/// Where the AWS SDKs look for a region before the profile.
const AWS_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The base URL of a provider, without a slash at its end.
pub(super) fn resolve_base_url(
    provider: &Provider,
    environment: &dyn Environment,
) -> Result<String, TargetError> {
    let moved = match &provider.base_url_variable {
        Some(variable) => base_url_from_variable(provider, variable, environment)?,
        None => None,
    };
    let template = moved.unwrap_or_else(|| {
        let special = resolve_setting(provider, "region", environment)
            .filter(|_| !provider.base_url_by_region.is_empty())
            .and_then(|region| provider.base_url_by_region.get(&region).cloned());
        special.unwrap_or_else(|| provider.base_url.clone())
    });
    let filled = fill_template(&template, |name| required_setting(provider, name, environment))?;
    validate_base_url(&filled, &provider.name)?;
    Ok(filled.trim_end_matches('/').to_owned())
}

/// A setting that must be there.
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
            let moves = provider.base_url_variable.as_ref().map(|variable| variable.name.clone());
            // A region is asked for by itself: signing needs it too.
            let whole = name != "region" && provider.base_url.contains(&format!("{{{name}}}"));
            let mut variables: Vec<String> = moves.into_iter().filter(|_| whole).collect();
            variables.extend(setting_variables(provider, name).map(str::to_owned));
            // The variable of a whole URL may be the same one that holds the setting.
            variables.dedup();
            Err(TargetError::NoSetting { provider: provider_name(), setting: name.to_owned(), variables })
        }
    }
}

/// A setting: what the file says, else a variable, else the AWS profile's region.
pub(super) fn resolve_setting(
    provider: &Provider,
    name: &str,
    environment: &dyn Environment,
) -> Option<String> {
    let set = |value: String| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    let said = provider.settings.get(name).cloned().and_then(set);
    let looked_up = || {
        setting_variables(provider, name).find_map(|variable| environment.variable(variable).and_then(set))
    };
    let of_profile = || {
        (name == "region" && provider.auth == AuthScheme::Sigv4)
            .then(|| profile_region(environment))
            .flatten()
    };
    said.or_else(looked_up).or_else(of_profile)
}

fn setting_variables<'a>(provider: &'a Provider, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let own = provider.setting_variables.get(name).map(Vec::as_slice).unwrap_or_default();
    let aws = name == "region" && provider.auth == AuthScheme::Sigv4;
    own.iter().map(String::as_str).chain(AWS_REGION.into_iter().filter(move |_| aws))
}

/// Whether a text can be put into a URL where the setting belongs, and leads to no other host by it.
pub fn is_valid_setting(name: &str, value: &str) -> bool {
    let more: &[char] = match name {
        "region" => &['-'],
        "project" => &['-', '_', '.', ':'],
        _ => &['-', '_', '.'],
    };
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
}

/// A template with every `{name}` replaced.
pub fn fill_template<E>(
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
    // Braces of the variable are no places for settings.
    if value.contains(['{', '}']) {
        return Err(bad());
    }
    let whole = match value.split_once("://") {
        Some(_) => value.to_owned(),
        None => {
            let scheme = provider.base_url.split_once("://").map_or("https", |(scheme, _)| scheme);
            format!("{scheme}://{}", with_default_port(value, variable.default_port))
        }
    };
    let mut url = reqwest::Url::parse(&whole).map_err(|_| bad())?;
    // OLLAMA_HOST is often the address that a server listens on.
    let own = match url.host_str() {
        Some("0.0.0.0") => Some("127.0.0.1"),
        Some("[::]") => Some("[::1]"),
        _ => None,
    };
    if let Some(own) = own {
        url.set_host(Some(own)).map_err(|_| bad())?;
    }
    Ok(Some(format!("{}{}", url.as_str().trim_end_matches('/'), variable.completed_by)))
}

/// A host without a scheme, with its port: OLLAMA_HOST is often no more than one of the two.
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
        // What follows the path may hold a key.
        base_url: base_url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}

fn validate_base_url(base_url: &str, provider: &str) -> Result<(), TargetError> {
    if base_url.contains('@') {
        return Err(TargetError::UserInfoInUrl { provider: provider.to_owned() });
    }
    let plain = |u: &reqwest::Url| {
        matches!(u.scheme(), "http" | "https") && u.query().is_none() && u.fragment().is_none()
    };
    match reqwest::Url::parse(base_url).ok().filter(plain) {
        Some(_) => Ok(()),
        None => Err(bad_url_error(base_url, provider)),
    }
}

/// Whether what is sent there can be read on its way.
pub(super) fn is_unencrypted(base_url: &str) -> bool {
    reqwest::Url::parse(base_url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}
