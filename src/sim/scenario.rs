//! Scripted behavior: which requests match and which steps follow.

use std::time::Duration;

use super::ModelBehavior;
use crate::dialect::ServerRequest;

#[derive(Clone, Debug)]
pub struct SimulatorRule {
    /// Matched against the text of the last user message; `None` matches every prompt.
    pub prompt: Option<regex::Regex>,
    /// Model names; empty matches every model.
    pub models: Vec<String>,
    /// One step per request, in order; the last one repeats.
    pub steps: Vec<SimulatorStep>,
}

#[derive(Clone, Debug, Default)]
pub struct SimulatorStep {
    /// Overrides the behavior of the requested model.
    pub behavior: Option<ModelBehavior>,
    pub reply: Option<String>,
    pub latency: Option<Duration>,
}

impl SimulatorRule {
    pub(super) fn matches(&self, incoming: &ServerRequest) -> bool {
        (self.models.is_empty() || self.models.contains(&incoming.model))
            && self.prompt.as_ref().is_none_or(|prompt| prompt.is_match(&incoming.request.last_user_text()))
    }

    /// The step for the n-th request, counted from 0.
    pub(super) fn step_for(&self, nth: u64) -> Option<&SimulatorStep> {
        let last = self.steps.len().checked_sub(1)?;
        self.steps.get(usize::try_from(nth).map_or(last, |nth| nth.min(last)))
    }
}
