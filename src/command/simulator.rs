//! Starts the simulator where a simulated model is named.

use std::collections::HashMap;

use super::context::Context;
use super::outcome::CommandError;
use crate::config::{Config, nearest};
use crate::provider::ModelRef;
use crate::sim::{Behaviour, Fault, MODELS, Settings, Simulator};

/// Starts a simulator if one of the subjects is served by it and `routes.yaml` names none that runs already. It lives
/// as long as what is returned.
pub(super) async fn start_if_named(
    context: &Context,
    config: &mut Config,
    subjects: &[String],
    replies: impl FnOnce() -> HashMap<String, String>,
) -> Result<Option<Simulator>, CommandError> {
    let named = subjects
        .iter()
        .any(|subject| models_of(config, subject).iter().any(|model| config.wants_simulator(model)));
    if !named {
        return Ok(None);
    }
    let settings = Settings { latency: context.sim_latency, replies: replies(), ..Settings::default() };
    let simulator = Simulator::start(settings).await.map_err(CommandError::internal)?;
    config.put_simulator_at(&simulator.url());
    Ok(Some(simulator))
}

/// Whether a simulator that is to be started has the models that were named for themselves: a run of many calls to one that it
/// does not have would be in vain.
pub(super) fn check_models<'a>(
    config: &Config,
    named: impl IntoIterator<Item = &'a str>,
) -> Result<(), CommandError> {
    for name in named {
        let Ok(model) = config.model_ref(name) else { continue };
        if !config.wants_simulator(&model) || Behaviour::of(&model.model).is_some() {
            continue;
        }
        let hint = match nearest(&model.model, MODELS.into_iter().chain(Fault::names())) {
            Some(near) => format!("did you mean `{}/{near}`?", model.provider),
            None => format!("it has {}, and faults of other names", MODELS.join(", ")),
        };
        let message = format!("`{name}`: the simulator has no model `{}`", model.model);
        return Err(CommandError::usage(message).hint(hint));
    }
    Ok(())
}

/// The models that a subject may call. A name that means nothing is reported where the subject is resolved.
fn models_of(config: &Config, subject: &str) -> Vec<ModelRef> {
    match subject.strip_prefix("route:") {
        Some(name) => config
            .routes
            .iter()
            .filter(|r| r.name == name)
            .flat_map(|r| &r.candidates)
            .map(|c| c.model.clone())
            .collect(),
        None => config.model_ref(subject).into_iter().collect(),
    }
}
