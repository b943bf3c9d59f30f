//! `slalom ask`: one prompt to one model, or to the default route.

use std::collections::HashMap;
use std::io::IsTerminal;

use dialoguer::FuzzySelect;

use super::context::Context;
use super::outcome::{CommandError, Outcome};
use super::{call, prompt, simulator};
use crate::catalog::Mode;
use crate::cli::AskArgs;
use crate::config::Config;
use crate::provider::ModelRef;

pub(super) async fn ask(context: &Context, args: AskArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    let name = match (&args.model, args.pick) {
        (Some(name), _) if name.contains(',') => {
            return Err(CommandError::usage(format!("`{name}` names more than one model"))
                .hint("ask takes one; `slalom compare` takes several"));
        }
        (Some(name), _) => name.trim().to_owned(),
        (None, true) => pick(context, &config)?,
        (None, false) => default_route(&config)?,
    };
    let named = std::slice::from_ref(&name);
    let caller = prompt::caller(&args.request, &config, &name)?;
    let request = prompt::request(&args.prompt, &args.request, &config, named, &context.console).await?;
    let _simulator = simulator::start_if_named(context, &mut config, named, HashMap::new).await?;
    let subject = config.subject(&name, &context.environment())?;
    let asked = call::Asked { subject: &subject, request: &request, args: &args.request, caller: &caller };
    let shows = args.stream || context.console.stdout_is_terminal() && !args.request.no_stream;
    call::answer(context, &config, asked, shows).await
}

fn default_route(config: &Config) -> Result<String, CommandError> {
    match &config.default_route {
        Some(route) => Ok(format!("route:{route}")),
        None => Err(CommandError::usage(format!("{} names no default route", config.source.name))
            .hint("name a model with -m, or set `defaults: route:`")),
    }
}

/// Lets the user choose among the routes and models that could be called now.
fn pick(context: &Context, config: &Config) -> Result<String, CommandError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CommandError::usage("--pick needs a terminal").hint("name a model with -m"));
    }
    let environment = context.environment();
    let mut names: Vec<String> = config.routes.iter().map(|route| format!("route:{}", route.name)).collect();
    for facts in config.catalog.all().into_iter().filter(|facts| facts.mode != Mode::Embedding) {
        let model = ModelRef { provider: facts.provider, model: facts.model };
        let simulated = config.providers.get(&model.provider).is_some_and(|p| p.simulated);
        let callable = || {
            config
                .subject(&model.to_string(), &environment)
                .is_ok_and(|s| s.route.candidates[0].target.is_ok())
        };
        if simulated || callable() {
            names.push(model.to_string());
        }
    }
    let chosen =
        FuzzySelect::new().with_prompt("model").items(&names).default(0).max_length(12).interact_opt();
    match chosen {
        Ok(Some(at)) => Ok(names.swap_remove(at)),
        Ok(None) => Err(CommandError::ended(Outcome::Interrupted)),
        Err(dialoguer::Error::IO(error)) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(CommandError::ended(Outcome::Interrupted))
        }
        Err(error) => Err(CommandError::usage(format!("the list cannot be shown: {error}"))),
    }
}
