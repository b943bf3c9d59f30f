//! Starts the simulator where a simulated model is named.

use std::collections::HashMap;

use super::context::Context;
use super::outcome::CommandError;
use crate::config::Config;
use crate::provider::ModelRef;
use crate::sim::{Settings, Simulator};

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
