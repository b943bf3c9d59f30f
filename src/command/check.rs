//! `slalom check`: are the files right, which keys are set, and with `--ping`: who answers?

use std::fmt::Write as _;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::ping;
use crate::chat::counted;
use crate::cli::CheckArgs;
use crate::config::{Config, Origin, TrustStore, load_set};
use crate::eval::subject_halves;
use crate::provider::{ModelRef, Provider, Target, TargetError};

pub(super) async fn check(context: &Context, args: &CheckArgs) -> Result<Outcome, CommandError> {
    if args.trust {
        // Read without a word: what lacks trust is about to get it.
        trust(context, &context.read_config()?.0)?;
    }
    let config = context.load_config()?;
    let (routes, aliases) = (counted(config.routes.len(), "route"), counted(config.aliases.len(), "alias"));
    let mut said = format!("{}: {routes}, {aliases}\n", config.source.name);
    for path in &args.sets {
        let set = load_set(path, config.file_access())?;
        // Building the line cannot fail: it is memory.
        let _ = writeln!(said, "{}: {}", path.display(), counted(set.cases.len(), "case"));
        for model in &set.models {
            set.subjects(model).map_err(CommandError::usage)?;
            config.subject(subject_halves(model).0, &context.environment())?;
        }
    }
    let dotenv = context.dotenv();
    if !dotenv.names().is_empty() {
        let _ = writeln!(said, ".env: gives {} where they are not set already", dotenv.names().join(", "));
    }
    if args.ping.is_none() {
        keys(context, &config, &mut said);
    }
    unknown_models(&config, &mut said);
    let wrong = unusable(context, &config, &mut said);
    if let Some(named) = args.ping.as_ref().filter(|_| !wrong) {
        return ping::ping(context, config, named, &said, args.json).await;
    }
    if args.json {
        return Err(CommandError::usage(format!("{} is wrong, so nobody was pinged", config.source.name))
            .hint("`slalom check` says what is wrong"));
    }
    printed(context.console.out(&said), if wrong { Outcome::Usage } else { Outcome::Done })
}

fn trust(context: &Context, config: &Config) -> Result<(), CommandError> {
    let Some(path) = config.source.path.as_ref().filter(|_| config.source.origin == Origin::Project) else {
        context.console.note(format_args!("{} needs no trust", config.source.name));
        return Ok(());
    };
    TrustStore::of_user().add(path, &config.source.text).map_err(|error| {
        CommandError::usage(format!("the trust cannot be kept: {error}"))
            .hint("the state folder ($XDG_STATE_HOME/slalom, else ~/.local/state/slalom) must be writable")
    })?;
    context.console.note(format_args!("{} is trusted as it is now; an edit asks again", config.source.name));
    Ok(())
}

/// Which providers could be called: never a key, not even a part of one.
fn keys(context: &Context, config: &Config, said: &mut String) {
    let environment = context.environment();
    let mut providers: Vec<&std::sync::Arc<Provider>> =
        config.providers.values().filter(|p| !p.simulated).collect();
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    let longest = providers.iter().map(|p| p.name.len()).max().unwrap_or(0);
    for provider in providers {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        let state = match Target::resolve(any, provider, &config.catalog, &environment) {
            Ok(target) => match target.authorized_by() {
                Some(origin) if provider.auth.signs() => format!("credentials found ({origin})"),
                Some(origin) => format!("key set ({origin})"),
                None => "needs no key".to_owned(),
            },
            Err(error) => {
                let words = error.to_string();
                // The name stands before it already.
                words.strip_prefix(&format!("`{}` has ", provider.name)).unwrap_or(&words).to_owned()
            }
        };
        let _ = writeln!(said, "{:longest$} {state}", provider.name);
    }
}

/// A model that nothing is known of works, but may be a slip of the pen.
fn unknown_models(config: &Config, said: &mut String) {
    for route in &config.routes {
        for model in route.candidates.iter().map(|candidate| &candidate.model) {
            if config.catalog.find(&model.provider, &model.model).is_some() {
                continue;
            }
            let near = config.catalog.nearest(&model.provider, &model.model);
            let near = near
                .map(|near| format!("; the nearest known one is {}/{near}", model.provider))
                .unwrap_or_default();
            let _ = writeln!(
                said,
                "route {}: {model} is not in the catalogue, so its price and window are unknown{near}",
                route.name
            );
        }
    }
}

/// Names the providers that no key would help: a file that has them is wrong.
fn unusable(context: &Context, config: &Config, said: &mut String) -> bool {
    let environment = context.environment();
    let mut any = false;
    for provider in config.providers.values().filter(|p| !p.simulated) {
        let model = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        let found = Target::resolve(model, provider, &config.catalog, &environment);
        if let Err(
            error @ (TargetError::BadUrl { .. }
            | TargetError::UserInfo { .. }
            | TargetError::PlainHttp { .. }),
        ) = found
        {
            let _ = writeln!(said, "wrong: {error}");
            any = true;
        }
    }
    any
}
