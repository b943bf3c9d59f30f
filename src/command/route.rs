//! `slalom route`: sends a prompt through a route, shows its plan, or prints the status of routes.

use std::collections::HashMap;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{build_request, call, drill, max_cost, route_status, start_simulator, stdin};
use crate::chat::find_closest;
use crate::cli::RouteArgs;
use crate::config::{Config, ResolvedSubject};
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
    let has_prompt =
        !args.prompt.is_empty() || !args.request.file.is_empty() || args.request.messages.is_some();
    let piped = !args.request.no_stdin && stdin::is_stdin_pipe_or_file();
    if !has_prompt && !piped && !args.dry_run && args.drill.is_empty() {
        return route_status::print_status(context, config, Some(name), args.request.json);
    }
    // Report an unknown route or an invalid drill before reading the prompt.
    let drill_plan =
        drill::parse_drill_flags(&args, &config.build_route(name, &context.environment())?, &config)?;
    let subjects = std::slice::from_ref(&subject);
    let caller = build_request::resolve_caller(&args.request, &config, &subject)?;
    let caller = RoutingHints { label: check_label(context, &args, &config, name)?, ..caller };
    let request =
        build_request::build_request(&args.prompt, &args.request, &config, subjects, &context.console)
            .await?;
    let _simulator = start_simulator::start_if_needed(context, &mut config, subjects, HashMap::new).await?;
    let route = config.build_route(name, &context.environment())?;
    let run_budget = max_cost::parse_max_cost(args.request.max_cost.as_deref())?;
    let options = call::build_call_options(context, &args.request, &subject, caller, run_budget)?;
    if args.dry_run {
        let router = context.build_router(&config);
        let plan = router.plan_with_estimates(&route, &request, &options);
        let (availability, now) = (router.plan_availability(&plan), router.health().now());
        let view = PlanView { plan: &plan, availability: &availability, now };
        let text = if args.request.json {
            format!("{}\n", plan_json(&view))
        } else {
            plan_table(&view, context.console.width())
        };
        return check_printed(context.console.print(&text), CommandOutcome::Success);
    }
    let subject = ResolvedSubject { name: subject, route };
    let call_request =
        call::CallRequest { subject: &subject, request: &request, flags: &args.request, options: &options };
    let stream_shown = args.stream || context.console.is_stdout_terminal() && !args.request.no_stream;
    match drill_plan {
        Some(drill_plan) => {
            drill::run_drill(context, &config, call_request, &args.drill, drill_plan, stream_shown).await
        }
        None => call::run_call(context, &config, call_request, stream_shown).await,
    }
}

/// Returns `--label`. Warns if no candidate has it, which is usually a typo.
fn check_label(
    context: &CommandContext,
    args: &RouteArgs,
    config: &Config,
    route: &str,
) -> Result<Option<String>, CommandError> {
    let Some(label) = args.label.as_deref().map(str::trim) else { return Ok(None) };
    if label.is_empty() {
        return Err(
            CommandError::usage("empty --label").with_hint("use a label from a `when: {label: …}` condition")
        );
    }
    let candidates = config.routes.iter().filter(|spec| spec.name == route).flat_map(|spec| &spec.candidates);
    let known: Vec<&str> = candidates.filter_map(|candidate| candidate.when.label.as_deref()).collect();
    if !known.contains(&label) {
        let suggestion = match find_closest(label, known.iter().copied()) {
            Some(closest) => format!("; did you mean `{closest}`?"),
            None if known.is_empty() => "; no candidate has a `when: {label: …}` condition".to_owned(),
            None => format!("; known labels: {}", known.join(", ")),
        };
        context.console.warn(format_args!("no candidate of `{route}` matches label `{label}`{suggestion}"));
    }
    Ok(Some(label.to_owned()))
}
