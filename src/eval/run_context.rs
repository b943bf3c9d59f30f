//! What the parts of a run share.

use super::answer_cache::CachePolicy;
use super::case_stats::ResultRetention;
use super::failures::FailureWording;
use super::provider_slots::ProviderSlots;
use super::run_observer::RunObserver;
use super::stop_signal::StopSignal;
use super::store::RunStore;
use crate::route::{CallOptions, Route, Router, RoutingHints};

#[derive(Clone, Debug)]
pub(crate) struct EvalSubject {
    /// As typed, with `#PROMPT` when the set compares prompts.
    pub name: String,
    pub route: Route,
}

#[derive(Clone, Debug)]
pub(crate) struct RunOptions {
    pub run_id: String,
    pub repeats: u32,
    pub cache: CachePolicy,
    /// Whether an earlier part of this run may have stored answers without a result.
    pub is_resumed: bool,
    pub retention: ResultRetention,
}

impl RunOptions {
    /// At least 1.
    pub(super) fn repeat_count(&self) -> usize {
        self.repeats.max(1) as usize
    }
}

#[derive(Clone, Copy)]
pub(crate) struct RunContext<'a> {
    pub router: &'a Router,
    pub store: &'a dyn RunStore,
    pub slots: &'a ProviderSlots,
    pub stop_signal: &'a StopSignal,
    pub observer: &'a dyn RunObserver,
    /// Words the failures that are stored.
    pub wording: &'a dyn FailureWording,
    /// What all calls to subjects and graders share.
    pub call_options: &'a CallOptions,
}

impl RunContext<'_> {
    /// Options of one call. The sticky key pins a case to one candidate of a weighted route.
    pub(super) fn call_options(&self, requested_model: &str, case_id: &str) -> CallOptions {
        CallOptions {
            requested_model: requested_model.to_owned(),
            hints: RoutingHints { label: None, sticky_key: Some(case_id.to_owned()) },
            ..self.call_options.clone()
        }
    }
}
