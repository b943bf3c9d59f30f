//! `slalom ask`: sends one prompt to one model or to the default route.

use std::collections::HashMap;
use std::io::IsTerminal;

use dialoguer::FuzzySelect;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome};
use super::{build_request, call, max_cost, start_simulator};
use crate::catalog::ModelMode;
use crate::cli::AskArgs;
use crate::config::Config;
use crate::provider::ModelRef;

pub(super) async fn run(context: &CommandContext, args: AskArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    let name = match (&args.model, args.pick) {
        (Some(name), _) if name.contains(',') => {
            return Err(CommandError::usage(format!("invalid model `{name}`: `ask` takes a single model"))
                .with_hint("use `slalom compare` for several models"));
        }
        (Some(name), _) => name.trim().to_owned(),
        (None, true) => prompt_for_model(context, &config)?,
        (None, false) => default_route_subject(&config)?,
    };
    let subjects = std::slice::from_ref(&name);
    let caller = build_request::resolve_caller(&args.request, &config, &name)?;
    let request =
        build_request::build_request(&args.prompt, &args.request, &config, subjects, &context.console)
            .await?;
    let _simulator = start_simulator::start_if_needed(context, &mut config, subjects, HashMap::new).await?;
    let subject = config.resolve_subject(&name, &context.environment())?;
    let run_budget = max_cost::parse_max_cost(args.request.max_cost.as_deref())?;
    let options = call::build_call_options(context, &args.request, &subject.name, caller, run_budget)?;
    let call_request =
        call::CallRequest { subject: &subject, request: &request, flags: &args.request, options: &options };
    let stream_shown = args.stream || context.console.is_stdout_terminal() && !args.request.no_stream;
    call::run_call(context, &config, call_request, stream_shown).await
}

fn default_route_subject(config: &Config) -> Result<String, CommandError> {
    match &config.default_route {
        Some(route) => Ok(format!("route:{route}")),
        None => Err(CommandError::usage(format!("no default route in {}", config.source_file.display_name))
            .with_hint("pass a model with -m, or set `defaults: {route: NAME}` in routes.yaml")),
    }
}

/// Lets the user choose among the routes and the models that can be called now.
fn prompt_for_model(context: &CommandContext, config: &Config) -> Result<String, CommandError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CommandError::usage("--pick needs a terminal").with_hint("pass a model with -m"));
    }
    let environment = context.environment();
    let mut names: Vec<String> = config.routes.iter().map(|route| format!("route:{}", route.name)).collect();
    for facts in config.catalog.all().into_iter().filter(|facts| facts.mode != ModelMode::Embedding) {
        let model = ModelRef { provider: facts.provider, model: facts.model };
        let simulated = config.providers.get(&model.provider).is_some_and(|p| p.simulated);
        let callable = || {
            config
                .resolve_subject(&model.to_string(), &environment)
                .is_ok_and(|s| s.route.candidates[0].target.is_ok())
        };
        if simulated || callable() {
            names.push(model.to_string());
        }
    }
    let chosen =
        FuzzySelect::new().with_prompt("model").items(&names).default(0).max_length(12).interact_opt();
    match chosen {
        Ok(Some(index)) => Ok(names.swap_remove(index)),
        Ok(None) => Err(CommandError::from_signal(CommandOutcome::Interrupted)),
        Err(dialoguer::Error::IO(error)) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(CommandError::from_signal(CommandOutcome::Interrupted))
        }
        Err(error) => Err(CommandError::usage(format!("cannot show the model list: {error}"))),
    }
}
