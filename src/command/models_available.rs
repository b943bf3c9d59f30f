//! `slalom models --available`: asks providers which models they serve.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{call_error, start_simulator};
use crate::chat::find_closest;
use crate::config::Config;
use crate::provider::{Environment, HttpTransport, ModelRef, Target, list_models};
use crate::view::{ProviderListing, available_models_json, available_models_table};

/// Time limit for one provider.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn run_available(
    context: &CommandContext,
    mut config: Config,
    names: &[String],
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    for name in names {
        if !config.providers.contains_key(name) {
            let hint = "run `slalom check` to list the providers".to_owned();
            let closest = find_closest(name, config.providers.keys().map(String::as_str));
            return Err(CommandError::usage(format!("unknown provider `{name}`"))
                .with_hint(closest.map_or(hint, |closest| format!("did you mean `{closest}`?"))));
        }
    }
    let subjects: Vec<String> = names.iter().map(|name| format!("{name}/any")).collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &subjects, HashMap::new).await?;
    let selected = select_providers(context, &config, names)?;
    if selected.is_empty() {
        return Err(CommandError::usage("no provider to query: no API key is set").with_hint(
            "set a key (`slalom check` lists the variables), or name a provider that needs none",
        ));
    }
    let transport = HttpTransport::new(config.connect_timeout);
    let requests = selected.into_iter().map(|(name, target)| {
        let transport = &transport;
        async move {
            let models =
                list_models(transport, &target, LIST_TIMEOUT).await.map_err(|error| error.to_string());
            (name, models)
        }
    });
    let mut catalog_models: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for facts in config.catalog.all() {
        catalog_models.entry(facts.provider).or_default().push(facts.model);
    }
    let listings: Vec<ProviderListing> = join_all(requests)
        .await
        .into_iter()
        .map(|(name, models)| {
            ProviderListing::new(&name, models, catalog_models.get(&name).map_or(&[], Vec::as_slice))
        })
        .collect();
    let outcome = match listings.iter().any(|listing| listing.models.is_ok()) {
        true => CommandOutcome::Success,
        false => CommandOutcome::NoAnswer,
    };
    let text = if json {
        format!("{}\n", available_models_json(&listings))
    } else {
        available_models_table(&listings, context.console.width())
    };
    let outcome = check_printed(context.console.print(&text), outcome)?;
    for listing in &listings {
        if let Err(error) = &listing.models {
            context.console.warn(format_args!("{}: {error}", listing.provider));
        }
    }
    Ok(outcome)
}

/// Selects the named providers, else all whose key is set. Fails if a named provider cannot be called.
fn select_providers(
    context: &CommandContext,
    config: &Config,
    names: &[String],
) -> Result<BTreeMap<String, Target>, CommandError> {
    let environment = context.environment();
    let is_set = |name: &String| environment.key(name).is_some_and(|key| !key.trim().is_empty());
    let candidates = config.providers.values().filter(|provider| {
        let has_key = provider.is_key_required() || provider.key_variables.iter().any(is_set);
        names.contains(&provider.name) || names.is_empty() && !provider.simulated && has_key
    });
    let mut selected = BTreeMap::new();
    for provider in candidates {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        match Target::resolve(any, provider, &config.catalog, &environment) {
            Ok(target) => drop(selected.insert(provider.name.clone(), target)),
            Err(_) if names.is_empty() => {}
            Err(error) => {
                let hint = call_error::target_error_hint(&error, [&error]);
                return Err(CommandError::usage(error.to_string()).with_hint(hint));
            }
        }
    }
    Ok(selected)
}
