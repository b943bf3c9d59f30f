//! `slalom check --ping`: sends one tiny request to a model of each provider and records its health.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::context::CommandContext;
use super::observer::CommandObserver;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::{call_error, start_simulator};
use crate::catalog::ModelMode;
use crate::chat::{Request, TokenCount, find_closest};
use crate::config::Config;
use crate::provider::ModelRef;
use crate::route::{CallOptions, CallTimeouts, RetryPolicy, Route, RoutePolicy, Router};
use crate::view::{PingResult, ping_json, ping_table};

/// Time limit for one provider.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

const PROMPT: &str = "Reply with the word ok.";
/// Some providers reject a smaller limit.
const MAX_TOKENS: TokenCount = TokenCount::new(16);

/// Pings the named providers, else all that a route or alias uses, and prints the results below `header`.
pub(super) async fn run_ping(
    context: &CommandContext,
    mut config: Config,
    names: &[String],
    header: &str,
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    let models = select_models(&config, names)?;
    let subjects: Vec<String> = models.iter().map(ToString::to_string).collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &subjects, HashMap::new).await?;
    let routes = build_routes(context, &config, &subjects)?;
    let target_error =
        routes.iter().flat_map(|route| &route.candidates).find_map(|c| c.target.as_ref().err());
    if let Some(error) = target_error.filter(|_| !names.is_empty()) {
        // A provider that was named must not be skipped.
        return Err(
            CommandError::usage(error.to_string()).with_hint(call_error::target_error_hint(error, [error]))
        );
    }
    let (router, observer) = (context.build_router(&config), CommandObserver::new(context, &config));
    let pings =
        routes.iter().zip(models).map(|(route, model)| ping_model(context, &router, &observer, route, model));
    let results: Vec<PingResult> = join_all(pings).await;
    let outcome = ping_outcome(&results, !names.is_empty());
    let text = if json {
        format!("{}\n", ping_json(&results, outcome.exit_code()))
    } else {
        format!("{header}{}", ping_table(&results, context.console.width()))
    };
    let outcome = check_printed(context.console.print(&text), outcome)?;
    if outcome == CommandOutcome::UsageError {
        return Err(CommandError::usage(
            "no provider to ping: no API key is set for the providers in routes.yaml",
        )
        .with_hint("set a key (`slalom check` lists the variables)"));
    }
    Ok(outcome)
}

/// Picks one model per provider: from the default route, else from the other routes, else from the aliases.
fn select_models(config: &Config, names: &[String]) -> Result<Vec<ModelRef>, CommandError> {
    let mut wanted: Vec<String> = Vec::new();
    for name in names {
        let Some(provider) = config.canonical_provider_name(name) else {
            let hint = "run `slalom check` to list the providers".to_owned();
            let closest = find_closest(name, config.providers.keys().map(String::as_str));
            return Err(CommandError::usage(format!("unknown provider `{name}`"))
                .with_hint(closest.map_or(hint, |closest| format!("did you mean `{closest}`?"))));
        };
        if !wanted.contains(&provider) {
            wanted.push(provider);
        }
    }
    let (first, others): (Vec<_>, Vec<_>) =
        config.routes.iter().partition(|route| Some(&route.name) == config.default_route.as_ref());
    let route_models = first.into_iter().chain(others).flat_map(|route| &route.candidates).map(|c| &c.model);
    let mut aliases: Vec<_> = config.aliases.iter().collect();
    aliases.sort();
    let mut found: Vec<ModelRef> = Vec::new();
    for model in route_models.chain(aliases.into_iter().map(|(_, model)| model)) {
        let facts = config.catalog.find(&model.provider, &model.model);
        let is_text_model = facts.is_none_or(|facts| facts.mode != ModelMode::Embedding);
        let is_wanted = wanted.is_empty() || wanted.contains(&model.provider);
        if is_text_model && is_wanted && found.iter().all(|other| other.provider != model.provider) {
            found.push(model.clone());
        }
    }
    match wanted.iter().find(|provider| found.iter().all(|model| model.provider != **provider)) {
        None => Ok(found),
        Some(provider) => Err(CommandError::usage(format!(
            "cannot ping `{provider}`: no route or alias uses one of its models"
        ))
        .with_hint(format!(
            "add one to {}: `aliases: {{short: {provider}/MODEL}}`",
            config.source_file.display_name
        ))),
    }
}

/// Builds one single-model route per subject, without retries.
fn build_routes(
    context: &CommandContext,
    config: &Config,
    subjects: &[String],
) -> Result<Vec<Route>, CommandError> {
    let environment = context.environment();
    let mut routes = Vec::new();
    for subject in subjects {
        let Route { name, candidates, policy } = config.resolve_subject(subject, &environment)?.route;
        let policy = RoutePolicy {
            timeouts: CallTimeouts { deadline: PING_TIMEOUT, ..policy.timeouts },
            retry: RetryPolicy { retries: 0, ..policy.retry },
            ..policy
        };
        routes.push(Route { name, candidates, policy });
    }
    Ok(routes)
}

async fn ping_model(
    context: &CommandContext,
    router: &Router,
    observer: &CommandObserver,
    route: &Route,
    model: ModelRef,
) -> PingResult {
    let target = route.candidates.iter().map(|candidate| &candidate.target).next();
    if let Some(Err(error)) = target {
        return PingResult { is_simulated: false, model, record: Err(error.clone()) };
    }
    let simulated = target.is_some_and(|target| target.as_ref().is_ok_and(|t| t.provider.simulated));
    let options = CallOptions {
        id: context.new_id(),
        requested_model: model.to_string(),
        timeout: Some(PING_TIMEOUT),
        ..CallOptions::default()
    };
    let request = Request { max_output_tokens: Some(MAX_TOKENS), ..Request::from_prompt(PROMPT) };
    let plan = router.plan(route, &request, &options);
    let record = router.run(plan, &mut &*observer).await;
    PingResult { is_simulated: simulated, model, record: Ok(record) }
}

/// Failed simulated models count only if their provider was named or no real model was pinged.
fn ping_outcome(results: &[PingResult], named: bool) -> CommandOutcome {
    if results.iter().all(|ping| ping.record.is_err()) {
        return CommandOutcome::UsageError;
    }
    let any_real = results.iter().any(|ping| !ping.is_simulated && ping.record.is_ok());
    let counts = |ping: &&PingResult| named || !any_real || !ping.is_simulated;
    match results.iter().filter(counts).any(PingResult::has_failed) {
        true => CommandOutcome::NoAnswer,
        false => CommandOutcome::Success,
    }
}
