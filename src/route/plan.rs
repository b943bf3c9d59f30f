//! Every candidate, in order, each with *try* or *skip and why*. What `--dry-run` prints and the walk follows.

use std::fmt;
use std::time::Duration;

use super::{Away, Conditions, Over, Route};
use crate::catalog::most_tokens;
use crate::chat::Request;
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

/// A route, decided for one request.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One step a candidate, in order.
    pub steps: Vec<PlanStep>,
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
    },
    /// It is left out.
    Skip {
        /// The model.
        model_ref: ModelRef,
        /// Why.
        skip: Skip,
    },
}

/// Why a candidate is left out of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It cannot be called: no key, no trust, no usable address.
    Target(TargetError),
    /// The prompt is larger than its window, whatever the tokenizer.
    WindowTooSmall {
        /// About the least tokens that the request can have.
        least: u64,
        /// The model's window in tokens.
        window: u64,
    },
    /// It cannot take something of the request at all; in words.
    Lacks(&'static str),
    /// It wanted to be left alone for so long, and another one was ready.
    Away(Away, Duration),
    /// It would cost more than is left of the day's budget, or of what the run may cost.
    Over(Over),
    /// Nobody knows what it costs, and the run may cost only so much.
    Unpriced,
}

impl Skip {
    /// The envelope's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Target(error) if error.is_missing() => "no_key",
            Self::Target(TargetError::Untrusted { .. }) => "untrusted",
            Self::Target(_) => "unusable",
            Self::WindowTooSmall { .. } => "window_too_small",
            Self::Lacks(_) => "lacks_capability",
            Self::Away(why, _) => why.name(),
            Self::Over(over) if over.daily => "over_budget",
            Self::Over(_) => "over_max_cost",
            Self::Unpriced => "price_unknown",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::WindowTooSmall { least, window } => {
                write!(
                    f,
                    "by its size the request has at least some {least} tokens, and the model's window is {window}"
                )
            }
            Self::Lacks(what) => write!(f, "it takes no {what}"),
            Self::Away(why, wait) => {
                let wait = wait.as_secs_f64().ceil();
                match why {
                    Away::Open => write!(f, "its breaker is open for another {wait} s"),
                    Away::Probed => f.write_str("its breaker is half-open, and another call is probing it"),
                    Away::Asked => write!(f, "it asked not to be called for another {wait} s"),
                    Away::Blocked(class) => {
                        write!(f, "blocked for another {wait} s after a failure ({class})")
                    }
                    Away::Limited(full) => full.fmt(f),
                }
            }
            Self::Over(over) => over.fmt(f),
            Self::Unpriced => f.write_str("nobody knows what it costs, and there is a limit on cost"),
        }
    }
}

/// Far more bytes than tokens have on average in any language: a text that overflows a window by this measure does so by
/// any other. (Single tokens may be longer: long words, runs of spaces.)
const MOST_BYTES_A_TOKEN: u64 = 16;

impl Route {
    /// Decides for each candidate whether it is tried for this request.
    pub fn plan(&self, request: &Request) -> Plan {
        Plan { steps: self.candidates.iter().map(|candidate| step(candidate, request)).collect() }
    }
}

fn step(candidate: &Candidate, request: &Request) -> PlanStep {
    let skip = |skip| PlanStep::Skip { model_ref: candidate.model_ref.clone(), skip };
    let target = match &candidate.target {
        Ok(target) => target,
        Err(error) => return skip(Skip::Target(error.clone())),
    };
    let window = target.facts.as_ref().and_then(|facts| facts.context_tokens);
    // Most prompts fit by their bytes alone. Between the two bounds only the provider's own count could tell, and it
    // tells for free: an overflow fails over.
    if let Some(window) = window.filter(|window| most_tokens(request) > *window) {
        let least = request.text_bytes() as u64 / MOST_BYTES_A_TOKEN;
        if least > window {
            return skip(Skip::WindowTooSmall { least, window });
        }
    }
    if let Some(what) = target.cannot_take(request) {
        return skip(Skip::Lacks(what));
    }
    PlanStep::Try { target: Box::new(target.clone()), adjustments: target.adjustments(request) }
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
            PlanStep::Try { target, adjustments } => {
                adjustments.iter().map(|adjustment| (&target.model_ref, *adjustment)).collect()
            }
            PlanStep::Skip { .. } => Vec::new(),
        })
    }
}
