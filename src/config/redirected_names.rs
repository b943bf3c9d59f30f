//! Names that an untrusted `routes.yaml` must not redirect to its own provider.
//!
//! A user who types `haiku`, or no model at all, expects the built-in meaning. A project file may change it,
//! but prompts go to a server that the file itself names only after the user trusts the file.

use std::collections::HashSet;

use super::Config;
use super::config_file::BUILT_IN_ROUTES;
use super::routes_file::RoutesFile;
use super::yaml;
use crate::provider::TargetError;
use crate::route::Candidate;

/// Aliases and routes of the built-in `routes.yaml`.
fn built_in_names() -> HashSet<String> {
    let file: Option<RoutesFile> = yaml::parse("the built-in routes.yaml", BUILT_IN_ROUTES).ok();
    let Some(file) = file else { return HashSet::new() };
    let aliases = file.aliases.0.into_iter().map(|(name, _)| name.value);
    aliases.chain(file.routes.0.into_iter().map(|(name, _)| format!("route:{}", name.value))).collect()
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
            () if built_in_names().contains(name) => "a built-in name",
            () if is_default => "the default route",
            () => return candidate,
        };
        let name = name.strip_prefix("route:").unwrap_or(name);
        let why = format!("{} redirects `{name}` ({what}) to this provider", self.source_file.display_name);
        let target = Err(TargetError::Untrusted { provider: provider.clone(), why });
        Candidate { target, ..candidate }
    }
}
