//! How the candidates of routes stand: `slalom route` without a prompt, and `--reset`.

use std::path::Path;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::chat::pluralize;
use crate::config::Config;
use crate::provider::{ModelRef, Target};
use crate::route::{Candidate, HealthReport, Route};
use crate::view::{RouteView, RoutesView, describe_state, routes_json, routes_table};

/// Shows one route, or all of them.
pub(super) fn print_status(
    context: &CommandContext,
    config: Config,
    only: Option<&str>,
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    let (config, routes) = resolve_routes(context, config, only)?;
    if routes.is_empty() && !json {
        context.console.note(format_args!("{} has no routes", config.source_file.display_name));
        return Ok(CommandOutcome::Success);
    }
    let health = context.open_health();
    let shown = routes.into_iter().map(|route| {
        let spec = config.routes.iter().find(|spec| Some(&spec.name) == route.name.as_ref());
        RouteView {
            description: spec.and_then(|spec| spec.description.clone()),
            overridden_by: overriding_variables(&config, &route),
            reports: route.candidates.iter().map(|c| Some(health.report(c.target.as_ref().ok()?))).collect(),
            weights: health.weights(route.name.as_deref().unwrap_or_default()),
            route,
        }
    });
    let view = RoutesView {
        routes: shown.collect(),
        budget: config.budget,
        spent: health.spent_today(),
        folder: config.source_file.path.as_deref().and_then(Path::parent),
        now: health.now(),
    };
    if let Some(trouble) = context.take_ledger_error() {
        context.console.warn(format_args!("{trouble}; what could be read of it is shown"));
    }
    let text =
        if json { format!("{}\n", routes_json(&view)) } else { routes_table(&view, context.console.width()) };
    check_printed(context.console.print(&text), CommandOutcome::Success)
}

fn overriding_variables(config: &Config, route: &Route) -> Vec<String> {
    let name = route.name.as_deref().unwrap_or_default();
    config.override_variables(name).into_iter().map(str::to_owned).collect()
}

/// Has the candidates of one route, or of all of them, start anew.
pub(super) async fn reset_health(
    context: &CommandContext,
    config: Config,
    only: Option<&str>,
) -> Result<CommandOutcome, CommandError> {
    let (config, routes) = resolve_routes(context, config, only)?;
    let of = match only {
        Some(name) => format!("`{name}`"),
        None => format!("the {} of {}", pluralize(routes.len(), "route"), config.source_file.display_name),
    };
    let health = context.open_health();
    let mut known: Vec<(&Candidate, HealthReport)> = Vec::new();
    let mut targets: Vec<&Target> = Vec::new();
    let mut left: Vec<&ModelRef> = Vec::new();
    for candidate in routes.iter().flat_map(|route| &route.candidates) {
        let model = &candidate.model_ref;
        match &candidate.target {
            Ok(target) if targets.iter().all(|other| other.model_ref != *model) => {
                let report = health.report(target);
                // What its provider has in flight goes by limits, and is no report's.
                targets.push(target);
                if !report.is_empty() {
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
    context.flush_ledger().await;
    if let Some(trouble) = context.take_ledger_error() {
        return Err(CommandError::usage(format!("nothing was cleared: {trouble}"))
            .with_hint("the ledger is the file that --ledger or $SLALOM_LEDGER names, else ledger.db in the state folder"));
    }
    if weighed > 0 {
        let weights = pluralize(weighed, "weight");
        context.console.note(format_args!("{weights} of {of} as written again"));
    }
    if known.is_empty() && weighed == 0 {
        context
            .console
            .note(format_args!("nothing is known of the candidates of {of}, so nothing was cleared"));
    } else if !known.is_empty() {
        let was = known.iter().map(|(candidate, report)| {
            let state = describe_state(candidate, Some(report), health.now());
            format!("\n  {}: was {state}", candidate.model_ref)
        });
        let candidates = pluralize(known.len(), "candidate");
        let start = if known.len() == 1 { "starts" } else { "start" };
        context.console.note(format_args!("{candidates} of {of} {start} anew:{}", was.collect::<String>()));
    }
    for model in left {
        context.console.note_verbose(format_args!("{model} is left as it is, since it cannot be called"));
    }
    Ok(CommandOutcome::Success)
}

/// One route or all of them, with targets whose standing can be looked up.
fn resolve_routes(
    context: &CommandContext,
    mut config: Config,
    only: Option<&str>,
) -> Result<(Config, Vec<Route>), CommandError> {
    // Nothing is sent; what the simulator serves is known by another name than its address, so any will do.
    config.set_simulator_url("http://127.0.0.1");
    let names: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => config.routes.iter().map(|route| route.name.clone()).collect(),
    };
    let environment = context.environment();
    let routes = names.iter().map(|name| config.build_route(name, &environment)).collect::<Result<_, _>>()?;
    Ok((config, routes))
}
