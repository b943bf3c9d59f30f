//! Every candidate, in order, each with *try* or *skip and why*. What `--dry-run` prints and the walk follows.

use super::{CandidateConditions, CandidateEstimate, MissingPassRate, SkipReason};
use crate::provider::{ModelRef, RequestAdjustment, Target, TargetError};

/// One model of a route, with all that is needed to call it, or why it cannot be.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The model.
    pub model_ref: ModelRef,
    /// For which requests it is there.
    pub when: CandidateConditions,
    /// Its share of the calls of a weighted route, next to the others'.
    pub weight: f64,
    /// How to call it.
    pub target: Result<Target, TargetError>,
}

impl Candidate {
    /// A candidate for every request.
    pub fn new(model_ref: ModelRef, target: Result<Target, TargetError>) -> Self {
        Self { model_ref, when: CandidateConditions::default(), weight: 1.0, target }
    }
}

/// What a caller says besides the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingHints {
    /// What kind of request it is, for the candidates' conditions.
    pub label: Option<String>,
    /// Who is asking: the same key sees the same order of a weighted route. Chance decides without one.
    pub sticky_key: Option<String>,
}

/// A route, decided for one request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One step a candidate, in order.
    pub steps: Vec<PlanStep>,
    /// Candidates that are used although nothing new enough is known of how well they do.
    pub missing_pass_rates: Vec<(ModelRef, MissingPassRate)>,
    /// Who spoke last in the conversation, where that is nobody of the route.
    pub foreign_model: Option<String>,
    /// Whether the first one is first only to be measured.
    pub is_exploration: bool,
    /// The route's first choice, where that is another one than until now.
    pub(super) new_leader: Option<String>,
}

/// What happens to one candidate.
#[derive(Clone, Debug)]
pub enum PlanStep {
    /// It is tried when its turn comes.
    Try {
        /// How to call it.
        target: Box<Target>,
        /// What it gets otherwise than it was asked for.
        adjustments: Vec<RequestAdjustment>,
        /// What it may be expected to do, where the route's order or floors hang on it or somebody wants to know.
        estimate: Option<CandidateEstimate>,
    },
    /// It is left out.
    Skip {
        /// The model.
        model_ref: ModelRef,
        /// Why.
        skip: SkipReason,
    },
}

impl Plan {
    /// The candidates that are tried, in order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.steps.iter().filter_map(|step| match step {
            PlanStep::Try { target, .. } => Some(&**target),
            PlanStep::Skip { .. } => None,
        })
    }

    /// The candidates that are left out, with why.
    pub fn skipped(&self) -> impl Iterator<Item = (&ModelRef, &SkipReason)> {
        self.steps.iter().filter_map(|step| match step {
            PlanStep::Skip { model_ref, skip } => Some((model_ref, skip)),
            PlanStep::Try { .. } => None,
        })
    }

    /// The candidates that get something otherwise than it was asked for, with what.
    pub fn adjustments(&self) -> impl Iterator<Item = (&ModelRef, RequestAdjustment)> {
        self.steps.iter().flat_map(|step| match step {
            PlanStep::Try { target, adjustments, .. } => {
                adjustments.iter().map(|adjustment| (&target.model_ref, *adjustment)).collect()
            }
            PlanStep::Skip { .. } => Vec::new(),
        })
    }
}
