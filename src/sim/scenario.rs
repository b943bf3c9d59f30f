//! Scripted behaviour: what to do with which request, in turn.

use std::time::Duration;

use super::Behaviour;
use crate::dialect::Asked;

/// What to do with the requests that a rule matches.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Found in the text of the last user turn; `None` matches every prompt.
    pub prompt: Option<regex::Regex>,
    /// The models that it holds for; none stands for all.
    pub models: Vec<String>,
    /// One step a request, in turn; the last one for ever.
    pub steps: Vec<Step>,
}

/// What to do with one request.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Behave as this model does, whichever was asked.
    pub behaviour: Option<Behaviour>,
    /// Say this.
    pub reply: Option<String>,
    /// Take this long.
    pub latency: Option<Duration>,
}

impl Rule {
    /// Whether the rule is about this request.
    pub(super) fn matches(&self, asked: &Asked) -> bool {
        (self.models.is_empty() || self.models.contains(&asked.model))
            && self.prompt.as_ref().is_none_or(|prompt| prompt.is_match(&asked.request.last_user_text()))
    }

    /// The step of the n-th request, counted from 0.
    pub(super) fn step(&self, nth: u64) -> Option<&Step> {
        let last = self.steps.len().checked_sub(1)?;
        self.steps.get(usize::try_from(nth).map_or(last, |nth| nth.min(last)))
    }
}
