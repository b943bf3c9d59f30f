//! `slalom check --ping`: one tiny request to a model of each provider, which health learns from.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::context::CommandContext;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::start_simulator;
use crate::catalog::ModelMode;
use crate::chat::Request;
use crate::config::Config;
use crate::provider::ModelRef;
use crate::route::{
    CallOptions, CallTimeouts, RetryPolicy, Route, RoutePolicy, Router, RoutingHints, SilentObserver,
};
use crate::view::{PingResult, ping_json, ping_table};

/// A provider that has not answered by then is left.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// What is asked, and how much may come of it: fewer tokens are refused by some providers.
const PROMPT: &str = "Reply with the word ok.";
const MAX_TOKENS: u64 = 16;

/// Pings the providers that are named, else all that a route or an alias names, and prints what came of it below `above`.
pub(super) async fn run_ping(
    context: &CommandContext,
    mut config: Config,
    named: &[String],
    above: &str,
    json: bool,
) -> Result<CommandOutcome, CommandError> {
    let models = select_models(&config, named)?;
    let subjects: Vec<String> = models.iter().map(ToString::to_string).collect();
    let _simulator = start_simulator::start_if_needed(context, &mut config, &subjects, HashMap::new).await?;
    let routes = build_routes(context, &config, &subjects)?;
    let unable = routes.iter().flat_map(|route| &route.candidates).find_map(|c| c.target.as_ref().err());
    if let Some(error) = unable.filter(|_| !named.is_empty()) {
        // Who was asked for by name is not passed over.
        return Err(
            CommandError::usage(error.to_string()).with_hint("`slalom check` says what each provider needs")
        );
    }
    let router = context.build_router(&config);
    let pings = routes.iter().zip(models).map(|(route, model)| ping_model(context, &router, route, model));
    let pinged: Vec<PingResult> = join_all(pings).await;
    let outcome = ping_outcome(&pinged, !named.is_empty());
    let text = if json {
        format!("{}\n", ping_json(&pinged, outcome.exit_code()))
    } else {
        format!("{above}{}", ping_table(&pinged, context.console.width()))
    };
    let ended = check_printed(context.console.print(&text), outcome)?;
    if outcome == CommandOutcome::UsageError {
        return Err(CommandError::usage(
            "there is nobody to ping: no key is set for a provider that routes.yaml names",
        )
        .with_hint("`slalom check` says which variables hold the keys"));
    }
    Ok(ended)
}

/// A model of each provider: the first one that the default route names, or another route, or an alias.
fn select_models(config: &Config, named: &[String]) -> Result<Vec<ModelRef>, CommandError> {
    let mut wanted: Vec<String> = Vec::new();
    for name in named {
        let Some(provider) = config.canonical_provider_name(name) else {
            let hint = "`slalom check` lists the providers".to_owned();
            let near = crate::config::find_closest(name, config.providers.keys().map(String::as_str));
            return Err(CommandError::usage(format!("there is no provider `{name}`"))
                .with_hint(near.map_or(hint, |near| format!("did you mean `{near}`?"))));
        };
        if !wanted.contains(&provider) {
            wanted.push(provider);
        }
    }
    let (first, others): (Vec<_>, Vec<_>) =
        config.routes.iter().partition(|route| Some(&route.name) == config.default_route.as_ref());
    let of_routes = first.into_iter().chain(others).flat_map(|route| &route.candidates).map(|c| &c.model);
    let mut aliases: Vec<_> = config.aliases.iter().collect();
    aliases.sort();
    let mut found: Vec<ModelRef> = Vec::new();
    for model in of_routes.chain(aliases.into_iter().map(|(_, model)| model)) {
        let facts = config.catalog.find(&model.provider, &model.model);
        let answers = facts.is_none_or(|facts| facts.mode != ModelMode::Embedding);
        let asked = wanted.is_empty() || wanted.contains(&model.provider);
        if answers && asked && found.iter().all(|other| other.provider != model.provider) {
            found.push(model.clone());
        }
    }
    match wanted.iter().find(|provider| found.iter().all(|model| model.provider != **provider)) {
        None => Ok(found),
        Some(provider) => Err(CommandError::usage(format!(
            "no route and no alias names a model of `{provider}`, so it is not known which one to ping"
        ))
        .with_hint(format!(
            "name one in {}: `aliases: {{short: {provider}/MODEL}}`",
            config.source_file.display_name
        ))),
    }
}

/// A route to each model alone, on which nothing is tried twice.
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

async fn ping_model(context: &CommandContext, router: &Router, route: &Route, model: ModelRef) -> PingResult {
    let target = route.candidates.iter().map(|candidate| &candidate.target).next();
    if let Some(Err(error)) = target {
        return PingResult { is_simulated: false, model, record: Err(error.clone()) };
    }
    let simulated = target.is_some_and(|target| target.as_ref().is_ok_and(|t| t.provider.simulated));
    let options = CallOptions {
        id: context.new_id(),
        requested_model: model.to_string(),
        stream: true,
        timeout: Some(PING_TIMEOUT),
        hints: RoutingHints::default(),
    };
    let request = Request { max_output_tokens: Some(MAX_TOKENS), ..Request::from_prompt(PROMPT) };
    let record = router.call(route, &request, &options, &mut SilentObserver).await;
    PingResult { is_simulated: simulated, model, record: Ok(record) }
}

/// A simulated model that is down is down on purpose: beside real ones it counts only where it was asked for by name.
fn ping_outcome(pinged: &[PingResult], named: bool) -> CommandOutcome {
    if pinged.iter().all(|ping| ping.record.is_err()) {
        return CommandOutcome::UsageError;
    }
    let any_real = pinged.iter().any(|ping| !ping.is_simulated && ping.record.is_ok());
    let counts = |ping: &&PingResult| named || !any_real || !ping.is_simulated;
    match pinged.iter().filter(counts).any(PingResult::has_failed) {
        true => CommandOutcome::NoAnswer,
        false => CommandOutcome::Success,
    }
}
