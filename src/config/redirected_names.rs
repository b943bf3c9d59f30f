//! Names that an untrusted `routes.yaml` must not redirect to its own provider.
//!
//! A user who types `haiku`, or no model at all, expects the built-in meaning. A project file may change it,
//! but prompts go to a server that the file itself names only after the user trusts the file.

use super::Config;
use super::config_file::BUILT_IN_ROUTES;
use super::diagnostic::ConfigError;
use super::routes_file::RoutesFile;
use super::yaml;
use crate::provider::TargetError;
use crate::route::Candidate;

/// Whether the built-in `routes.yaml` has this alias, or this `route:NAME`. If that file were invalid, every
/// name would count as built in, so that nothing is permitted by mistake.
fn is_built_in_name(name: &str) -> bool {
    let file: Result<RoutesFile, ConfigError> = yaml::parse("the built-in routes.yaml", BUILT_IN_ROUTES);
    file.map_or(true, |file| match name.strip_prefix("route:") {
        Some(route) => file.routes.0.iter().any(|(known, _)| known.value == route),
        None => file.aliases.0.iter().any(|(known, _)| known.value == name),
    })
}

impl Config {
    /// Blocks a candidate of the file's own provider that was reached through a built-in alias or route, or
    /// through the default route.
    pub(super) fn block_redirected(&self, name: &str, candidate: Candidate) -> Candidate {
        let provider = &candidate.model_ref.provider;
        if self.is_trusted || candidate.target.is_err() || !self.own_providers.contains(provider) {
            return candidate;
        }
        let default = self.default_route.as_deref();
        let is_default = name.strip_prefix("route:").is_some_and(|route| Some(route) == default);
        let what = match () {
            () if is_built_in_name(name) => "a built-in name",
            () if is_default => "the default route",
            () => return candidate,
        };
        let name = name.strip_prefix("route:").unwrap_or(name);
        let why = format!("{} redirects `{name}` ({what}) to this provider", self.source_file.display_name);
        let target = Err(TargetError::Untrusted { provider: provider.clone(), why });
        Candidate { target, ..candidate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_name_cases() {
        for name in ["haiku", "opus", "route:everyday", "route:demo"] {
            assert!(is_built_in_name(name), "{name}");
        }
        for name in ["everyday", "route:haiku", "mine", "route:mine", "anthropic/claude-haiku-5-5"] {
            assert!(!is_built_in_name(name), "{name}");
        }
    }
}
