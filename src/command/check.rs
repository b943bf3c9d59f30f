//! `slalom check`: are the files right, which keys are set, and with `--ping`: who answers?

use std::fmt::Write as _;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::ping;
use crate::chat::pluralize;
use crate::cli::CheckArgs;
use crate::config::{Config, ConfigOrigin, TrustStore, load_golden_set};
use crate::eval::split_subject_name;
use crate::provider::{ModelRef, Provider, Target, TargetError};

pub(super) async fn run(context: &CommandContext, args: &CheckArgs) -> Result<CommandOutcome, CommandError> {
    if args.trust {
        // Read without a word: what lacks trust is about to get it.
        trust_config(context, &context.load_config_with_warnings()?.0)?;
    }
    let config = context.load_config()?;
    let (routes, aliases) =
        (pluralize(config.routes.len(), "route"), pluralize(config.aliases.len(), "alias"));
    let mut said = format!("{}: {routes}, {aliases}\n", config.source_file.display_name);
    for path in &args.sets {
        let set = load_golden_set(path, config.file_access())?;
        // Building the line cannot fail: it is memory.
        let _ = writeln!(said, "{}: {}", path.display(), pluralize(set.cases.len(), "case"));
        for model in &set.default_subjects {
            set.expand_subject(model).map_err(CommandError::usage)?;
            config.resolve_subject(split_subject_name(model).0, &context.environment())?;
        }
    }
    let dotenv = context.dotenv();
    if !dotenv.names().is_empty() {
        let _ = writeln!(said, ".env: gives {} where they are not set already", dotenv.names().join(", "));
    }
    if args.ping.is_none() {
        write_key_status(context, &config, &mut said);
    }
    write_unknown_models(&config, &mut said);
    let wrong = write_invalid_providers(context, &config, &mut said);
    if let Some(named) = args.ping.as_ref().filter(|_| !wrong) {
        return ping::run_ping(context, config, named, &said, args.json).await;
    }
    if args.json {
        return Err(CommandError::usage(format!(
            "{} is wrong, so nobody was pinged",
            config.source_file.display_name
        ))
        .with_hint("`slalom check` says what is wrong"));
    }
    check_printed(
        context.console.print(&said),
        if wrong { CommandOutcome::UsageError } else { CommandOutcome::Success },
    )
}

fn trust_config(context: &CommandContext, config: &Config) -> Result<(), CommandError> {
    let Some(path) =
        config.source_file.path.as_ref().filter(|_| config.source_file.origin == ConfigOrigin::Project)
    else {
        context.console.note(format_args!("{} needs no trust", config.source_file.display_name));
        return Ok(());
    };
    TrustStore::for_user().add(path, &config.source_file.text).map_err(|error| {
        CommandError::usage(format!("the trust cannot be kept: {error}")).with_hint(
            "the state folder ($XDG_STATE_HOME/slalom, else ~/.local/state/slalom) must be writable",
        )
    })?;
    context.console.note(format_args!(
        "{} is trusted as it is now; an edit asks again",
        config.source_file.display_name
    ));
    Ok(())
}

/// Which providers could be called: never a key, not even a part of one.
fn write_key_status(context: &CommandContext, config: &Config, said: &mut String) {
    let environment = context.environment();
    let mut providers: Vec<&std::sync::Arc<Provider>> =
        config.providers.values().filter(|p| !p.simulated).collect();
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    let longest = providers.iter().map(|p| p.name.len()).max().unwrap_or(0);
    for provider in providers {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        let state = match Target::resolve(any, provider, &config.catalog, &environment) {
            Ok(target) => match target.authorization_origin() {
                Some(origin) if provider.auth.is_signed() => format!("credentials found ({origin})"),
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
fn write_unknown_models(config: &Config, said: &mut String) {
    for route in &config.routes {
        for model in route.candidates.iter().map(|candidate| &candidate.model) {
            if config.catalog.find(&model.provider, &model.model).is_some() {
                continue;
            }
            let near = config.catalog.nearest_model(&model.provider, &model.model);
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
fn write_invalid_providers(context: &CommandContext, config: &Config, said: &mut String) -> bool {
    let environment = context.environment();
    let mut any = false;
    for provider in config.providers.values().filter(|p| !p.simulated) {
        let model = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        let found = Target::resolve(model, provider, &config.catalog, &environment);
        if let Err(
            error @ (TargetError::BadUrl { .. }
            | TargetError::UserInfoInUrl { .. }
            | TargetError::PlainHttp { .. }),
        ) = found
        {
            let _ = writeln!(said, "wrong: {error}");
            any = true;
        }
    }
    any
}
