//! The candidates of a route: as they are written, and with the routes that they name put in their place.

use std::collections::HashMap;
use std::ops::Range;

use super::conditions::{covers, intersect};
use super::config_resolver::{ConfigResolver, RouteSpec};
use super::route_entry::CandidateEntry;
use super::yaml::{Spanned, StringOrMap};
use crate::catalog::Catalog;
use crate::provider::ModelRef;
use crate::route::{CandidateConditions, Strategy};

/// A route in a route in a route: nobody reads deeper ones, and each level costs stack.
const MAX_ROUTE_DEPTH: usize = 16;

/// A route of more models than this is a mistake, and comparing each with each would take long.
const MAX_CANDIDATES: usize = 200;

/// A weight above this would be lost in a sum.
const MAX_WEIGHT: f64 = 1e9;

/// A model of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateSpec {
    /// The model.
    pub model: ModelRef,
    /// For which requests it is there.
    pub when: CandidateConditions,
    /// Its share of the calls of a weighted route, next to the others'; 1 in every other route.
    pub weight: f64,
}

/// A candidate as it is written.
#[derive(Clone, Debug)]
pub(super) struct UnexpandedCandidate {
    pub target: CandidateRef,
    pub when: CandidateConditions,
    pub weight: f64,
    /// Where it is written; `None` in a variable.
    pub span: Option<Range<usize>>,
}

/// What a candidate names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CandidateRef {
    Model(ModelRef),
    Route(String),
}

/// What is wrong with how routes are put together.
#[derive(Clone, Debug)]
pub(super) struct RouteExpansionError {
    pub message: String,
    pub hint: &'static str,
    pub span: Option<Range<usize>>,
    /// The routes on the way to it.
    pub route_path: Vec<String>,
}

impl ConfigResolver {
    /// The candidates of one route as they are written.
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
                let hint = "add `strategy: weighted` to the route, or leave the weight out";
                self.report(
                    "a weight says nothing in a route that is not weighted",
                    weight.span.clone(),
                    hint,
                );
            }
            let weight = self.resolve_weight(weight.as_ref());
            let place = when.as_ref().map(|when| Spanned { value: (), span: when.span.clone() });
            let when = when.map(|when| self.resolve_conditions(when.value)).unwrap_or_default();
            let Some(what) = self.resolve_candidate_ref(&model) else { continue };
            if let (CandidateRef::Model(model), Some(place)) = (&what, place) {
                self.check_can_be_tried(model, &when, &place);
            }
            let span = model.span;
            if written.iter().any(|other| other.target == what && covers(&other.when, &when)) {
                self.report(
                    format!("`{}` stands twice in the route `{route}`", format_candidate_ref(&what)),
                    span.clone(),
                    "remove one of them",
                );
            }
            written.push(UnexpandedCandidate { target: what, when, weight, span });
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

    /// A number that says how much something counts.
    pub(super) fn resolve_weight(&mut self, written: Option<&Spanned<f64>>) -> f64 {
        let Some(weight) = written else { return 1.0 };
        if !(0.0..=MAX_WEIGHT).contains(&weight.value) {
            let hint = "write a number from 0 to a billion; only their ratio counts";
            self.report(format!("`{}` is no weight", weight.value), weight.span.clone(), hint);
            return 1.0;
        }
        weight.value
    }
}

fn format_candidate_ref(what: &CandidateRef) -> String {
    match what {
        CandidateRef::Model(model) => model.to_string(),
        CandidateRef::Route(route) => format!("route:{route}"),
    }
}

/// The candidates of every route, with other routes' in the place of their names, and what is wrong with that.
pub(super) fn expand_routes(routes: &[RouteSpec]) -> (Vec<Vec<CandidateSpec>>, Vec<RouteExpansionError>) {
    let mut expansion = RouteExpander {
        routes: routes.iter().map(|route| (route.name.as_str(), route)).collect(),
        done: HashMap::new(),
        misfits: Vec::new(),
    };
    let all = routes.iter().map(|route| expansion.expand_route(route, &[]).candidates).collect();
    (all, expansion.misfits)
}

struct RouteExpander<'a> {
    routes: HashMap<&'a str, &'a RouteSpec>,
    /// Each route is worked out once, so that routes that name each other often cost no more.
    done: HashMap<&'a str, ExpandedRoute>,
    misfits: Vec<RouteExpansionError>,
}

#[derive(Clone)]
struct ExpandedRoute {
    candidates: Vec<CandidateSpec>,
    /// How many routes deep it is, with itself.
    depth: usize,
}

impl<'a> RouteExpander<'a> {
    fn expand_route(&mut self, route: &'a RouteSpec, above: &[&'a str]) -> ExpandedRoute {
        if let Some(done) = self.done.get(route.name.as_str()) {
            return done.clone();
        }
        let chain = [above, &[route.name.as_str()]].concat();
        let weighted = matches!(route.policy.strategy, Strategy::Weighted { .. });
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
                // One that stands earlier for all these requests leaves nothing to do for this one.
                let idle =
                    found.iter().any(|c| c.model == candidate.model && covers(&c.when, &candidate.when));
                if !idle {
                    found.push(candidate);
                }
            }
            if found.len() > MAX_CANDIDATES {
                let message = format!("the route `{}` has more than {MAX_CANDIDATES} candidates", route.name);
                self.add_error(message, "name fewer", written, &chain);
                break;
            }
        }
        let done = ExpandedRoute { candidates: found, depth };
        self.done.insert(&route.name, done.clone());
        done
    }

    /// What the name of another route stands for.
    fn expand_reference(
        &mut self,
        name: &str,
        written: &UnexpandedCandidate,
        chain: &[&'a str],
        depth: &mut usize,
    ) -> Vec<CandidateSpec> {
        if let Some(start) = chain.iter().position(|above| *above == name) {
            let circle = [&chain[start..], &[name]].concat().join(" → ");
            self.add_error(
                format!("these routes go in a circle: {circle}"),
                "take one of them out",
                written,
                chain,
            );
            return Vec::new();
        }
        // Every reference was checked against the routes when it was read.
        let Some(other) = self.routes.get(name).copied() else { return Vec::new() };
        let inner = (chain.len() < MAX_ROUTE_DEPTH).then(|| self.expand_route(other, chain));
        let Some(ExpandedRoute { candidates, depth: inner }) =
            inner.filter(|inner| inner.depth < MAX_ROUTE_DEPTH)
        else {
            let message =
                format!("more than {MAX_ROUTE_DEPTH} routes in one another: {} → {name}", chain.join(" → "));
            self.add_error(message, "name the models themselves", written, chain);
            return Vec::new();
        };
        *depth = (*depth).max(inner + 1);
        let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
        let mut shared = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let Some(when) = intersect(&written.when, &candidate.when) else {
                let chain = [chain, &[other.name.as_str()]].concat();
                let message = format!(
                    "the condition here and that of `{}` never hold together: {}",
                    candidate.model,
                    chain.join(" → ")
                );
                self.add_error(
                    message,
                    "change one of the conditions, or name the models themselves",
                    written,
                    &chain,
                );
                continue;
            };
            let weight = if total > 0.0 { written.weight * candidate.weight / total } else { 0.0 };
            shared.push(CandidateSpec { model: candidate.model, when, weight });
        }
        shared
    }

    fn add_error(
        &mut self,
        message: String,
        hint: &'static str,
        written: &UnexpandedCandidate,
        chain: &[&str],
    ) {
        let chain = chain.iter().map(|name| (*name).to_owned()).collect();
        self.misfits.push(RouteExpansionError {
            message,
            hint,
            span: written.span.clone(),
            route_path: chain,
        });
    }
}

/// What leaves a route without anybody to call, whatever the request; and what to do.
pub(super) fn explain_unusable_route(route: &RouteSpec, catalog: &Catalog) -> Option<(String, &'static str)> {
    let weighted = matches!(route.policy.strategy, Strategy::Weighted { .. });
    if weighted && !route.candidates.is_empty() && route.candidates.iter().all(|c| c.weight <= 0.0) {
        let message = format!("no candidate of the route `{}` has a weight above 0", route.name);
        return Some((message, "give one of them a weight"));
    }
    let requires = &route.policy.requirements.capabilities;
    if requires.is_empty() || route.candidates.is_empty() {
        return None;
    }
    let mut lacking = Vec::new();
    for candidate in &route.candidates {
        let facts = catalog.find(&candidate.model.provider, &candidate.model.model)?;
        let lacks = requires.iter().find(|capability| facts.supports(**capability) == Some(false))?;
        lacking.push(format!("`{}` has no {}", candidate.model, lacks.name()));
    }
    let message = format!(
        "no candidate of the route `{}` has all that it requires: {}",
        route.name,
        lacking.join(", ")
    );
    Some((message, "name a model that has it, or correct what is known of one under `models:`"))
}
