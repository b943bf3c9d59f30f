//! `slalom models --available`: what the providers themselves say that they serve.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;

use super::context::Context;
use super::outcome::{CommandError, Outcome, printed};
use super::simulator;
use crate::config::Config;
use crate::provider::{Environment, Http, ModelRef, Target, list};
use crate::view::{Available, available_json, available_table};

/// A provider that has not listed its models by then is left.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn available(
    context: &Context,
    mut config: Config,
    named: &[String],
    json: bool,
) -> Result<Outcome, CommandError> {
    for name in named {
        if !config.providers.contains_key(name) {
            let hint = "`slalom check` lists the providers".to_owned();
            let near = crate::config::nearest(name, config.providers.keys().map(String::as_str));
            return Err(CommandError::usage(format!("there is no provider `{name}`"))
                .hint(near.map_or(hint, |near| format!("did you mean `{near}`?"))));
        }
    }
    let subjects: Vec<String> = named.iter().map(|name| format!("{name}/any")).collect();
    let _simulator = simulator::start_if_named(context, &mut config, &subjects, HashMap::new).await?;
    let asked = asked(context, &config, named)?;
    if asked.is_empty() {
        return Err(CommandError::usage("no provider's key is set, so there is nobody to ask").hint(
            "`slalom check` says which variables hold them; a provider that needs none is asked when it is named",
        ));
    }
    let transport = Http::new(config.connect_timeout);
    let lists = asked.into_iter().map(|(name, target)| {
        let transport = &transport;
        async move {
            let listed = list(transport, &target, PATIENCE).await.map_err(|error| error.to_string());
            (name, listed)
        }
    });
    let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for facts in config.catalog.all() {
        known.entry(facts.provider).or_default().push(facts.model);
    }
    let answers: Vec<Available> = join_all(lists)
        .await
        .into_iter()
        .map(|(name, listed)| Available::new(&name, listed, known.get(&name).map_or(&[], Vec::as_slice)))
        .collect();
    let outcome = match answers.iter().any(|answer| answer.models.is_ok()) {
        true => Outcome::Done,
        false => Outcome::NoAnswer,
    };
    let shown = if json {
        format!("{}\n", available_json(&answers))
    } else {
        available_table(&answers, context.console.width())
    };
    let ended = printed(context.console.out(&shown), outcome)?;
    for answer in &answers {
        if let Err(why) = &answer.models {
            context.console.warn(format_args!("{}: {why}", answer.provider));
        }
    }
    Ok(ended)
}

/// Those named, or all whose key is set. One that is named and cannot be asked is an error before anybody is.
fn asked(
    context: &Context,
    config: &Config,
    named: &[String],
) -> Result<BTreeMap<String, Target>, CommandError> {
    let environment = context.environment();
    let is_set = |name: &String| environment.key(name).is_some_and(|key| !key.trim().is_empty());
    let candidates = config.providers.values().filter(|provider| {
        let has_key = provider.needs_key() || provider.key_variables.iter().any(is_set);
        named.contains(&provider.name) || named.is_empty() && !provider.simulated && has_key
    });
    let mut asked = BTreeMap::new();
    for provider in candidates {
        let any = ModelRef { provider: provider.name.clone(), model: "any".to_owned() };
        match Target::resolve(any, provider, &config.catalog, &environment) {
            Ok(target) => drop(asked.insert(provider.name.clone(), target)),
            Err(_) if named.is_empty() => {}
            Err(error) => {
                return Err(CommandError::usage(error.to_string())
                    .hint("`slalom check` says what each provider needs"));
            }
        }
    }
    Ok(asked)
}
