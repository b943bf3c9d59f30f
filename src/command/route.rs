//! `slalom route`: a prompt through a named fallback chain, or its plan; without a prompt, how routes stand.

use std::collections::HashMap;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{build_request, call, drill, max_cost, route_status, start_simulator, stdin};
use crate::cli::RouteArgs;
use crate::config::{Config, ResolvedSubject, find_closest};
use crate::route::RoutingHints;
use crate::view::{PlanView, plan_json, plan_table};

pub(super) async fn run(context: &CommandContext, args: RouteArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    if args.reset {
        return route_status::reset_health(context, config, args.name.as_deref()).await;
    }
    let Some(name) = &args.name else {
        return route_status::print_status(context, config, None, args.request.json);
    };
    let subject = format!("route:{name}");
    let typed = !args.prompt.is_empty() || !args.request.file.is_empty() || args.request.messages.is_some();
    let piped = !args.request.no_stdin && stdin::is_stdin_pipe_or_file();
    if !typed && !piped && !args.dry_run && args.drill.is_empty() {
        return route_status::print_status(context, config, Some(name), args.request.json);
    }
    // A wrong name, or a wrong drill, is an error before any prompt is read.
    let rehearsed =
        drill::parse_drill_flags(&args, &config.build_route(name, &context.environment())?, &config)?;
    let named = std::slice::from_ref(&subject);
    let caller = build_request::resolve_caller(&args.request, &config, &subject)?;
    let caller = RoutingHints { label: check_label(context, &args, &config, name)?, ..caller };
    let request =
        build_request::build_request(&args.prompt, &args.request, &config, named, &context.console).await?;
    let _simulator = start_simulator::start_if_needed(context, &mut config, named, HashMap::new).await?;
    let route = config.build_route(name, &context.environment())?;
    if args.dry_run {
        let purse = max_cost::parse_max_cost(args.request.max_cost.as_deref())?;
        let router = context.build_router(&config).with_run_budget(purse);
        let plan = router.plan_with_estimates(&route, &request, &caller);
        let (outlook, now) = (router.plan_availability(&route, &plan, &request), router.health().now());
        let explained =
            PlanView { route: &route, plan: &plan, request: &request, availability: &outlook, now };
        let text = if args.request.json {
            format!("{}\n", plan_json(&explained))
        } else {
            plan_table(&explained, context.console.width())
        };
        return check_printed(context.console.print(&text), CommandOutcome::Success);
    }
    let subject = ResolvedSubject { name: subject, route };
    let asked =
        call::CallRequest { subject: &subject, request: &request, flags: &args.request, caller: &caller };
    let shows = args.stream || context.console.is_stdout_terminal() && !args.request.no_stream;
    match rehearsed {
        Some(rehearsed) => drill::run_drill(context, &config, asked, &args.drill, rehearsed, shows).await,
        None => call::run_call(context, &config, asked, shows).await,
    }
}

/// The label as it was typed. One that no candidate asks for is as a rule misspelt.
fn check_label(
    context: &CommandContext,
    args: &RouteArgs,
    config: &Config,
    route: &str,
) -> Result<Option<String>, CommandError> {
    let Some(label) = args.label.as_deref().map(str::trim) else { return Ok(None) };
    if label.is_empty() {
        return Err(
            CommandError::usage("--label is empty").with_hint("write the word of a `when: {label: …}`")
        );
    }
    let candidates = config.routes.iter().filter(|spec| spec.name == route).flat_map(|spec| &spec.candidates);
    let known: Vec<&str> = candidates.filter_map(|candidate| candidate.when.label.as_deref()).collect();
    if !known.contains(&label) {
        let asked = match find_closest(label, known.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() => "; none has a `when: {label: …}`".to_owned(),
            None => format!("; they ask for {}", known.join(", ")),
        };
        context.console.warn(format_args!("no candidate of `{route}` asks for the label `{label}`{asked}"));
    }
    Ok(Some(label.to_owned()))
}
