//! The plan of a call: every candidate in order, to try or to skip with a reason. `--dry-run` prints it and
//! the execution follows it.

use std::sync::Arc;

use super::call_options::CallOptions;
use super::candidate_estimate::CandidateEstimate;
use super::policy::{CandidateConditions, RoutePolicy};
use super::skip_reason::{MissingPassRate, SkipReason};
use super::store::{Snapshot, SnapshotKeys};
use crate::chat::Request;
use crate::provider::{ModelRef, RequestAdjustment, Target, TargetError};

/// One model of a route, and how to call it or why it cannot be called.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub model_ref: ModelRef,
    pub when: CandidateConditions,
    /// Share of a weighted route's calls, relative to the other candidates.
    pub weight: f64,
    pub target: Result<Target, TargetError>,
}

impl Candidate {
    /// A candidate for every request, with weight 1.
    pub fn new(model_ref: ModelRef, target: Result<Target, TargetError>) -> Self {
        Self { model_ref, when: CandidateConditions::default(), weight: 1.0, target }
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    /// `None` for a model named directly.
    pub name: Option<String>,
    /// In file order.
    pub candidates: Vec<Candidate>,
    pub policy: RoutePolicy,
}

impl Route {
    /// Whether the weights of the candidates affect their order.
    pub fn is_weighted(&self) -> bool {
        self.policy.strategy.uses_weights()
    }

    /// The key of the route's stats in the ledger: its name, or the model ref of a model named directly.
    pub(super) fn stats_key(&self) -> String {
        match (&self.name, self.candidates.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(candidate)) => candidate.model_ref.to_string(),
            (None, None) => String::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub route: &'a Route,
    pub request: &'a Request,
    pub options: &'a CallOptions,
    /// Names what the store knows about the route's candidates.
    pub(super) keys: SnapshotKeys,
    /// What was known when the plan was made.
    pub(super) snapshot: Arc<Snapshot>,
    /// One step per candidate.
    pub steps: Vec<PlanStep<'a>>,
    /// Candidates that are tried despite a missing or outdated score.
    pub missing_pass_rates: Vec<(ModelRef, MissingPassRate)>,
    /// The model that wrote the conversation's last answer, if the route does not contain it.
    pub foreign_model: Option<String>,
    /// Whether the first candidate is first only to be measured.
    pub is_exploration: bool,
    /// The route's first choice, if it changed.
    pub(super) new_leader: Option<String>,
}

#[derive(Clone, Debug)]
pub enum PlanStep<'a> {
    Try {
        /// Index among the route's candidates.
        candidate: usize,
        target: &'a Target,
        adjustments: Vec<RequestAdjustment>,
        /// `None` if neither the order, nor a requirement, nor the caller needs estimates.
        estimate: Option<CandidateEstimate>,
    },
    Skip {
        model_ref: &'a ModelRef,
        skip: SkipReason,
    },
}

impl<'a> Plan<'a> {
    /// The candidates to try, in order.
    pub fn targets(&self) -> impl Iterator<Item = &'a Target> {
        self.steps.iter().filter_map(|step| match step {
            PlanStep::Try { target, .. } => Some(*target),
            PlanStep::Skip { .. } => None,
        })
    }

    pub fn skipped(&self) -> impl Iterator<Item = (&'a ModelRef, &SkipReason)> {
        self.steps.iter().filter_map(|step| match step {
            PlanStep::Skip { model_ref, skip } => Some((*model_ref, skip)),
            PlanStep::Try { .. } => None,
        })
    }

    pub fn adjustments(&self) -> impl Iterator<Item = (&'a ModelRef, RequestAdjustment)> {
        self.steps.iter().flat_map(|step| match step {
            PlanStep::Try { target, adjustments, .. } => {
                adjustments.iter().map(|adjustment| (&target.model_ref, *adjustment)).collect()
            }
            PlanStep::Skip { .. } => Vec::new(),
        })
    }
}
