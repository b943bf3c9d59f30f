//! `slalom route`: a prompt through a named fallback chain, or its plan; without a prompt, how routes stand.

use std::collections::HashMap;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::{call, drill, money, prompt, simulator, standing, stdin};
use crate::cli::RouteArgs;
use crate::config::{Config, Subject, nearest};
use crate::route::Caller;
use crate::view::{Explained, plan_json, plan_table};

pub(super) async fn route(context: &Context, args: RouteArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    if args.reset {
        return standing::reset(context, config, args.name.as_deref()).await;
    }
    let Some(name) = &args.name else { return standing::list(context, config, None, args.request.json) };
    let subject = format!("route:{name}");
    let typed = !args.prompt.is_empty() || !args.request.file.is_empty() || args.request.messages.is_some();
    let piped = !args.request.no_stdin && stdin::is_pipe_or_file();
    if !typed && !piped && !args.dry_run && args.drill.is_empty() {
        return standing::list(context, config, Some(name), args.request.json);
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
        let purse = money::purse(args.request.max_cost.as_deref())?;
        let router = context.router(&config).paying_from(purse);
        let plan = router.explained(&route, &request, &caller);
        let (outlook, now) = (router.outlook(&route, &plan, &request), router.health().now());
        let explained = Explained { route: &route, plan: &plan, request: &request, outlook: &outlook, now };
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
