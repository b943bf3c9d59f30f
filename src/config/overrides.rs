//! `SLALOM_ROUTE_NAME`: other candidates for one deploy, without an edit.

use super::candidates::{What, Written, expand, nobody_left};
use super::diagnostic::nearest;
use super::routes::{Config, RouteSpec};
use super::subject::SubjectError;
use crate::provider::Environment;
use crate::route::Conditions;

/// What the name of each such variable begins with.
const PREFIX: &str = "SLALOM_ROUTE_";

/// The variable that replaces the candidates of a route.
fn variable_of(route: &str) -> String {
    format!("{PREFIX}{}", route.to_uppercase().replace(['-', '.'], "_"))
}

impl Config {
    /// The routes with the candidates that the environment names in the place of the file's.
    ///
    /// # Errors
    /// When a variable's value names no models, or two routes would take theirs from the same one.
    pub fn overridden(mut self, environment: &dyn Environment) -> Result<Self, SubjectError> {
        let mut found: Vec<(usize, String, Vec<Written>)> = Vec::new();
        for (n, route) in self.routes.iter().enumerate() {
            let variable = variable_of(&route.name);
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
            let written = self.named_in(&value, route).map_err(|error| SubjectError {
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
            self.overridden.push(format!("{variable} replaces the candidates of the route `{}`", route.name));
            route.written = written;
            route.overridden_by = Some(variable);
        }
        self.expanded_anew()
    }

    /// What there is to warn of in the names of variables: one that means no route, and may be misspelt.
    pub fn strange_overrides(&self, names: impl IntoIterator<Item = String>) -> Vec<String> {
        let known: Vec<String> = self.routes.iter().map(|route| variable_of(&route.name)).collect();
        let strange = names.into_iter().filter(|name| name.starts_with(PREFIX) && !known.contains(name));
        strange
            .map(|name| {
                let near = nearest(&name, known.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                format!("{name} is passed over: there is no route of that name{near}")
            })
            .collect()
    }

    /// The variables that took the place of the file's candidates in a route, or in one that it names, in turn.
    pub fn overrides_of(&self, route: &str) -> Vec<&str> {
        let mut names = vec![route];
        let mut variables = Vec::new();
        let mut at = 0;
        while let Some(name) = names.get(at) {
            at += 1;
            let Some(spec) = self.routes.iter().find(|spec| spec.name == *name) else { continue };
            variables.extend(spec.overridden_by.as_deref());
            for written in &spec.written {
                if let What::Route(other) = &written.what
                    && !names.contains(&other.as_str())
                {
                    names.push(other);
                }
            }
        }
        variables
    }

    fn expanded_anew(mut self) -> Result<Self, SubjectError> {
        let variables = |routes: &[&str]| {
            let named = |route: &&RouteSpec| routes.contains(&route.name.as_str());
            let set: Vec<&str> =
                self.routes.iter().filter(named).filter_map(|route| route.overridden_by.as_deref()).collect();
            set.join(", ")
        };
        let (candidates, misfits) = expand(&self.routes);
        if let Some(misfit) = misfits.into_iter().next() {
            let chain: Vec<&str> = misfit.chain.iter().map(String::as_str).collect();
            let message = format!("{}: {}", variables(&chain), misfit.message);
            return Err(SubjectError { message, hint: Some(misfit.hint.to_owned()) });
        }
        for (route, candidates) in self.routes.iter_mut().zip(candidates) {
            route.candidates = candidates;
        }
        for route in &self.routes {
            if let Some((why, hint)) = nobody_left(route, &self.catalog) {
                let set: Vec<&str> = self.routes.iter().filter_map(|r| r.overridden_by.as_deref()).collect();
                let message = format!("{}: {why}", route.overridden_by.clone().unwrap_or(set.join(", ")));
                return Err(SubjectError { message, hint: Some(hint.to_owned()) });
            }
        }
        Ok(self)
    }

    /// What a list of names means as the candidates of a route. What the file says of one that it has itself stays.
    fn named_in(&self, list: &str, route: &RouteSpec) -> Result<Vec<Written>, SubjectError> {
        let mut written: Vec<Written> = Vec::new();
        for name in list.split(',').map(str::trim) {
            if name.is_empty() {
                return Err(SubjectError {
                    message: "a name is missing beside a comma".to_owned(),
                    hint: Some("write models as `provider/model,provider/model`".to_owned()),
                });
            }
            let what = match name.strip_prefix("route:").map(str::trim) {
                Some(other) => self.route_of(other)?,
                None => What::Model(self.model_ref(name)?),
            };
            if written.iter().any(|other| other.what == what) {
                return Err(SubjectError {
                    message: format!("`{name}` stands twice"),
                    hint: Some("remove one of them".to_owned()),
                });
            }
            let (when, weight) = said_of(&what, route);
            written.push(Written { what, when, weight, span: None });
        }
        Ok(written)
    }

    fn route_of(&self, name: &str) -> Result<What, SubjectError> {
        if self.routes.iter().any(|route| route.name == name) {
            return Ok(What::Route(name.to_owned()));
        }
        let near = nearest(name, self.routes.iter().map(|route| route.name.as_str()));
        Err(SubjectError {
            message: format!("there is no route `{name}`"),
            hint: near.map(|near| format!("did you mean `route:{near}`?")),
        })
    }
}

/// The condition and the weight that a route's file gives to a candidate, where it has it once.
fn said_of(what: &What, route: &RouteSpec) -> (Conditions, f64) {
    let mut said: Vec<(Conditions, f64)> = Vec::new();
    match what {
        What::Model(model) => {
            said.extend(
                route.candidates.iter().filter(|c| c.model == *model).map(|c| (c.when.clone(), c.weight)),
            );
        }
        What::Route(_) => {
            said.extend(route.written.iter().filter(|w| w.what == *what).map(|w| (w.when.clone(), w.weight)));
        }
    }
    // Two conditions for one model cannot both be kept by one candidate.
    let only = if said.len() == 1 { said.pop() } else { None };
    only.unwrap_or((Conditions::default(), 1.0))
}
