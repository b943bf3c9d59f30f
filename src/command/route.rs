//! `slalom route`: a prompt through a named fallback chain, the plan of one, or the list of all.

use std::collections::HashMap;
use std::io::IsTerminal;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::{call, drill, prompt, simulator};
use crate::cli::RouteArgs;
use crate::config::{Config, Subject};
use crate::view::{plan_json, plan_table, routes_json, routes_table};

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
    let request = prompt::request(&args.prompt, &args.request, &config, &context.console).await?;
    let _simulator =
        simulator::start_if_named(context, &mut config, std::slice::from_ref(&subject), HashMap::new).await?;
    let route = config.route(name, &context.environment())?;
    if args.dry_run {
        let plan = route.plan(&request);
        let text = if args.request.json {
            format!("{}\n", plan_json(&plan, &request))
        } else {
            plan_table(&plan, &request, context.console.width())
        };
        return printed(context.console.out(&text), Outcome::Done);
    }
    let subject = Subject { name: subject, route };
    let shows = args.stream || context.console.stdout_is_terminal() && !args.request.no_stream;
    match rehearsed {
        Some(rehearsed) => drill::drill(context, &config, &subject, &request, &args, rehearsed, shows).await,
        None => call::answer(context, &config, &subject, &request, &args.request, shows).await,
    }
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
