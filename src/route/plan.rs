//! Every candidate, in order, each with *try* or *skip and why*. What `--dry-run` prints and the walk follows.

use super::{Conditions, Estimate, NoScore, Skip};
use crate::provider::{Adjustment, ModelRef, Target, TargetError};

/// One model of a route, with all that is needed to call it, or why it cannot be.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The model.
    pub model_ref: ModelRef,
    /// For which requests it is there.
    pub when: Conditions,
    /// Its share of the calls of a weighted route, next to the others'.
    pub weight: f64,
    /// How to call it.
    pub target: Result<Target, TargetError>,
}

impl Candidate {
    /// A candidate for every request.
    pub fn new(model_ref: ModelRef, target: Result<Target, TargetError>) -> Self {
        Self { model_ref, when: Conditions::default(), weight: 1.0, target }
    }
}

/// What a caller says besides the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// What kind of request it is, for the candidates' conditions.
    pub label: Option<String>,
    /// Who is asking: the same key sees the same order of a weighted route. Chance decides without one.
    pub key: Option<String>,
}

/// A route, decided for one request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One step a candidate, in order.
    pub steps: Vec<PlanStep>,
    /// Candidates that are used although nothing new enough is known of how well they do.
    pub unscored: Vec<(ModelRef, NoScore)>,
    /// Who spoke last in the conversation, where that is nobody of the route.
    pub stranger: Option<String>,
    /// Whether the first one is first only to be measured.
    pub explored: bool,
    /// The route's first choice, where that is another one than until now.
    pub(super) leader: Option<String>,
}

/// What happens to one candidate.
#[derive(Clone, Debug)]
pub enum PlanStep {
    /// It is tried when its turn comes.
    Try {
        /// How to call it.
        target: Box<Target>,
        /// What it gets otherwise than it was asked for.
        adjustments: Vec<Adjustment>,
        /// What it may be expected to do, where the route's order or floors hang on it or somebody wants to know.
        estimate: Option<Estimate>,
    },
    /// It is left out.
    Skip {
        /// The model.
        model_ref: ModelRef,
        /// Why.
        skip: Skip,
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
    pub fn skipped(&self) -> impl Iterator<Item = (&ModelRef, &Skip)> {
        self.steps.iter().filter_map(|step| match step {
            PlanStep::Skip { model_ref, skip } => Some((model_ref, skip)),
            PlanStep::Try { .. } => None,
        })
    }

    /// The candidates that get something otherwise than it was asked for, with what.
    pub fn adjusted(&self) -> impl Iterator<Item = (&ModelRef, Adjustment)> {
        self.steps.iter().flat_map(|step| match step {
            PlanStep::Try { target, adjustments, .. } => {
                adjustments.iter().map(|adjustment| (&target.model_ref, *adjustment)).collect()
            }
            PlanStep::Skip { .. } => Vec::new(),
        })
    }
}
