//! `slalom models --update`: fetches or imports model facts that override the built-in catalog.

use std::path::Path;
use std::time::Duration;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use crate::catalog::{Catalog, FetchedCatalog, diff_catalog, import_catalog};
use crate::chat::pluralize;
use crate::config::{CatalogFile, Config};
use crate::provider::{HttpTransport, fetch_document};
use crate::view::{catalog_changes_json, catalog_changes_table};

/// The only source that is fetched; any other is a file.
const REMOTE_SOURCE: &str = "openrouter";

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
    // Compare with the catalog without routes.yaml, whose own model facts take precedence either way.
    let file = CatalogFile::for_user();
    let catalog = Catalog::new(file.load().ok().flatten());
    let known = |provider: &str| config.providers.contains_key(provider);
    let mut imported = import_catalog(&text, &known, &catalog).map_err(|error| {
        // A bad response from the remote source is not a usage error.
        let outcome =
            if source == REMOTE_SOURCE { CommandOutcome::NoAnswer } else { CommandOutcome::UsageError };
        CommandError::new(outcome, format!("{name}: {error}"))
            .with_hint("see docs/providers.md for the three supported formats; nothing was changed")
    })?;
    // Simulated models always keep the facts of this version, even if the file lists them.
    let all = imported.models.len();
    imported.models.retain(|facts| config.providers.get(&facts.provider).is_some_and(|p| !p.simulated));
    imported.skipped += all - imported.models.len();
    let changed = diff_catalog(&catalog, &imported.models);
    let merged = catalog.merge_fetched(&imported.models);
    let path = file.save(&FetchedCatalog::new(context.today_utc(), &merged)).map_err(|error| {
        CommandError::usage(format!("cannot save the catalog: {error}"))
            .with_hint("make the data folder writable ($XDG_DATA_HOME/slalom, else ~/.local/share/slalom)")
    })?;
    let output = if json {
        format!("{}\n", catalog_changes_json(&changed, imported.models.len()))
    } else {
        catalog_changes_table(&changed, context.console.width())
    };
    let done = check_printed(context.console.print(&output), CommandOutcome::Success)?;
    let skipped_note = match imported.skipped {
        0 => String::new(),
        n => format!("; {n} skipped (unknown provider or unsupported name)"),
    };
    let kept_note = match merged.len() - imported.models.len() {
        0 => String::new(),
        n => format!("; {} kept from earlier updates", pluralize(n, "model")),
    };
    let verb = if imported.models.len() == 1 { "overrides" } else { "override" };
    context.console.note(format_args!(
        "{} from {name} now {verb} the built-in catalog (saved in {}){kept_note}{skipped_note}",
        pluralize(imported.models.len(), "model"),
        path.display()
    ));
    Ok(done)
}

/// Fetches OpenRouter's model list, honoring a base URL in `routes.yaml`. Returns the URL and the text.
async fn fetch_remote_catalog(config: &Config) -> Result<(String, String), CommandError> {
    let Some(provider) = config.providers.get(REMOTE_SOURCE) else {
        return Err(CommandError::usage(format!("unknown provider `{REMOTE_SOURCE}`")));
    };
    if let Some(reason) = &provider.untrusted_reason {
        return Err(CommandError::usage(format!("`{REMOTE_SOURCE}` is not trusted: {reason}"))
            .with_hint("review routes.yaml, then run `slalom check --trust`"));
    }
    let url = format!("{}/models", provider.base_url);
    let transport = HttpTransport::new(config.connect_timeout);
    let body = fetch_document(&transport, url.clone(), FETCH_TIMEOUT).await.map_err(|error| {
        CommandError::new(CommandOutcome::NoAnswer, format!("{url}: {error}"))
            .with_hint("check the network, or pass a file; nothing was changed")
    })?;
    let text = String::from_utf8(body.into()).map_err(|_| {
        CommandError::new(CommandOutcome::NoAnswer, format!("{url}: the response is not valid UTF-8"))
    })?;
    Ok((url, text))
}

fn read_catalog_file(path: &str) -> Result<String, CommandError> {
    std::fs::read_to_string(Path::new(path)).map_err(|error| {
        CommandError::usage(format!("cannot read {path}: {error}")).with_hint(
            "pass `openrouter`, a CSV file with the catalog's columns, or a JSON file from OpenRouter or models.dev",
        )
    })
}
