//! `slalom route`: a prompt through a named fallback chain, the plan of one, or the list of all.

use std::collections::HashMap;
use std::io::IsTerminal;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::{call, drill, prompt, simulator};
use crate::cli::RouteArgs;
use crate::config::{Config, Subject, nearest};
use crate::route::Caller;
use crate::view::{Explained, plan_json, plan_table, routes_json, routes_table};

pub(super) async fn route(context: &Context, args: RouteArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    let Some(name) = &args.name else { return list(context, &config, None, args.request.json) };
    let subject = format!("route:{name}");
    let alone = args.prompt.is_empty() && args.request.file.is_empty() && std::io::stdin().is_terminal();
    if alone && !args.dry_run && args.drill.is_empty() {
        return list(context, &config, Some(name), args.request.json);
    }
    // A wrong name, or a wrong drill, is an error before any prompt is read.
    let rehearsed = drill::read(&args, &config.route(name, &context.environment())?, &config)?;
    let named = std::slice::from_ref(&subject);
    let caller = prompt::caller(&args.request, &config, &subject)?;
    let caller = Caller { label: label(context, &args, &config, name)?, ..caller };
    let request = prompt::request(&args.prompt, &args.request, &config, named, &context.console).await?;
    let _simulator = simulator::start_if_named(context, &mut config, named, HashMap::new).await?;
    let route = config.route(name, &context.environment())?;
    if args.dry_run {
        let router = context.router(&config);
        let plan = router.explained(&route, &request, &caller);
        let (standings, now) = (router.health().standings(plan.targets()), router.health().now());
        let explained =
            Explained { route: &route, plan: &plan, request: &request, standings: &standings, now };
        let text = if args.request.json {
            format!("{}\n", plan_json(&explained))
        } else {
            plan_table(&explained, context.console.width())
        };
        return printed(context.console.out(&text), Outcome::Done);
    }
    let subject = Subject { name: subject, route };
    let asked = call::Asked { subject: &subject, request: &request, args: &args.request, caller: &caller };
    let shows = args.stream || context.console.stdout_is_terminal() && !args.request.no_stream;
    match rehearsed {
        Some(rehearsed) => drill::drill(context, &config, asked, &args.drill, rehearsed, shows).await,
        None => call::answer(context, &config, asked, shows).await,
    }
}

/// The label as it was typed. One that no candidate asks for is as a rule misspelt.
fn label(
    context: &Context,
    args: &RouteArgs,
    config: &Config,
    route: &str,
) -> Result<Option<String>, CommandError> {
    let Some(label) = args.label.as_deref().map(str::trim) else { return Ok(None) };
    if label.is_empty() {
        return Err(CommandError::usage("--label is empty").hint("write the word of a `when: {label: …}`"));
    }
    let candidates = config.routes.iter().filter(|spec| spec.name == route).flat_map(|spec| &spec.candidates);
    let known: Vec<&str> = candidates.filter_map(|candidate| candidate.when.label.as_deref()).collect();
    if !known.contains(&label) {
        let asked = match nearest(label, known.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() => "; none has a `when: {label: …}`".to_owned(),
            None => format!("; they ask for {}", known.join(", ")),
        };
        context.console.warn(format_args!("no candidate of `{route}` asks for the label `{label}`{asked}"));
    }
    Ok(Some(label.to_owned()))
}

fn list(context: &Context, config: &Config, only: Option<&str>, json: bool) -> Result<Outcome, CommandError> {
    let mut config = config.clone();
    // The list only says what would be called; any address will do for what the simulator serves.
    config.put_simulator_at("http://127.0.0.1");
    let names: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => config.routes.iter().map(|route| route.name.clone()).collect(),
    };
    let mut routes = Vec::new();
    for name in names {
        let route = config.route(&name, &context.environment())?;
        let description = config.routes.iter().find(|r| r.name == name).and_then(|r| r.description.clone());
        routes.push((route, description));
    }
    if routes.is_empty() {
        context.console.note(format_args!("{} has no routes", config.source.name));
        return Ok(Outcome::Done);
    }
    let text = if json {
        format!("{}\n", routes_json(&routes))
    } else {
        routes_table(&routes, context.console.width())
    };
    printed(context.console.out(&text), Outcome::Done)
}
