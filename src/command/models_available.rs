//! `slalom models --available`: what the providers themselves say that they serve.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::start_simulator;
use crate::config::Config;
use crate::provider::{Environment, HttpTransport, ModelRef, Target, list_models};
use crate::view::{ProviderListing, available_models_json, available_models_table};

/// A provider that has not listed its models by then is left.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn run_available(
    context: &CommandContext,
    mut config: Config,
    named: &[String],
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    for name in named {
        if !config.providers.contains_key(name) {
            let hint = "`slalom check` lists the providers".to_owned();
            let near = crate::config::find_closest(name, config.providers.keys().map(String::as_str));
            return Err(CommandError::usage(format!("there is no provider `{name}`"))
                .with_hint(near.map_or(hint, |near| format!("did you mean `{near}`?"))));
        }
    }
    let subjects: Vec<String> = named.iter().map(|name| format!("{name}/any")).collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &subjects, HashMap::new).await?;
    let asked = select_providers(context, &config, named)?;
    if asked.is_empty() {
        return Err(CommandError::usage("no provider's key is set, so there is nobody to ask").with_hint(
            "`slalom check` says which variables hold them; a provider that needs none is asked when it is named",
        ));
    }
    let transport = HttpTransport::new(config.connect_timeout);
    let lists = asked.into_iter().map(|(name, target)| {
        let transport = &transport;
        async move {
            let listed =
                list_models(transport, &target, LIST_TIMEOUT).await.map_err(|error| error.to_string());
            (name, listed)
        }
    });
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for facts in config.catalog.all() {
        known.entry(facts.provider).or_default().push(facts.model);
    }
    let answers: Vec<ProviderListing> = join_all(lists)
        .await
        .into_iter()
        .map(|(name, listed)| {
            ProviderListing::new(&name, listed, known.get(&name).map_or(&[], Vec::as_slice))
        })
        .collect();
    let outcome = match answers.iter().any(|answer| answer.models.is_ok()) {
        true => CommandOutcome::Success,
        false => CommandOutcome::NoAnswer,
    };
    let shown = if json {
        format!("{}\n", available_models_json(&answers))
    } else {
        available_models_table(&answers, context.console.width())
    };
    let ended = check_printed(context.console.print(&shown), outcome)?;
    for answer in &answers {
        if let Err(why) = &answer.models {
            context.console.warn(format_args!("{}: {why}", answer.provider));
        }
    }
    Ok(ended)
}

/// Those named, or all whose key is set. One that is named and cannot be asked is an error before anybody is.
fn select_providers(
    context: &CommandContext,
    config: &Config,
    named: &[String],
) -> Result<BTreeMap<String, Target>, CommandError> {
    let environment = context.environment();
    let is_set = |name: &String| environment.key(name).is_some_and(|key| !key.trim().is_empty());
    let candidates = config.providers.values().filter(|provider| {
        let has_key = provider.is_key_required() || provider.key_variables.iter().any(is_set);
        named.contains(&provider.name) || named.is_empty() && !provider.simulated && has_key
    });
    let mut asked = BTreeMap::new();
    for provider in candidates {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        match Target::resolve(any, provider, &config.catalog, &environment) {
            Ok(target) => drop(asked.insert(provider.name.clone(), target)),
            Err(_) if named.is_empty() => {}
            Err(error) => {
                return Err(CommandError::usage(error.to_string())
                    .with_hint("`slalom check` says what each provider needs"));
            }
        }
    }
    Ok(asked)
}
