//! The answer cache, keyed by the exact request to one model and the repeat.
//!
//! Simulator answers are never cached: they are free, and a simulated run should make every call.

use std::time::Duration;

use super::result_row::{from_keyword, from_milliseconds, to_keyword, to_milliseconds};
use super::store::{CachedAnswerRow, RunStore};
use super::{CallMetric, CaseFeature, GoldenSet};
use crate::catalog::{Cost, CostSource};
use crate::chat::{FinishReason, Response, Usage};
use crate::dialect::ParsedResponseHeaders;
use crate::provider::ModelRef;
use crate::route::{Attempt, CallAnswer, CallRecord, Plan, PlanStep, Route};

/// 30 days.
const MAX_ANSWER_AGE_MS: i64 = 30 * 86_400_000;

/// Metrics that a cached answer cannot provide.
const TIMING_METRICS: [CallMetric; 2] = [CallMetric::LatencyMilliseconds, CallMetric::FirstTokenMilliseconds];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CachePolicy {
    pub can_read: bool,
    pub can_write: bool,
}

impl CachePolicy {
    /// Disables reads if an assertion in the set limits latency or time to first token.
    pub(crate) fn restrict_for_set(self, set: &GoldenSet) -> Self {
        let has_timing_limit =
            TIMING_METRICS.into_iter().any(|metric| set.cases.has_feature(CaseFeature::HasLimitOn(metric)));
        Self { can_read: self.can_read && !has_timing_limit, ..self }
    }

    /// Disables the cache for a route with only simulated models.
    pub(super) fn restrict_for_route(self, route: &Route) -> Self {
        let mut targets = route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().ok());
        if targets.any(|target| !target.provider.simulated) { self } else { Self::default() }
    }
}

/// `now` is in milliseconds since 1970.
pub(crate) fn remove_expired_answers(store: &dyn RunStore, now: i64) {
    store.remove_answers_before(now - MAX_ANSWER_AGE_MS);
}

/// A planned call whose answer is loaded or stored.
pub(super) struct CacheEntry<'a> {
    store: &'a dyn RunStore,
    /// Milliseconds since 1970.
    now: i64,
    /// The candidates that the plan tries, in order, with the fingerprint of the request to each; `None` for
    /// the simulator.
    candidates: Vec<(&'a ModelRef, Option<String>)>,
    repeat: u32,
    /// Identifies the run, subject, and case.
    requester: String,
}

impl<'a> CacheEntry<'a> {
    pub(super) fn new(
        store: &'a dyn RunStore,
        now: i64,
        plan: &Plan<'a>,
        repeat: u32,
        requester: String,
    ) -> Self {
        let candidates = plan.steps.iter().filter_map(|step| match step {
            PlanStep::Try { target, adjustments, .. } => {
                let is_real = !target.provider.simulated;
                let digest = || target.request_digest(plan.request, adjustments, plan.options.stream);
                Some((&target.model_ref, is_real.then(digest)))
            }
            PlanStep::Skip { .. } => None,
        });
        Self { store, now, candidates: candidates.collect(), repeat, requester }
    }

    /// The cached answer of the first planned candidate, as a call record, and whether this requester stored
    /// it. Answers from other candidates are not used, because they would hide that the first one may fail
    /// now.
    pub(super) fn load(&self) -> Option<(CallRecord, bool)> {
        let (model, fingerprint) = self.candidates.first()?;
        let fingerprint = fingerprint.as_ref()?;
        // An answer that cannot be read is asked for again.
        let row = self.store.cached_answer(fingerprint, self.repeat).ok()??;
        if row.at < self.now - MAX_ANSWER_AGE_MS {
            return None;
        }
        Some((row_to_call_record(model, &row)?, row.requested_by == self.requester))
    }

    /// Stores the answer if it is complete.
    pub(super) fn store(&self, record: &CallRecord) {
        let (Ok(answer), Some(attempt)) = (&record.outcome, record.attempts.last()) else { return };
        let (response, model) = (&answer.response, &answer.model_ref);
        let is_complete = matches!(response.finish_reason, FinishReason::Stop | FinishReason::ToolCalls);
        let Some((_, fingerprint)) = self.candidates.iter().find(|(candidate, _)| *candidate == model) else {
            return;
        };
        let (true, Some(fingerprint), Ok(parts), Ok(usage)) = (
            is_complete,
            fingerprint.clone(),
            serde_json::to_string(&response.parts),
            serde_json::to_string(&response.usage),
        ) else {
            return;
        };
        let row = CachedAnswerRow {
            at: self.now,
            served_model: response.served_model.clone().unwrap_or_default(),
            parts,
            finish_reason: to_keyword(&response.finish_reason),
            usage,
            nano_dollars: attempt.cost.nano_dollars,
            cost_source: to_keyword(&attempt.cost.source),
            requested_by: self.requester.clone(),
            latency_ms: Some(to_milliseconds(attempt.duration)),
            first_token_ms: record
                .first_token
                .map(|at| to_milliseconds(at.saturating_sub(attempt.start_offset))),
        };
        self.store.put_answer(&fingerprint, self.repeat, row);
    }
}

fn row_to_call_record(model: &ModelRef, row: &CachedAnswerRow) -> Option<CallRecord> {
    let usage: Usage = serde_json::from_str(&row.usage).ok()?;
    let latency = row.latency_ms.and_then(from_milliseconds).unwrap_or_default();
    let served_model = Some(row.served_model.clone()).filter(|model| !model.is_empty());
    let parts = serde_json::from_str(&row.parts).ok()?;
    let response =
        Response { served_model, usage, ..Response::from_parts(parts, from_keyword(&row.finish_reason)?) };
    let attempt = Attempt {
        model_ref: model.clone(),
        is_simulated: false,
        start_offset: Duration::ZERO,
        duration: latency,
        usage: Some(usage),
        cost: Cost { nano_dollars: row.nano_dollars, source: from_keyword::<CostSource>(&row.cost_source)? },
        failure: None,
        account: ParsedResponseHeaders::default(),
    };
    Some(CallRecord {
        id: String::new(),
        route: None,
        requested_model: model.to_string(),
        attempts: vec![attempt],
        skipped: Vec::new(),
        untried: Vec::new(),
        outcome: Ok(CallAnswer { response, model_ref: model.clone() }),
        first_token: row.first_token_ms.and_then(from_milliseconds),
        latency,
        queued_time: Duration::ZERO,
    })
}
