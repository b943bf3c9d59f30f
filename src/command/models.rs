//! `slalom models`: the catalogue.

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use crate::catalog::CATALOG_DATE;
use crate::cli::ModelsArgs;
use crate::provider::{ModelRef, Target};
use crate::view::{ModelRow, counted, models_json, models_table};

pub(super) fn models(context: &Context, args: &ModelsArgs) -> Result<Outcome, CommandError> {
    let config = context.load_config()?;
    let environment = context.environment();
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let rows: Vec<ModelRow> = config
        .catalog
        .all()
        .into_iter()
        .filter(|facts| format!("{}/{}", facts.provider, facts.model).to_lowercase().contains(&wanted))
        .map(|facts| {
            let model = ModelRef { provider: facts.provider.clone(), model: facts.model.clone() };
            let provider = config.providers.get(&facts.provider);
            let ready =
                provider.is_some_and(|p| Target::resolve(model, p, &config.catalog, &environment).is_ok());
            ModelRow { ready, simulated: provider.is_some_and(|p| p.simulated), facts }
        })
        .collect();
    if rows.is_empty() && args.search.is_some() {
        return Err(CommandError::usage(format!("no known model has `{wanted}` in its name"))
            .hint("a model that came out this morning works all the same: name it as provider/model"));
    }
    if args.json {
        return printed(
            context.console.out_line(&models_json(&rows, CATALOG_DATE).to_string()),
            Outcome::Done,
        );
    }
    let done = printed(context.console.out(&models_table(&rows, context.console.width())), Outcome::Done)?;
    context.console.note(format_args!(
        "{}; prices in dollars per million tokens, collected on {CATALOG_DATE}; `?` is unknown",
        counted(rows.len(), "model")
    ));
    Ok(done)
}
