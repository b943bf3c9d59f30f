//! Resolves names of models and routes: `provider/model`, an alias, or `route:NAME`.

use std::sync::Arc;

use super::Config;
use super::candidates::CandidateSpec;
use crate::chat::find_closest;
use crate::provider::{Environment, ModelRef, ModelRefError, Provider, Target};
use crate::route::{Candidate, Route};

/// A model or route to send prompts to, with the name it was resolved from.
#[derive(Clone, Debug)]
pub struct ResolvedSubject {
    /// The name as typed.
    pub name: String,
    /// A single model becomes a route with one candidate.
    pub route: Route,
}

/// A name that does not resolve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SubjectError {
    pub message: String,
    pub hint: Option<String>,
}

impl Config {
    /// Resolves a provider name or its alias; `None` if it is unknown.
    pub fn canonical_provider_name(&self, name: &str) -> Option<String> {
        let canonical = self.provider_aliases.get(name).map_or(name, String::as_str);
        self.providers.contains_key(canonical).then(|| canonical.to_owned())
    }

    /// Resolves a route, an alias, or a model reference.
    pub fn resolve_subject(
        &self,
        name: &str,
        environment: &dyn Environment,
    ) -> Result<ResolvedSubject, SubjectError> {
        let name = name.trim();
        let route = match name.strip_prefix("route:") {
            Some(route) => self.build_route(route, environment)?,
            None => {
                let model_ref = self.resolve_model_ref(name)?;
                let candidate = self.build_candidate(&model_ref, environment);
                let candidates = vec![self.block_redirected(name, candidate)];
                Route { name: None, candidates, policy: self.default_policy.clone() }
            }
        };
        Ok(ResolvedSubject { name: name.to_owned(), route })
    }

    /// The prompt variable that selects the candidate, if `name` is a route with `sticky_by`.
    pub fn sticky_variable_of(&self, name: &str) -> Option<&str> {
        let name = name.trim().strip_prefix("route:")?;
        let spec = self.routes.iter().find(|route| route.name == name)?;
        spec.policy.strategy.order().sticky_variable()
    }

    pub fn build_route(&self, name: &str, environment: &dyn Environment) -> Result<Route, SubjectError> {
        let Some(spec) = self.routes.iter().find(|r| r.name == name) else {
            let names: Vec<&str> = self.routes.iter().map(|r| r.name.as_str()).collect();
            let hint = match find_closest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => {
                    format!("add it under `routes:` in {}", self.source_file.display_name)
                }
                None => format!(
                    "use one of the routes in {}: {}",
                    self.source_file.display_name,
                    names.join(", ")
                ),
            };
            return Err(SubjectError { message: format!("unknown route `{name}`"), hint: Some(hint) });
        };
        let full_name = format!("route:{name}");
        let candidate = |spec: &CandidateSpec| Candidate {
            when: spec.when.clone(),
            weight: spec.weight,
            ..self.block_redirected(&full_name, self.build_candidate(&spec.model, environment))
        };
        let candidates = spec.candidates.iter().map(candidate).collect();
        Ok(Route { name: Some(spec.name.clone()), candidates, policy: spec.policy.clone() })
    }

    /// Resolves a model reference or alias.
    pub fn resolve_model_ref(&self, name: &str) -> Result<ModelRef, SubjectError> {
        if let Some(model) = self.aliases.get(name) {
            return Ok(model.clone());
        }
        let model: ModelRef = name.parse().map_err(|error: ModelRefError| {
            let near = find_closest(name, self.aliases.keys().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?"));
            let is_route = self.routes.iter().any(|r| r.name == name);
            // Reading the whole catalog takes milliseconds, and no model has such a name.
            let can_be_model = !name.starts_with("route:");
            let in_catalog = || self.catalog.all().into_iter().find(|facts| facts.model == name);
            let hint = if is_route {
                format!("did you mean `route:{name}`?")
            } else if let Some(facts) = can_be_model.then(in_catalog).flatten() {
                format!("did you mean `{}/{name}`?", facts.provider)
            } else if self.providers.contains_key(name) {
                format!("add a model name to the provider: `{name}/MODEL`")
            } else if let Some(near) = near {
                near
            } else {
                ModelRefError::HINT.to_owned()
            };
            let hint = Some(hint);
            SubjectError { message: error.to_string(), hint }
        })?;
        let model = model.with_canonical_provider(&self.provider_aliases);
        if self.providers.contains_key(&model.provider) {
            return Ok(model);
        }
        let near = find_closest(&model.provider, self.providers.keys().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `{near}/{}`?", model.model),
            None => "run `slalom check` to list the providers, or add one under `providers:` in routes.yaml"
                .to_owned(),
        };
        Err(SubjectError { message: format!("unknown provider `{}`", model.provider), hint: Some(hint) })
    }

    /// Points the simulated providers without an address at a running simulator.
    pub fn set_simulator_url(&mut self, url: &str) {
        for provider in self.providers.values_mut() {
            if let Some(path) = provider.base_url.strip_prefix("sim:") {
                let updated = Provider { base_url: format!("{url}{path}"), ..(**provider).clone() };
                *provider = Arc::new(updated);
            }
        }
    }

    /// Whether the model needs a simulator that has not been started yet.
    pub fn has_simulator_placeholder(&self, model: &ModelRef) -> bool {
        self.providers.get(&model.provider).is_some_and(|p| p.base_url.starts_with("sim:"))
    }

    fn build_candidate(&self, model_ref: &ModelRef, environment: &dyn Environment) -> Candidate {
        // Model references in routes were checked when the file was resolved.
        let target = match self.providers.get(&model_ref.provider) {
            Some(provider) => Target::resolve(model_ref.clone(), provider, &self.catalog, environment),
            None => Err(crate::provider::TargetError::BadUrl {
                provider: model_ref.provider.clone(),
                base_url: String::new(),
            }),
        };
        Candidate::new(model_ref.clone(), target)
    }
}
