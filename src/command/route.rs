//! `slalom route`: a prompt through a named fallback chain, or its plan; without a prompt, how routes stand.

use std::collections::HashMap;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::{call, drill, prompt, simulator, standing, stdin};
use crate::cli::RouteArgs;
use crate::config::Subject;
use crate::view::{plan_json, plan_table};

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
