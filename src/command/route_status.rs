//! Status of routes and their candidates: `slalom route` without a prompt, and `--reset`.

use std::path::Path;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::chat::pluralize;
use crate::config::Config;
use crate::provider::{ModelRef, Target};
use crate::route::{Candidate, HealthReport, Route};
use crate::view::{RouteView, RoutesView, describe_state, routes_json, routes_table};

/// Prints the status of one route, or of all.
pub(super) fn print_status(
    context: &CommandContext,
    config: Config,
    only: Option<&str>,
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    let (config, routes) = resolve_routes(context, config, only)?;
    if routes.is_empty() && !json {
        context.console.note(format_args!("no routes in {}", config.source_file.display_name));
        return Ok(CommandOutcome::Success);
    }
    let health = context.open_health();
    let views = routes.into_iter().map(|route| {
        let spec = config.routes.iter().find(|spec| Some(&spec.name) == route.name.as_ref());
        RouteView {
            description: spec.and_then(|spec| spec.description.clone()),
            overridden_by: overriding_variables(&config, &route),
            reports: route.candidates.iter().map(|c| Some(health.report(c.target.as_ref().ok()?))).collect(),
            weights: match route.name.as_deref().map(|name| health.weights(name)) {
                Some(Err(error)) => {
                    context.console.warn(format_args!("cannot read the stored weights: {error}"));
                    Vec::new()
                }
                Some(Ok(weights)) => weights,
                None => Vec::new(),
            },
            route,
        }
    });
    let view = RoutesView {
        routes: views.collect(),
        budget: config.budget,
        spent: health.spent_today().ok(),
        folder: config.source_file.path.as_deref().and_then(Path::parent),
        now: health.now(),
    };
    if let Some(reason) = context.take_ledger_error() {
        context.console.warn(format_args!("{reason}; showing what could be read"));
    }
    let text =
        if json { format!("{}\n", routes_json(&view)) } else { routes_table(&view, context.console.width()) };
    check_printed(context.console.print(&text), CommandOutcome::Success)
}

fn overriding_variables(config: &Config, route: &Route) -> Vec<String> {
    let name = route.name.as_deref().unwrap_or_default();
    config.override_variables(name).into_iter().map(str::to_owned).collect()
}

/// Deletes the recorded health and learned weights of one route, or of all.
pub(super) async fn reset_health(
    context: &CommandContext,
    config: Config,
    only: Option<&str>,
) -> Result<CommandOutcome, CommandError> {
    let (config, routes) = resolve_routes(context, config, only)?;
    let scope = match only {
        Some(name) => format!("`{name}`"),
        None => format!("the {} in {}", pluralize(routes.len(), "route"), config.source_file.display_name),
    };
    let health = context.open_health();
    let mut known: Vec<(&Candidate, HealthReport)> = Vec::new();
    let mut targets: Vec<&Target> = Vec::new();
    let mut unusable: Vec<&ModelRef> = Vec::new();
    for candidate in routes.iter().flat_map(|route| &route.candidates) {
        let model = &candidate.model_ref;
        match &candidate.target {
            Ok(target) if targets.iter().all(|other| other.model_ref != *model) => {
                let report = health.report(target);
                // Reset even if the report is empty: it does not include calls in flight, which count.
                targets.push(target);
                if !report.is_empty() {
                    known.push((candidate, report));
                }
            }
            Err(_) if !unusable.contains(&model) => unusable.push(model),
            _ => {}
        }
    }
    for target in &targets {
        health.reset(target).await.map_err(|error| reset_error(&error.to_string()))?;
    }
    let mut weight_count = 0;
    for name in routes.iter().filter_map(|route| route.name.clone()) {
        let removed = health.remove_weights(&name).await;
        weight_count += removed.map_err(|error| reset_error(&error.to_string()))?;
    }
    // Another process may hold the ledger, so nothing is certain before the flush.
    context.flush_ledger().await;
    if let Some(reason) = context.take_ledger_error() {
        return Err(reset_error(reason));
    }
    if weight_count > 0 {
        let weights = pluralize(weight_count, "weight");
        context.console.note(format_args!("reset {weights} of {scope} to the configured value"));
    }
    if known.is_empty() && weight_count == 0 {
        context
            .console
            .note(format_args!("nothing to reset: no recorded health for the candidates of {scope}"));
    } else if !known.is_empty() {
        let previous = known.iter().map(|(candidate, report)| {
            let state = describe_state(candidate, Some(report), health.now());
            format!("\n  {}: {state}", candidate.model_ref)
        });
        let candidates = pluralize(known.len(), "candidate");
        context.console.note(format_args!(
            "reset {candidates} of {scope}; previous state:{}",
            previous.collect::<String>()
        ));
    }
    for model in unusable {
        context.console.note_verbose(format_args!("{model} unchanged: it is not usable"));
    }
    Ok(CommandOutcome::Success)
}

fn reset_error(reason: &str) -> CommandError {
    CommandError::usage(format!("cannot reset health: {reason}"))
        .with_hint("check the ledger file (--ledger, $SLALOM_LEDGER, or ledger.db in the state folder)")
}

/// Resolves one route, or all, so that the health of their targets can be looked up.
fn resolve_routes(
    context: &CommandContext,
    mut config: Config,
    only: Option<&str>,
) -> Result<(Config, Vec<Route>), CommandError> {
    // Nothing is sent, and health of simulated models does not depend on the address, so any URL will do.
    config.set_simulator_url("http://127.0.0.1");
    let names: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => config.routes.iter().map(|route| route.name.clone()).collect(),
    };
    let environment = context.environment();
    let routes = names.iter().map(|name| config.build_route(name, &environment)).collect::<Result<_, _>>()?;
    Ok((config, routes))
}
