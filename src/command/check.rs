//! `slalom check`: validates files, lists the keys that are set, and pings providers with `--ping`.

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
        // Warnings about missing trust are pointless here, so this load prints none.
        trust_config(context, &context.load_config_with_warnings()?.0)?;
    }
    let config = context.load_config()?;
    let (routes, aliases) =
        (pluralize(config.routes.len(), "route"), pluralize(config.aliases.len(), "alias"));
    let mut report = format!("{}: {routes}, {aliases}\n", config.source_file.display_name);
    for path in &args.sets {
        let set = load_golden_set(path, config.file_access())?;
        // Writing to a string cannot fail.
        let _ = writeln!(report, "{}: {}", path.display(), pluralize(set.cases.len(), "case"));
        for model in &set.default_subjects {
            set.expand_subject(model).map_err(CommandError::usage)?;
            config.resolve_subject(split_subject_name(model).0, &context.environment())?;
        }
    }
    let dotenv = context.dotenv();
    if !dotenv.names().is_empty() {
        let _ = writeln!(
            report,
            ".env: provides {} (variables already set take precedence)",
            dotenv.names().join(", ")
        );
    }
    if args.ping.is_none() {
        write_key_status(context, &config, &mut report);
    }
    write_unknown_models(&config, &mut report);
    let has_errors = write_invalid_providers(context, &config, &mut report);
    if let Some(names) = args.ping.as_ref().filter(|_| !has_errors) {
        return ping::run_ping(context, config, names, &report, args.json).await;
    }
    if args.json {
        return Err(CommandError::usage(format!(
            "cannot ping: {} has errors",
            config.source_file.display_name
        ))
        .with_hint("run `slalom check` to list the errors"));
    }
    check_printed(
        context.console.print(&report),
        if has_errors { CommandOutcome::UsageError } else { CommandOutcome::Success },
    )
}

fn trust_config(context: &CommandContext, config: &Config) -> Result<(), CommandError> {
    let Some(path) =
        config.source_file.path.as_ref().filter(|_| config.source_file.origin == ConfigOrigin::Project)
    else {
        context.console.note(format_args!("{} does not need to be trusted", config.source_file.display_name));
        return Ok(());
    };
    TrustStore::for_user().add(path, &config.source_file.text).map_err(|error| {
        CommandError::usage(format!("cannot save the trust decision: {error}"))
            .with_hint("make the state folder writable ($XDG_STATE_HOME/slalom, else ~/.local/state/slalom)")
    })?;
    context.console.note(format_args!(
        "{} is now trusted; run `slalom check --trust` again after each edit",
        config.source_file.display_name
    ));
    Ok(())
}

/// Lists which providers can be called. Never prints any part of a key.
fn write_key_status(context: &CommandContext, config: &Config, report: &mut String) {
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
                let message = error.to_string();
                // The line already starts with the provider name.
                message.strip_prefix(&format!("`{}` has ", provider.name)).unwrap_or(&message).to_owned()
            }
        };
        let _ = writeln!(report, "{:longest$} {state}", provider.name);
    }
}

/// Reports models that are not in the catalog: they work, but may be typos.
fn write_unknown_models(config: &Config, report: &mut String) {
    for route in &config.routes {
        for model in route.candidates.iter().map(|candidate| &candidate.model) {
            if config.catalog.find(&model.provider, &model.model).is_some() {
                continue;
            }
            let closest = config.catalog.nearest_model(&model.provider, &model.model);
            let match_hint = closest
                .map(|closest| format!("; closest match: {}/{closest}", model.provider))
                .unwrap_or_default();
            let _ = writeln!(
                report,
                "route {}: {model} is not in the catalog, so its price and context window are unknown{match_hint}",
                route.name
            );
        }
    }
}

/// Reports providers that are misconfigured regardless of keys. Returns whether it found any.
fn write_invalid_providers(context: &CommandContext, config: &Config, report: &mut String) -> bool {
    let environment = context.environment();
    let mut found_error = false;
    for provider in config.providers.values().filter(|p| !p.simulated) {
        let model = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        let resolved = Target::resolve(model, provider, &config.catalog, &environment);
        if let Err(
            error @ (TargetError::BadUrl { .. }
            | TargetError::UserInfoInUrl { .. }
            | TargetError::PlainHttp { .. }),
        ) = resolved
        {
            let _ = writeln!(report, "error: {error}");
            found_error = true;
        }
    }
    found_error
}
