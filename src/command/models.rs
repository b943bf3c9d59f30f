//! `slalom models`: the catalogue.

use std::collections::HashSet;
use std::sync::Arc;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{models_available, models_update};
use crate::catalog::{FetchedCatalog, built_in_date, stale_age_days};
use crate::chat::pluralize;
use crate::cli::ModelsArgs;
use crate::config::Config;
use crate::provider::{ModelRef, Provider, Target};
use crate::view::{ModelRow, models_json, models_table};

pub(super) async fn run(context: &CommandContext, args: &ModelsArgs) -> Result<CommandOutcome, CommandError> {
    let config = context.load_config()?;
    if let Some(source) = &args.update {
        return models_update::run_update(context, &config, source, args.json).await;
    }
    warn_if_outdated(context, &config);
    if let Some(providers) = &args.available {
        return models_available::run_available(context, config, providers, args.json).await;
    }
    let ready = callable_providers(context, &config);
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let rows: Vec<ModelRow> = config
        .catalog
        .all()
        .into_iter()
        .filter(|facts| format!("{}/{}", facts.provider, facts.model).to_lowercase().contains(&wanted))
        .map(|facts| {
            let ready = ready.contains(facts.provider.as_str());
            let simulated = config.providers.get(&facts.provider).is_some_and(|p| p.simulated);
            ModelRow { is_ready: ready, is_simulated: simulated, facts }
        })
        .collect();
    if rows.is_empty() && args.search.is_some() {
        return Err(CommandError::usage(format!("no known model has `{wanted}` in its name"))
            .with_hint("a model that came out this morning works all the same: name it as provider/model"));
    }
    let today = context.today_utc();
    if args.json {
        let json = models_json(&rows, &config.catalog, today).to_string();
        return check_printed(context.console.print_line(&json), CommandOutcome::Success);
    }
    let table = models_table(&rows, today, context.console.width());
    let done = check_printed(context.console.print(&table), CommandOutcome::Success)?;
    context.console.note(format_args!(
        "{}; prices in dollars per million tokens, collected on {}; `?` is unknown",
        pluralize(rows.len(), "model"),
        config.catalog.as_of()
    ));
    Ok(done)
}

/// The providers that could be called now.
fn callable_providers<'a>(context: &CommandContext, config: &'a Config) -> HashSet<&'a str> {
    let environment = context.environment();
    let resolves = |provider: &&Arc<Provider>| {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        Target::resolve(any, provider, &config.catalog, &environment).is_ok()
    };
    config.providers.values().filter(resolves).map(|provider| provider.name.as_str()).collect()
}

fn warn_if_outdated(context: &CommandContext, config: &Config) {
    let today = context.today_utc();
    // Rows that were fetched yesterday make the others no younger.
    if let Some(days) = stale_age_days(built_in_date(), today) {
        context.console.warn(format_args!(
            "the shipped catalogue is {days} days old, so prices may have changed; a newer slalom has newer ones, and \
             `slalom models --update openrouter` fetches OpenRouter's"
        ));
    }
    let fetched = config.catalog.fetched().map(FetchedCatalog::date).filter(|date| *date > built_in_date());
    if let Some(days) = fetched.and_then(|date| stale_age_days(date, today)) {
        context.console.warn(format_args!(
            "the fetched prices are {days} days old; `slalom models --update openrouter` fetches OpenRouter's anew"
        ));
    }
}
