//! Starts the built-in simulator when a command uses a simulated model.

use std::collections::HashMap;

use super::context::CommandContext;
use super::outcome::CommandError;
use crate::chat::find_closest;
use crate::config::Config;
use crate::provider::ModelRef;
use crate::sim::{LISTED_MODELS, ModelBehavior, SimulatedFault, Simulator, SimulatorConfig};

/// Starts a simulator if a subject needs one and `routes.yaml` does not point to a running one. It stops when
/// the returned value is dropped.
pub(super) async fn start_if_needed(
    context: &CommandContext,
    config: &mut Config,
    subjects: &[String],
    replies: impl FnOnce() -> HashMap<String, String>,
) -> Result<Option<Simulator>, CommandError> {
    let needs_simulator = subjects.iter().any(|subject| {
        subject_models(config, subject).iter().any(|model| config.has_simulator_placeholder(model))
    });
    if !needs_simulator {
        return Ok(None);
    }
    let settings =
        SimulatorConfig { latency: context.sim_latency, replies: replies(), ..SimulatorConfig::default() };
    let simulator = Simulator::start(settings).await.map_err(CommandError::from_io)?;
    config.set_simulator_url(&simulator.base_url());
    Ok(Some(simulator))
}

/// Rejects simulated models that the built-in simulator does not have, before a run makes many calls.
pub(super) fn check_simulated_models<'a>(
    config: &Config,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), CommandError> {
    for name in names {
        let Ok(model) = config.resolve_model_ref(name) else { continue };
        if !config.has_simulator_placeholder(&model) || ModelBehavior::from_model_name(&model.model).is_some()
        {
            continue;
        }
        let hint = match find_closest(&model.model, LISTED_MODELS.into_iter().chain(SimulatedFault::names()))
        {
            Some(closest) => format!("did you mean `{}/{closest}`?", model.provider),
            None => format!("use one of {}, or a fault (`slalom sim` lists them)", LISTED_MODELS.join(", ")),
        };
        let message = format!("`{name}`: unknown simulator model `{}`", model.model);
        return Err(CommandError::usage(message).with_hint(hint));
    }
    Ok(())
}

/// The models that a subject may call; empty for an unknown name, which `resolve_subject` reports later.
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
