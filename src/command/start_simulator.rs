//! Starts the simulator where a simulated model is named.

use std::collections::HashMap;

use super::context::CommandContext;
use super::outcome::CommandError;
use crate::config::{Config, find_closest};
use crate::provider::ModelRef;
use crate::sim::{LISTED_MODELS, ModelBehavior, SimulatedFault, Simulator, SimulatorConfig};

/// Starts a simulator if one of the subjects is served by it and `routes.yaml` names none that runs already. It lives
/// as long as what is returned.
pub(super) async fn start_if_needed(
    context: &CommandContext,
    config: &mut Config,
    subjects: &[String],
    replies: impl FnOnce() -> HashMap<String, String>,
) -> Result<Option<Simulator>, CommandError> {
    let named = subjects.iter().any(|subject| {
        subject_models(config, subject).iter().any(|model| config.has_simulator_placeholder(model))
    });
    if !named {
        return Ok(None);
    }
    let settings =
        SimulatorConfig { latency: context.sim_latency, replies: replies(), ..SimulatorConfig::default() };
    let simulator = Simulator::start(settings).await.map_err(CommandError::from_io)?;
    config.set_simulator_url(&simulator.base_url());
    Ok(Some(simulator))
}

/// Whether a simulator that is to be started has the models that were named for themselves: a run of many calls to one that it
/// does not have would be in vain.
pub(super) fn check_simulated_models<'a>(
    config: &Config,
    named: impl IntoIterator<Item = &'a str>,
) -> Result<(), CommandError> {
    for name in named {
        let Ok(model) = config.resolve_model_ref(name) else { continue };
        if !config.has_simulator_placeholder(&model) || ModelBehavior::from_model_name(&model.model).is_some()
        {
            continue;
        }
        let hint = match find_closest(&model.model, LISTED_MODELS.into_iter().chain(SimulatedFault::names()))
        {
            Some(near) => format!("did you mean `{}/{near}`?", model.provider),
            None => format!("it has {}, and faults of other names", LISTED_MODELS.join(", ")),
        };
        let message = format!("`{name}`: the simulator has no model `{}`", model.model);
        return Err(CommandError::usage(message).with_hint(hint));
    }
    Ok(())
}

/// The models that a subject may call. A name that means nothing is reported where the subject is resolved.
fn subject_models(config: &Config, subject: &str) -> Vec<ModelRef> {
    match subject.strip_prefix("route:") {
        Some(name) => config
            .routes
            .iter()
            .filter(|r| r.name == name)
            .flat_map(|r| &r.candidates)
            .map(|c| c.model.clone())
            .collect(),
        None => config.resolve_model_ref(subject).into_iter().collect(),
    }
}
