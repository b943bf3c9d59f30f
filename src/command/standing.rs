//! How the candidates of routes stand: `slalom route` without a prompt, and `--reset`.

use std::path::Path;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use crate::chat::counted;
use crate::config::Config;
use crate::provider::{ModelRef, Target};
use crate::route::{Candidate, Report, Route};
use crate::view::{RouteView, RoutesView, routes_json, routes_table, state_words};

/// Shows one route, or all of them.
pub(super) fn list(
    context: &Context,
    config: Config,
    only: Option<&str>,
    json: bool,
) -> Result<Outcome, CommandError> {
    let (config, routes) = routes(context, config, only)?;
    if routes.is_empty() && !json {
        context.console.note(format_args!("{} has no routes", config.source.name));
        return Ok(Outcome::Done);
    }
    let health = context.health();
    let shown = routes.into_iter().map(|route| {
        let spec = config.routes.iter().find(|spec| Some(&spec.name) == route.name.as_ref());
        RouteView {
            description: spec.and_then(|spec| spec.description.clone()),
            overridden_by: overrides(&config, &route),
            reports: route.candidates.iter().map(|c| Some(health.report(c.target.as_ref().ok()?))).collect(),
            weights: health.weights(route.name.as_deref().unwrap_or_default()),
            route,
        }
    });
    let view = RoutesView {
        routes: shown.collect(),
        budget: config.budget,
        spent: health.spent_today(),
        folder: config.source.path.as_deref().and_then(Path::parent),
        now: health.now(),
    };
    if let Some(trouble) = context.ledger_trouble() {
        context.console.warn(format_args!("{trouble}; what could be read of it is shown"));
    }
    let text =
        if json { format!("{}\n", routes_json(&view)) } else { routes_table(&view, context.console.width()) };
    printed(context.console.out(&text), Outcome::Done)
}

fn overrides(config: &Config, route: &Route) -> Vec<String> {
    let name = route.name.as_deref().unwrap_or_default();
    config.overrides_of(name).into_iter().map(str::to_owned).collect()
}

/// Has the candidates of one route, or of all of them, start anew.
pub(super) async fn reset(
    context: &Context,
    config: Config,
    only: Option<&str>,
) -> Result<Outcome, CommandError> {
    let (config, routes) = routes(context, config, only)?;
    let of = match only {
        Some(name) => format!("`{name}`"),
        None => format!("the {} of {}", counted(routes.len(), "route"), config.source.name),
    };
    let health = context.health();
    let mut known: Vec<(&Candidate, Report)> = Vec::new();
    let mut targets: Vec<&Target> = Vec::new();
    let mut left: Vec<&ModelRef> = Vec::new();
    for candidate in routes.iter().flat_map(|route| &route.candidates) {
        let model = &candidate.model_ref;
        match &candidate.target {
            Ok(target) if targets.iter().all(|other| other.model_ref != *model) => {
                let report = health.report(target);
                // What its provider has in flight goes by limits, and is no report's.
                targets.push(target);
                if !report.is_blank() {
                    known.push((candidate, report));
                }
            }
            Err(_) if !left.contains(&model) => left.push(model),
            _ => {}
        }
    }
    for target in &targets {
        health.reset(target).await;
    }
    let mut weighed = 0;
    for name in routes.iter().filter_map(|route| route.name.clone()) {
        weighed += health.ledger().write(move |rows| rows.remove_weights(&name)).await;
    }
    // It may be held by somebody: then it is not done yet.
    context.settle_ledger().await;
    if let Some(trouble) = context.ledger_trouble() {
        return Err(CommandError::usage(format!("nothing was cleared: {trouble}"))
            .hint("the ledger is the file that --ledger or $SLALOM_LEDGER names, else ledger.db in the state folder"));
    }
    if weighed > 0 {
        let weights = counted(weighed, "weight");
        context.console.note(format_args!("{weights} of {of} as written again"));
    }
    if known.is_empty() && weighed == 0 {
        context
            .console
            .note(format_args!("nothing is known of the candidates of {of}, so nothing was cleared"));
    } else if !known.is_empty() {
        let was = known.iter().map(|(candidate, report)| {
            let state = state_words(candidate, Some(report), health.now());
            format!("\n  {}: was {state}", candidate.model_ref)
        });
        let candidates = counted(known.len(), "candidate");
        let start = if known.len() == 1 { "starts" } else { "start" };
        context.console.note(format_args!("{candidates} of {of} {start} anew:{}", was.collect::<String>()));
    }
    for model in left {
        context.console.detail(format_args!("{model} is left as it is, since it cannot be called"));
    }
    Ok(Outcome::Done)
}

/// One route or all of them, with targets whose standing can be looked up.
fn routes(
    context: &Context,
    mut config: Config,
    only: Option<&str>,
) -> Result<(Config, Vec<Route>), CommandError> {
    // Nothing is sent; what the simulator serves is known by another name than its address, so any will do.
    config.put_simulator_at("http://127.0.0.1");
    let names: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => config.routes.iter().map(|route| route.name.clone()).collect(),
    };
    let environment = context.environment();
    let routes = names.iter().map(|name| config.route(name, &environment)).collect::<Result<_, _>>()?;
    Ok((config, routes))
}
