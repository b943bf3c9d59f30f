//! Resolves the candidates of routes and expands references to other routes.

use std::collections::HashMap;
use std::ops::Range;

use super::conditions::{covers, intersect};
use super::config_resolver::{ConfigResolver, RouteSpec};
use super::route_entry::CandidateEntry;
use super::yaml::{Spanned, StringOrMap};
use crate::catalog::Catalog;
use crate::provider::ModelRef;
use crate::route::{CandidateConditions, WEIGHT_HINT, is_valid_weight, strategies_with_weights};

/// Deeper nesting is unreadable, and each level uses stack space.
const MAX_ROUTE_DEPTH: usize = 16;

/// More candidates are almost certainly a mistake, and every pair is compared.
const MAX_CANDIDATES: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub struct CandidateSpec {
    pub model: ModelRef,
    /// The requests for which the candidate is used.
    pub when: CandidateConditions,
    /// Share of the calls of a weighted route, relative to the others; 1 in all other routes.
    pub weight: f64,
}

/// A candidate before references to routes are expanded.
#[derive(Clone, Debug)]
pub(super) struct UnexpandedCandidate {
    pub target: CandidateRef,
    pub when: CandidateConditions,
    pub weight: f64,
    /// `None` if it came from an environment variable.
    pub span: Option<Range<usize>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum CandidateRef {
    Model(ModelRef),
    Route(String),
}

#[derive(Clone, Debug)]
pub(super) struct RouteExpansionError {
    pub message: String,
    pub hint: &'static str,
    pub span: Option<Range<usize>>,
    /// The chain of routes that leads to the error.
    pub route_path: Vec<String>,
}

impl ConfigResolver {
    /// The candidates of one route before expansion.
    pub(super) fn resolve_candidates(
        &mut self,
        route: &str,
        entries: Vec<Spanned<StringOrMap<CandidateEntry>>>,
        weighted: bool,
    ) -> Vec<UnexpandedCandidate> {
        let mut written: Vec<UnexpandedCandidate> = Vec::new();
        for Spanned { value, span } in entries {
            let (model, weight, when) = match value {
                StringOrMap::String(word) => (Spanned { value: word, span }, None, None),
                StringOrMap::Map(entry) => (entry.model, entry.weight, entry.when),
            };
            if let Some(weight) = weight.as_ref().filter(|_| !weighted) {
                let strategies = strategies_with_weights();
                self.report(
                    format!("`weight` has no effect in a route that is not {}", strategies.joined()),
                    weight.span.clone(),
                    format!("add {} to the route, or remove the weight", strategies.as_settings()),
                );
            }
            let weight = self.resolve_weight(weight.as_ref());
            let condition = when.as_ref().map(|when| Spanned { value: (), span: when.span.clone() });
            let when = when.map(|when| self.resolve_conditions(when.value)).unwrap_or_default();
            let Some(target) = self.resolve_candidate_ref(&model) else { continue };
            if let (CandidateRef::Model(model), Some(condition)) = (&target, condition) {
                self.check_can_be_tried(model, &when, &condition);
            }
            let span = model.span;
            if written.iter().any(|other| other.target == target && covers(&other.when, &when)) {
                self.report(
                    format!("duplicate candidate `{}` in route `{route}`", format_candidate_ref(&target)),
                    span.clone(),
                    "remove one of them",
                );
            }
            written.push(UnexpandedCandidate { target, when, weight, span });
        }
        written
    }

    fn resolve_candidate_ref(&mut self, written: &Spanned<String>) -> Option<CandidateRef> {
        let Some(route) = written.value.strip_prefix("route:") else {
            return self.resolve_model(written).map(CandidateRef::Model);
        };
        let route = route.trim();
        if self.route_names.iter().any(|name| name == route) {
            return Some(CandidateRef::Route(route.to_owned()));
        }
        self.report_unknown_route(route, written.span.clone());
        None
    }

    fn resolve_weight(&mut self, written: Option<&Spanned<f64>>) -> f64 {
        let Some(weight) = written else { return 1.0 };
        if !is_valid_weight(weight.value) {
            self.report(format!("invalid weight `{}`", weight.value), weight.span.clone(), WEIGHT_HINT);
            return 1.0;
        }
        weight.value
    }
}

fn format_candidate_ref(target: &CandidateRef) -> String {
    match target {
        CandidateRef::Model(model) => model.to_string(),
        CandidateRef::Route(route) => format!("route:{route}"),
    }
}

/// Expands all references to routes. Returns the candidates of each route, and the errors found.
pub(super) fn expand_routes(routes: &[RouteSpec]) -> (Vec<Vec<CandidateSpec>>, Vec<RouteExpansionError>) {
    let mut expansion = RouteExpander {
        routes: routes.iter().map(|route| (route.name.as_str(), route)).collect(),
        done: HashMap::new(),
        errors: Vec::new(),
    };
    let all = routes.iter().map(|route| expansion.expand_route(route, &[]).candidates).collect();
    (all, expansion.errors)
}

struct RouteExpander<'a> {
    routes: HashMap<&'a str, &'a RouteSpec>,
    /// Memoized, so that routes that share references stay cheap.
    done: HashMap<&'a str, ExpandedRoute>,
    errors: Vec<RouteExpansionError>,
}

#[derive(Clone)]
struct ExpandedRoute {
    candidates: Vec<CandidateSpec>,
    /// Levels of nesting, including the route itself.
    depth: usize,
}

impl<'a> RouteExpander<'a> {
    fn expand_route(&mut self, route: &'a RouteSpec, ancestors: &[&'a str]) -> ExpandedRoute {
        if let Some(done) = self.done.get(route.name.as_str()) {
            return done.clone();
        }
        let chain = [ancestors, &[route.name.as_str()]].concat();
        let weighted = route.policy.strategy.uses_weights();
        let mut found: Vec<CandidateSpec> = Vec::new();
        let mut depth = 1;
        for written in &route.unexpanded {
            let candidates = match &written.target {
                CandidateRef::Model(model) => {
                    let (model, when) = (model.clone(), written.when.clone());
                    vec![CandidateSpec { model, when, weight: written.weight }]
                }
                CandidateRef::Route(name) => self.expand_reference(name, written, &chain, &mut depth),
            };
            for mut candidate in candidates {
                if !weighted {
                    candidate.weight = 1.0;
                }
                // An earlier candidate that covers all these requests makes this one unreachable.
                let unreachable =
                    found.iter().any(|c| c.model == candidate.model && covers(&c.when, &candidate.when));
                if !unreachable {
                    found.push(candidate);
                }
            }
            if found.len() > MAX_CANDIDATES {
                let message = format!("route `{}` has more than {MAX_CANDIDATES} candidates", route.name);
                self.add_error(message, "remove some candidates", written, &chain);
                break;
            }
        }
        let done = ExpandedRoute { candidates: found, depth };
        self.done.insert(&route.name, done.clone());
        done
    }

    /// Expands a reference to another route into its candidates.
    fn expand_reference(
        &mut self,
        name: &str,
        written: &UnexpandedCandidate,
        chain: &[&'a str],
        depth: &mut usize,
    ) -> Vec<CandidateSpec> {
        if let Some(start) = chain.iter().position(|ancestor| *ancestor == name) {
            let cycle = [&chain[start..], &[name]].concat().join(" → ");
            self.add_error(
                format!("circular reference between routes: {cycle}"),
                "remove one of the references",
                written,
                chain,
            );
            return Vec::new();
        }
        // References were already checked against the routes when they were resolved.
        let Some(other) = self.routes.get(name).copied() else { return Vec::new() };
        let inner = (chain.len() < MAX_ROUTE_DEPTH).then(|| self.expand_route(other, chain));
        let Some(ExpandedRoute { candidates, depth: inner }) =
            inner.filter(|inner| inner.depth < MAX_ROUTE_DEPTH)
        else {
            let message = format!(
                "routes nested more than {MAX_ROUTE_DEPTH} levels deep: {} → {name}",
                chain.join(" → ")
            );
            self.add_error(message, "list the models directly", written, chain);
            return Vec::new();
        };
        *depth = (*depth).max(inner + 1);
        let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
        let mut expanded = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let Some(when) = intersect(&written.when, &candidate.when) else {
                let chain = [chain, &[other.name.as_str()]].concat();
                let message = format!(
                    "this condition and the one of `{}` can never both match: {}",
                    candidate.model,
                    chain.join(" → ")
                );
                self.add_error(
                    message,
                    "change one of the conditions, or list the models directly",
                    written,
                    &chain,
                );
                continue;
            };
            let weight = if total > 0.0 { written.weight * candidate.weight / total } else { 0.0 };
            expanded.push(CandidateSpec { model: candidate.model, when, weight });
        }
        expanded
    }

    fn add_error(
        &mut self,
        message: String,
        hint: &'static str,
        written: &UnexpandedCandidate,
        chain: &[&str],
    ) {
        let chain = chain.iter().map(|name| (*name).to_owned()).collect();
        self.errors.push(RouteExpansionError {
            message,
            hint,
            span: written.span.clone(),
            route_path: chain,
        });
    }
}

/// Returns a message and a hint if no request can ever use this route.
pub(super) fn explain_unusable_route(route: &RouteSpec, catalog: &Catalog) -> Option<(String, &'static str)> {
    let weighted = route.policy.strategy.uses_weights();
    if weighted && !route.candidates.is_empty() && route.candidates.iter().all(|c| c.weight <= 0.0) {
        let message = format!("no candidate of route `{}` has a weight above 0", route.name);
        return Some((message, "set a weight above 0 for at least one candidate"));
    }
    let requires = &route.policy.requirements.capabilities;
    if requires.is_empty() || route.candidates.is_empty() {
        return None;
    }
    let mut lacking = Vec::new();
    for candidate in &route.candidates {
        let facts = catalog.find(&candidate.model.provider, &candidate.model.model)?;
        let lacks = requires.iter().find(|capability| facts.supports(**capability) == Some(false))?;
        lacking.push(format!("`{}` lacks {}", candidate.model, lacks.name()));
    }
    let message =
        format!("no candidate of route `{}` meets its `requires`: {}", route.name, lacking.join(", "));
    Some((message, "add a model that supports it, or correct `supports` of a model under `models:`"))
}
