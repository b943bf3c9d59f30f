//! `slalom models`: lists the catalog.

use std::collections::HashSet;
use std::sync::Arc;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{models_available, models_update};
use crate::catalog::{BUILT_IN_DATE, FetchedCatalog, stale_age_days};
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
    let callable = callable_providers(context, &config);
    let search = args.search.as_deref().unwrap_or_default().to_lowercase();
    let rows: Vec<ModelRow> = config
        .catalog
        .all()
        .into_iter()
        .filter(|facts| format!("{}/{}", facts.provider, facts.model).to_lowercase().contains(&search))
        .map(|facts| {
            let is_callable = callable.contains(facts.provider.as_str());
            let simulated = config.providers.get(&facts.provider).is_some_and(|p| p.simulated);
            ModelRow { is_ready: is_callable, is_simulated: simulated, facts }
        })
        .collect();
    if rows.is_empty() && args.search.is_some() {
        return Err(CommandError::usage(format!("no known model matches `{search}`"))
            .with_hint("use provider/model for a model that is not in the catalog"));
    }
    let today = context.today_utc();
    if args.json {
        let json = models_json(&rows, &config.catalog, today).to_string();
        return check_printed(context.console.print_line(&json), CommandOutcome::Success);
    }
    let table = models_table(&rows, today, context.console.width());
    let done = check_printed(context.console.print(&table), CommandOutcome::Success)?;
    context.console.note(format_args!(
        "{}; prices in USD per million tokens, as of {} (`?` = unknown)",
        pluralize(rows.len(), "model"),
        config.catalog.as_of()
    ));
    Ok(done)
}

/// The providers that can be called now.
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
    // A recent update does not refresh the models that it does not cover.
    if let Some(days) = stale_age_days(BUILT_IN_DATE, today) {
        context.console.warn(format_args!(
            "the built-in catalog is {days} days old and prices may have changed; update slalom, or run `slalom models --update openrouter`"
        ));
    }
    let fetched = config.catalog.fetched().map(FetchedCatalog::date).filter(|date| *date > BUILT_IN_DATE);
    if let Some(days) = fetched.and_then(|date| stale_age_days(date, today)) {
        context.console.warn(format_args!(
            "the fetched prices are {days} days old; run `slalom models --update openrouter` to refresh them"
        ));
    }
}
