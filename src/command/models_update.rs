//! `slalom models --update`: newer rows before the shipped ones.

use std::path::Path;
use std::time::Duration;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::catalog::{Catalog, FetchedCatalog, diff_catalog, import_catalog};
use crate::chat::pluralize;
use crate::config::{CatalogFile, Config};
use crate::provider::{HttpTransport, fetch_document};
use crate::view::{catalog_changes_json, catalog_changes_table};

/// The list that is fetched when its provider's name is given.
const REMOTE_SOURCE: &str = "openrouter";

/// A list that has not come by then will not.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn run_update(
    context: &CommandContext,
    config: &Config,
    source: &str,
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    let (name, text) = if source == REMOTE_SOURCE {
        fetch_remote_catalog(config).await?
    } else {
        (source.to_owned(), read_catalog_file(source)?)
    };
    // The rows are held against what is known without routes.yaml: what the user says stands before both.
    let file = CatalogFile::for_user();
    let catalog = Catalog::new(file.load().ok().flatten());
    let known = |provider: &str| config.providers.contains_key(provider);
    let mut imported = import_catalog(&text, &known, &catalog).map_err(|error| {
        // What somebody else answered is nobody's wrong usage.
        let outcome =
            if source == REMOTE_SOURCE { CommandOutcome::NoAnswer } else { CommandOutcome::UsageError };
        CommandError::new(outcome, format!("{name}: {error}"))
            .with_hint("nothing was changed; see docs/providers.md for the three shapes that are read")
    })?;
    // The simulator's prices are this version's own; a copy of the shipped file has them too.
    let all = imported.models.len();
    imported.models.retain(|facts| config.providers.get(&facts.provider).is_some_and(|p| !p.simulated));
    imported.skipped += all - imported.models.len();
    let changed = diff_catalog(&catalog, &imported.models);
    let merged = catalog.merge_fetched(&imported.models);
    let path = file.save(&FetchedCatalog::new(context.today_utc(), &merged)).map_err(|error| {
        CommandError::usage(format!("the catalogue cannot be kept: {error}"))
            .with_hint("the data folder ($XDG_DATA_HOME/slalom, else ~/.local/share/slalom) must be writable")
    })?;
    let shown = if json {
        format!("{}\n", catalog_changes_json(&changed, imported.models.len()))
    } else {
        catalog_changes_table(&changed, context.console.width())
    };
    let done = check_printed(context.console.print(&shown), CommandOutcome::Success)?;
    let left_out = match imported.skipped {
        0 => String::new(),
        n => format!("; {n} left out: their provider is none known here, or no row can hold their name"),
    };
    let kept = match merged.len() - imported.models.len() {
        0 => String::new(),
        n => format!("; {} of earlier updates stay", pluralize(n, "model")),
    };
    context.console.note(format_args!(
        "{} from {name} now stand before the shipped ones, in {}{kept}{left_out}",
        pluralize(imported.models.len(), "model"),
        path.display()
    ));
    Ok(done)
}

/// The public list of OpenRouter, wherever `routes.yaml` says that it is.
async fn fetch_remote_catalog(config: &Config) -> Result<(String, String), CommandError> {
    let Some(provider) = config.providers.get(REMOTE_SOURCE) else {
        return Err(CommandError::usage(format!("there is no provider `{REMOTE_SOURCE}`")));
    };
    if let Some(why) = &provider.untrusted_reason {
        return Err(CommandError::usage(format!("`{REMOTE_SOURCE}` is not trusted yet: {why}"))
            .with_hint("read routes.yaml, then run `slalom check --trust`"));
    }
    let url = format!("{}/models", provider.base_url);
    let transport = HttpTransport::new(config.connect_timeout);
    let body = fetch_document(&transport, url.clone(), FETCH_TIMEOUT).await.map_err(|error| {
        CommandError::new(CommandOutcome::NoAnswer, format!("{url}: {error}"))
            .with_hint("nothing was changed; check the network, or give a file")
    })?;
    let text = String::from_utf8(body.into()).map_err(|_| {
        CommandError::new(CommandOutcome::NoAnswer, format!("{url}: the answer is no UTF-8 text"))
    })?;
    Ok((url, text))
}

fn read_catalog_file(path: &str) -> Result<String, CommandError> {
    std::fs::read_to_string(Path::new(path)).map_err(|error| {
        CommandError::usage(format!("{path}: the file cannot be read: {error}")).with_hint(
            "give a CSV in the shipped columns, a JSON of OpenRouter or models.dev, or `openrouter`",
        )
    })
}
