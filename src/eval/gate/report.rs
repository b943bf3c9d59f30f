//! Why a gate does not pass, as values. `view` words them.

use crate::eval::statistics::{CompareError, ComparisonMetric};
use crate::route::store::StoreError;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GateReport {
    /// Reasons to fail.
    pub violations: Vec<GateViolation>,
    /// Reasons why too few cases were scored to decide.
    pub inconclusive: Vec<InconclusiveReason>,
}

impl GateReport {
    pub(crate) fn is_passed(&self) -> bool {
        self.violations.is_empty() && self.inconclusive.is_empty()
    }

    /// The codes of all reasons not to pass, inconclusive ones first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &'static str> {
        let violations = self.violations.iter().map(GateViolation::code);
        self.inconclusive.iter().map(InconclusiveReason::code).chain(violations)
    }
}

/// A figure of a subject that the gate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitedFigure {
    Cost,
    P50,
    P95,
}

/// The figures of a challenger and its baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ComparedFigures {
    pub metric: ComparisonMetric,
    pub challenger: f64,
    pub baseline: f64,
    pub difference: f64,
    pub interval: (f64, f64),
}

/// A reason to fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GateViolation {
    /// Without a minimum, every case must pass.
    CasesFailed {
        subject: String,
        failed: u64,
        cases: u64,
    },
    BelowMinimum {
        subject: String,
        metric: ComparisonMetric,
        value: f64,
        minimum: f64,
    },
    /// With `strict`, the lower end of the interval must reach the minimum too.
    PossiblyBelowMinimum {
        subject: String,
        metric: ComparisonMetric,
        value: f64,
        low: f64,
        minimum: f64,
    },
    /// The figure is unknown, so its limit cannot be checked.
    FigureUnknown {
        subject: String,
        figure: LimitedFigure,
        limit: f64,
    },
    LimitExceeded {
        subject: String,
        figure: LimitedFigure,
        value: f64,
        limit: f64,
    },
    Worse {
        challenger: String,
        baseline: String,
        figures: ComparedFigures,
    },
    /// Worse than in earlier runs.
    Drifted {
        subject: String,
        figures: ComparedFigures,
    },
    DropExceeded {
        challenger: String,
        baseline: String,
        figures: ComparedFigures,
        allowed: f64,
    },
    /// With `strict`, a larger drop than allowed must be ruled out.
    DropPossible {
        challenger: String,
        baseline: String,
        largest_drop: f64,
        /// The smallest `max_drop` that the set can pass.
        clearable_margin: f64,
        allowed: f64,
    },
}

impl GateViolation {
    /// The value in JSON output. If a setting of the gate is violated, it starts with the setting's name.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::CasesFailed { .. } => "cases_failed",
            Self::BelowMinimum { metric: ComparisonMetric::PassRate, .. } => "min_pass_rate",
            Self::BelowMinimum { metric: ComparisonMetric::Score, .. } => "min_score",
            Self::PossiblyBelowMinimum { metric: ComparisonMetric::PassRate, .. } => "min_pass_rate_strict",
            Self::PossiblyBelowMinimum { metric: ComparisonMetric::Score, .. } => "min_score_strict",
            Self::FigureUnknown { figure: LimitedFigure::Cost, .. } => "max_cost_usd_unknown",
            Self::FigureUnknown { figure: LimitedFigure::P50, .. } => "max_p50_ms_unknown",
            Self::FigureUnknown { figure: LimitedFigure::P95, .. } => "max_p95_ms_unknown",
            Self::LimitExceeded { figure: LimitedFigure::Cost, .. } => "max_cost_usd",
            Self::LimitExceeded { figure: LimitedFigure::P50, .. } => "max_p50_ms",
            Self::LimitExceeded { figure: LimitedFigure::P95, .. } => "max_p95_ms",
            Self::Worse { .. } => "worse",
            Self::Drifted { .. } => "drifted",
            Self::DropExceeded { .. } => "max_drop",
            Self::DropPossible { .. } => "max_drop_strict",
        }
    }
}

/// A reason why the gate can neither pass nor fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InconclusiveReason {
    NothingScored {
        subject: String,
        cases: u64,
    },
    TooManyUnscored {
        subject: String,
        unscored: u64,
        cases: u64,
        allowed: u64,
    },
    NotComparable {
        challenger: String,
        baseline: String,
        error: CompareError,
    },
    /// Too many cases are not scored on both sides of a comparison.
    TooManyUnpaired {
        challenger: String,
        baseline: String,
        left_out: u64,
        cases: u64,
        allowed: u64,
    },
    HistoryUnreadable(StoreError),
    /// The run stopped before all cases of the subject.
    Incomplete {
        subject: String,
        finished: usize,
        cases: usize,
    },
}

impl InconclusiveReason {
    /// The value in JSON output.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NothingScored { .. } => "nothing_scored",
            Self::TooManyUnscored { .. } => "max_unscored",
            Self::NotComparable { .. } => "not_comparable",
            Self::TooManyUnpaired { .. } => "max_unscored_pairs",
            Self::HistoryUnreadable(_) => "history_unreadable",
            Self::Incomplete { .. } => "incomplete",
        }
    }
}
