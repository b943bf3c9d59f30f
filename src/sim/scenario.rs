//! Scripted behaviour: what to do with which request, in turn.

use std::time::Duration;

use super::ModelBehavior;
use crate::dialect::ServerRequest;

/// What to do with the requests that a rule matches.
#[derive(Clone, Debug)]
pub struct SimulatorRule {
    /// Found in the text of the last user turn; `None` matches every prompt.
    pub prompt: Option<regex::Regex>,
    /// The models that it holds for; none stands for all.
    pub models: Vec<String>,
    /// One step a request, in turn; the last one for ever.
    pub steps: Vec<SimulatorStep>,
}

/// What to do with one request.
#[derive(Clone, Debug, Default)]
pub struct SimulatorStep {
    /// Behave as this model does, whichever was asked.
    pub behavior: Option<ModelBehavior>,
    /// Say this.
    pub reply: Option<String>,
    /// Take this long.
    pub latency: Option<Duration>,
}

impl SimulatorRule {
    /// Whether the rule is about this request.
    pub(super) fn matches(&self, asked: &ServerRequest) -> bool {
        (self.models.is_empty() || self.models.contains(&asked.model))
            && self.prompt.as_ref().is_none_or(|prompt| prompt.is_match(&asked.request.last_user_text()))
    }

    /// The step of the n-th request, counted from 0.
    pub(super) fn step_for(&self, nth: u64) -> Option<&SimulatorStep> {
        let last = self.steps.len().checked_sub(1)?;
        self.steps.get(usize::try_from(nth).map_or(last, |nth| nth.min(last)))
    }
}
