//! `SLALOM_ROUTE_NAME`: other candidates for one deploy, without an edit.

use super::candidates::{CandidateRef, UnexpandedCandidate, expand_routes, explain_unusable_route};
use super::config_resolver::{Config, RouteSpec};
use super::diagnostic::find_closest;
use super::subject::SubjectError;
use crate::provider::Environment;
use crate::route::CandidateConditions;

/// What the name of each such variable begins with.
const OVERRIDE_PREFIX: &str = "SLALOM_ROUTE_";

/// The variable that replaces the candidates of a route.
fn override_variable(route: &str) -> String {
    format!("{OVERRIDE_PREFIX}{}", route.to_uppercase().replace(['-', '.'], "_"))
}

impl Config {
    /// The routes with the candidates that the environment names in the place of the file's.
    ///
    /// # Errors
    /// When a variable's value names no models, or two routes would take theirs from the same one.
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
                        "{variable} could mean the route `{other}` or the route `{}`",
                        route.name
                    ),
                    hint: Some("give one of them another name, or unset the variable".to_owned()),
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
                .push(format!("{variable} replaces the candidates of the route `{}`", route.name));
            route.unexpanded = written;
            route.overridden_by = Some(variable);
        }
        self.reexpand_routes()
    }

    /// What there is to warn of in the names of variables: one that means no route, and may be misspelt.
    pub fn find_unknown_overrides(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let known: Vec<String> = self.routes.iter().map(|route| override_variable(&route.name)).collect();
        let strange =
            names.into_iter().filter(|name| name.starts_with(OVERRIDE_PREFIX) && !known.contains(name));
        strange
            .map(|name| {
                let near = find_closest(&name, known.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                format!("{name} is passed over: there is no route of that name{near}")
            })
            .collect()
    }

    /// The variables that took the place of the file's candidates in a route, or in one that it names, in turn.
    pub fn override_variables(&self, route: &str) -> Vec<&str> {
        let mut names = vec![route];
        let mut variables = Vec::new();
        let mut at = 0;
        while let Some(name) = names.get(at) {
            at += 1;
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
        let (candidates, misfits) = expand_routes(&self.routes);
        if let Some(misfit) = misfits.into_iter().next() {
            let chain: Vec<&str> = misfit.route_path.iter().map(String::as_str).collect();
            let message = format!("{}: {}", variables(&chain), misfit.message);
            return Err(SubjectError { message, hint: Some(misfit.hint.to_owned()) });
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

    /// What a list of names means as the candidates of a route. What the file says of one that it has itself stays.
    fn parse_override(
        &self,
        list: &str,
        route: &RouteSpec,
    ) -> Result<Vec<UnexpandedCandidate>, SubjectError> {
        let mut written: Vec<UnexpandedCandidate> = Vec::new();
        for name in list.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(SubjectError {
                    message: "a name is missing beside a comma".to_owned(),
                    hint: Some("write models as `provider/model,provider/model`".to_owned()),
                });
            }
            let what = match name.strip_prefix("route:").map(str::trim) {
                Some(other) => self.find_route_ref(other)?,
                None => CandidateRef::Model(self.resolve_model_ref(name)?),
            };
            if written.iter().any(|other| other.target == what) {
                return Err(SubjectError {
                    message: format!("`{name}` stands twice"),
                    hint: Some("remove one of them".to_owned()),
                });
            }
            let (when, weight) = find_existing_settings(&what, route);
            written.push(UnexpandedCandidate { target: what, when, weight, span: None });
        }
        Ok(written)
    }

    fn find_route_ref(&self, name: &str) -> Result<CandidateRef, SubjectError> {
        if self.routes.iter().any(|route| route.name == name) {
            return Ok(CandidateRef::Route(name.to_owned()));
        }
        let near = find_closest(name, self.routes.iter().map(|route| route.name.as_str()));
        Err(SubjectError {
            message: format!("there is no route `{name}`"),
            hint: near.map(|near| format!("did you mean `route:{near}`?")),
        })
    }
}

/// The condition and the weight that a route's file gives to a candidate, where it has it once.
fn find_existing_settings(what: &CandidateRef, route: &RouteSpec) -> (CandidateConditions, f64) {
    let mut said: Vec<(CandidateConditions, f64)> = Vec::new();
    match what {
        CandidateRef::Model(model) => {
            said.extend(
                route.candidates.iter().filter(|c| c.model == *model).map(|c| (c.when.clone(), c.weight)),
            );
        }
        CandidateRef::Route(_) => {
            said.extend(
                route.unexpanded.iter().filter(|w| w.target == *what).map(|w| (w.when.clone(), w.weight)),
            );
        }
    }
    // Two conditions for one model cannot both be kept by one candidate.
    let only = if said.len() == 1 { said.pop() } else { None };
    only.unwrap_or((CandidateConditions::default(), 1.0))
}
