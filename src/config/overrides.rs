//! `SLALOM_ROUTE_NAME` variables, which replace a route's candidates for one deployment.

use super::candidates::{CandidateRef, UnexpandedCandidate, expand_routes, explain_unusable_route};
use super::config_resolver::{Config, RouteSpec};
use super::subject::SubjectError;
use crate::chat::find_closest;
use crate::provider::Environment;
use crate::route::CandidateConditions;

const OVERRIDE_PREFIX: &str = "SLALOM_ROUTE_";

fn override_variable(route: &str) -> String {
    format!("{OVERRIDE_PREFIX}{}", route.to_uppercase().replace(['-', '.'], "_"))
}

impl Config {
    /// Replaces the candidates of routes that have an override in the environment. Fails if two routes share
    /// a variable.
    pub fn apply_overrides(mut self, environment: &dyn Environment) -> Result<Self, SubjectError> {
        let mut found: Vec<(usize, String, Vec<UnexpandedCandidate>)> = Vec::new();
        for (n, route) in self.routes.iter().enumerate() {
            let variable = override_variable(&route.name);
            let Some(value) = environment.variable(&variable).filter(|value| !value.trim().is_empty()) else {
                continue;
            };
            if let Some((other, _, _)) = found.iter().find(|(_, taken, _)| *taken == variable) {
                let other = &self.routes[*other].name;
                return Err(SubjectError {
                    message: format!(
                        "ambiguous variable {variable}: it matches routes `{other}` and `{}`",
                        route.name
                    ),
                    hint: Some("rename one of the routes, or unset the variable".to_owned()),
                });
            }
            let written = self.parse_override(&value, route).map_err(|error| SubjectError {
                message: format!("{variable}: {}", error.message),
                hint: error.hint,
            })?;
            found.push((n, variable, written));
        }
        if found.is_empty() {
            return Ok(self);
        }
        for (n, variable, written) in found {
            let route = &mut self.routes[n];
            self.override_notes
                .push(format!("{variable} overrides the candidates of route `{}`", route.name));
            route.unexpanded = written;
            route.overridden_by = Some(variable);
        }
        self.reexpand_routes()
    }

    /// Warns about override variables that match no route, probably because of a typo.
    pub fn find_unknown_overrides(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let known: Vec<String> = self.routes.iter().map(|route| override_variable(&route.name)).collect();
        let unknown =
            names.into_iter().filter(|name| name.starts_with(OVERRIDE_PREFIX) && !known.contains(name));
        unknown
            .map(|name| {
                let near = find_closest(&name, known.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                format!("ignoring {name}: unknown route{near}")
            })
            .collect()
    }

    /// The overrides that affect a route, directly or through the routes it refers to.
    pub fn override_variables(&self, route: &str) -> Vec<&str> {
        let mut names = vec![route];
        let mut variables = Vec::new();
        let mut index = 0;
        while let Some(name) = names.get(index) {
            index += 1;
            let Some(spec) = self.routes.iter().find(|spec| spec.name == *name) else { continue };
            variables.extend(spec.overridden_by.as_deref());
            for written in &spec.unexpanded {
                if let CandidateRef::Route(other) = &written.target
                    && !names.contains(&other.as_str())
                {
                    names.push(other);
                }
            }
        }
        variables
    }

    fn reexpand_routes(mut self) -> Result<Self, SubjectError> {
        let variables = |routes: &[&str]| {
            let named = |route: &&RouteSpec| routes.contains(&route.name.as_str());
            let set: Vec<&str> =
                self.routes.iter().filter(named).filter_map(|route| route.overridden_by.as_deref()).collect();
            set.join(", ")
        };
        let (candidates, errors) = expand_routes(&self.routes);
        if let Some(error) = errors.into_iter().next() {
            let chain: Vec<&str> = error.route_path.iter().map(String::as_str).collect();
            let message = format!("{}: {}", variables(&chain), error.message);
            return Err(SubjectError { message, hint: Some(error.hint.to_owned()) });
        }
        for (route, candidates) in self.routes.iter_mut().zip(candidates) {
            route.candidates = candidates;
        }
        for route in &self.routes {
            if let Some((why, hint)) = explain_unusable_route(route, &self.catalog) {
                let set: Vec<&str> = self.routes.iter().filter_map(|r| r.overridden_by.as_deref()).collect();
                let message = format!("{}: {why}", route.overridden_by.clone().unwrap_or(set.join(", ")));
                return Err(SubjectError { message, hint: Some(hint.to_owned()) });
            }
        }
        Ok(self)
    }

    /// Parses a list of candidates. Those that the file's route already has keep their conditions and
    /// weights.
    fn parse_override(
        &self,
        list: &str,
        route: &RouteSpec,
    ) -> Result<Vec<UnexpandedCandidate>, SubjectError> {
        let mut written: Vec<UnexpandedCandidate> = Vec::new();
        for name in list.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(SubjectError {
                    message: "empty name in the list".to_owned(),
                    hint: Some("use `provider/model,provider/model`".to_owned()),
                });
            }
            let target = match name.strip_prefix("route:").map(str::trim) {
                Some(other) => self.find_route_ref(other)?,
                None => CandidateRef::Model(self.resolve_model_ref(name)?),
            };
            if written.iter().any(|other| other.target == target) {
                return Err(SubjectError {
                    message: format!("duplicate candidate `{name}`"),
                    hint: Some("remove one of them".to_owned()),
                });
            }
            let (when, weight) = find_existing_settings(&target, route);
            written.push(UnexpandedCandidate { target, when, weight, span: None });
        }
        Ok(written)
    }

    fn find_route_ref(&self, name: &str) -> Result<CandidateRef, SubjectError> {
        if self.routes.iter().any(|route| route.name == name) {
            return Ok(CandidateRef::Route(name.to_owned()));
        }
        let near = find_closest(name, self.routes.iter().map(|route| route.name.as_str()));
        Err(SubjectError {
            message: format!("unknown route `{name}`"),
            hint: near.map(|near| format!("did you mean `route:{near}`?")),
        })
    }
}

/// The condition and weight that the route in the file gives a candidate, if it lists the candidate exactly
/// once.
fn find_existing_settings(target: &CandidateRef, route: &RouteSpec) -> (CandidateConditions, f64) {
    let mut settings: Vec<(CandidateConditions, f64)> = Vec::new();
    match target {
        CandidateRef::Model(model) => {
            settings.extend(
                route.candidates.iter().filter(|c| c.model == *model).map(|c| (c.when.clone(), c.weight)),
            );
        }
        CandidateRef::Route(_) => {
            settings.extend(
                route.unexpanded.iter().filter(|w| w.target == *target).map(|w| (w.when.clone(), w.weight)),
            );
        }
    }
    // Two conditions for one model cannot be merged into one candidate.
    let only = if settings.len() == 1 { settings.pop() } else { None };
    only.unwrap_or((CandidateConditions::default(), 1.0))
}
