//! `slalom models --update`: newer rows before the shipped ones.

use std::path::Path;
use std::time::Duration;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use crate::catalog::{Catalog, Updated, changes, import};
use crate::chat::counted;
use crate::config::{CatalogueFile, Config};
use crate::provider::{Http, fetch};
use crate::view::{changes_json, changes_table};

/// The list that is fetched when its provider's name is given.
const FETCHED: &str = "openrouter";

/// A list that has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn update(
    context: &Context,
    config: &Config,
    source: &str,
    json: bool,
) -> Result<Outcome, CommandError> {
    let (name, text) =
        if source == FETCHED { fetched(config).await? } else { (source.to_owned(), read(source)?) };
    // The rows are held against what is known without routes.yaml: what the user says stands before both.
    let file = CatalogueFile::of_user();
    let catalog = Catalog::new(file.read().ok().flatten());
    let known = |provider: &str| config.providers.contains_key(provider);
    let mut imported = import(&text, &known, &catalog).map_err(|error| {
        // What somebody else answered is nobody's wrong usage.
        let outcome = if source == FETCHED { Outcome::NoAnswer } else { Outcome::Usage };
        CommandError::no_answer(outcome, format!("{name}: {error}"))
            .hint("nothing was changed; see docs/providers.md for the three shapes that are read")
    })?;
    // The simulator's prices are this version's own; a copy of the shipped file has them too.
    let all = imported.models.len();
    imported.models.retain(|facts| config.providers.get(&facts.provider).is_some_and(|p| !p.simulated));
    imported.left_out += all - imported.models.len();
    let changed = changes(&catalog, &imported.models);
    let merged = catalog.merged(&imported.models);
    let path = file.write(&Updated::new(context.today(), &merged)).map_err(|error| {
        CommandError::usage(format!("the catalogue cannot be kept: {error}"))
            .hint("the data folder ($XDG_DATA_HOME/slalom, else ~/.local/share/slalom) must be writable")
    })?;
    let shown = if json {
        format!("{}\n", changes_json(&changed, imported.models.len()))
    } else {
        changes_table(&changed, context.console.width())
    };
    let done = printed(context.console.out(&shown), Outcome::Done)?;
    let left_out = match imported.left_out {
        0 => String::new(),
        n => format!("; {n} left out: their provider is none known here, or no row can hold their name"),
    };
    let kept = match merged.len() - imported.models.len() {
        0 => String::new(),
        n => format!("; {} of earlier updates stay", counted(n, "model")),
    };
    context.console.note(format_args!(
        "{} from {name} now stand before the shipped ones, in {}{kept}{left_out}",
        counted(imported.models.len(), "model"),
        path.display()
    ));
    Ok(done)
}

/// The public list of OpenRouter, wherever `routes.yaml` says that it is.
async fn fetched(config: &Config) -> Result<(String, String), CommandError> {
    let Some(provider) = config.providers.get(FETCHED) else {
        return Err(CommandError::usage(format!("there is no provider `{FETCHED}`")));
    };
    if let Some(why) = &provider.untrusted {
        return Err(CommandError::usage(format!("`{FETCHED}` is not trusted yet: {why}"))
            .hint("read routes.yaml, then run `slalom check --trust`"));
    }
    let url = format!("{}/models", provider.base_url);
    let transport = Http::new(config.connect_timeout);
    let body = fetch(&transport, url.clone(), PATIENCE).await.map_err(|error| {
        CommandError::no_answer(Outcome::NoAnswer, format!("{url}: {error}"))
            .hint("nothing was changed; check the network, or give a file")
    })?;
    let text = String::from_utf8(body.into()).map_err(|_| {
        CommandError::no_answer(Outcome::NoAnswer, format!("{url}: the answer is no UTF-8 text"))
    })?;
    Ok((url, text))
}

fn read(path: &str) -> Result<String, CommandError> {
    std::fs::read_to_string(Path::new(path)).map_err(|error| {
        CommandError::usage(format!("{path}: the file cannot be read: {error}"))
            .hint("give a CSV in the shipped columns, a JSON of OpenRouter or models.dev, or `openrouter`")
    })
}
