//! Answers that were given before.
//!
//! An answer is kept by the very request that it answers, as it left for one model, and by the repeat that asked. What the
//! simulator says is never kept: it is free, and who rehearses wants to see it happen.

use std::time::Duration;

use super::kept::{meaning, milliseconds, span, word};
use super::{Feature, Quantity, Set};
use crate::catalog::{Cost, CostSource};
use crate::chat::{FinishReason, Request, Response, Usage};
use crate::dialect::Account;
use crate::ledger::AnswerRow;
use crate::provider::{Adjustment, ModelRef, Target};
use crate::route::{Answer, Attempt, CallRecord, Plan, PlanStep, Route, Router};

/// Answers are forgotten after so many milliseconds: thirty days.
const KEPT_FOR: i64 = 30 * 86_400_000;

/// Figures of which an answer from before says nothing.
const TIMES: [Quantity; 2] = [Quantity::LatencyMilliseconds, Quantity::FirstTokenMilliseconds];

/// What may be done with answers that were given before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Whether they are used.
    pub reads: bool,
    /// Whether new ones are kept.
    pub writes: bool,
}

impl Cache {
    /// What of it holds for a set: where one of its assertions looks at time, no answer from before will do.
    pub fn for_set(self, set: &Set) -> Self {
        let wants_time = TIMES.into_iter().any(|quantity| set.cases.any(Feature::Asks(quantity)));
        Self { reads: self.reads && !wants_time, ..self }
    }

    /// What of it holds for a route: simulated models have no part in it.
    pub(super) fn for_route(self, route: &Route) -> Self {
        let mut targets = route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().ok());
        if targets.any(|target| !target.provider.simulated) { self } else { Self::default() }
    }
}

/// Forgets what is too old.
pub fn forget_old_answers(router: &Router) {
    let before = router.health().now() - KEPT_FOR;
    router.health().ledger().post(move |rows| rows.remove_answers(before));
}

/// One case on its way: what it asks of whom.
pub(super) struct Errand<'a> {
    pub(super) router: &'a Router,
    pub(super) plan: &'a Plan,
    pub(super) request: &'a Request,
    pub(super) repeat: u32,
    pub(super) stream: bool,
    /// The run, the subject and the case, in words that nobody else has.
    pub(super) asker: String,
}

impl Errand<'_> {
    fn print(&self, target: &Target, adjustments: &[Adjustment]) -> Option<String> {
        let real = !target.provider.simulated;
        real.then(|| target.print_of(self.request, adjustments, self.stream))
    }

    fn tried(&self) -> impl Iterator<Item = (&Target, &[Adjustment])> {
        self.plan.steps.iter().filter_map(|step| match step {
            PlanStep::Try { target, adjustments, .. } => Some((&**target, adjustments.as_slice())),
            PlanStep::Skip { .. } => None,
        })
    }

    /// An answer that the candidate whose turn it is gave before, as if it had been called, and whether it was this errand that
    /// asked for it. Another candidate's would hide that this one may fail now.
    pub(super) fn find(&self) -> Option<(CallRecord, bool)> {
        let (target, adjustments) = self.tried().next()?;
        let print = self.print(target, adjustments)?;
        let row = self.router.health().ledger().read(|rows| rows.answer(&print, self.repeat))?;
        let oldest = self.router.health().now() - KEPT_FOR;
        if row.at < oldest {
            return None;
        }
        Some((record_of(&target.model_ref, &row)?, row.asker == self.asker))
    }

    /// Keeps the answer of a call, if it came to its own end.
    pub(super) fn keep(&self, record: &CallRecord) {
        let (Ok(answer), Some(attempt)) = (&record.outcome, record.attempts.last()) else { return };
        let (response, model) = (&answer.response, &answer.model_ref);
        let whole = matches!(response.finish_reason, FinishReason::Stop | FinishReason::ToolCalls);
        let Some((target, adjustments)) = self.tried().find(|(target, _)| target.model_ref == *model) else {
            return;
        };
        let (true, Some(print), Ok(parts), Ok(usage)) = (
            whole,
            self.print(target, adjustments),
            serde_json::to_string(&response.parts),
            serde_json::to_string(&response.usage),
        ) else {
            return;
        };
        let row = AnswerRow {
            at: self.router.health().now(),
            served_model: response.served_model.clone().unwrap_or_default(),
            parts,
            finish_reason: word(&response.finish_reason),
            usage,
            nano_dollars: attempt.cost.nano_dollars,
            cost_source: word(&attempt.cost.source),
            asker: self.asker.clone(),
            latency_ms: Some(milliseconds(attempt.duration)),
            first_token_ms: record.first_token.map(|at| milliseconds(at.saturating_sub(attempt.started))),
        };
        let repeat = self.repeat;
        self.router.health().ledger().post(move |rows| rows.put_answer(&print, repeat, &row));
    }
}

/// The call that gave an answer, as far as it is known.
fn record_of(model: &ModelRef, row: &AnswerRow) -> Option<CallRecord> {
    let usage: Usage = serde_json::from_str(&row.usage).ok()?;
    let took = row.latency_ms.and_then(span).unwrap_or_default();
    let served_model = Some(row.served_model.clone()).filter(|model| !model.is_empty());
    let parts = serde_json::from_str(&row.parts).ok()?;
    let response =
        Response { served_model, usage, ..Response::of_parts(parts, meaning(&row.finish_reason)?) };
    let attempt = Attempt {
        model_ref: model.clone(),
        simulated: false,
        started: Duration::ZERO,
        duration: took,
        usage: Some(usage),
        cost: Cost { nano_dollars: row.nano_dollars, source: meaning::<CostSource>(&row.cost_source)? },
        failure: None,
        account: Account::default(),
    };
    Some(CallRecord {
        id: String::new(),
        route: None,
        requested_model: model.to_string(),
        attempts: vec![attempt],
        skipped: Vec::new(),
        not_tried: Vec::new(),
        outcome: Ok(Answer { response, model_ref: model.clone() }),
        first_token: row.first_token_ms.and_then(span),
        latency: took,
        queued: Duration::ZERO,
    })
}
