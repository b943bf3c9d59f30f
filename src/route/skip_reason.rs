//! Reasons for skipping a candidate.

use std::path::PathBuf;
use std::time::Duration;

use super::reasons::{BudgetExceeded, Unavailable};
use crate::catalog::Capability;
use crate::chat::{NanoDollars, TokenCount};
use crate::dialect::UnsupportedInput;
use crate::provider::TargetError;

#[derive(Clone, Debug, PartialEq)]
pub enum SkipReason {
    /// The candidate cannot be called, for example without a key.
    TargetError(TargetError),
    /// The prompt exceeds the context window with any tokenizer.
    WindowTooSmall {
        /// Lower bound of the request's tokens.
        least: TokenCount,
        window: TokenCount,
    },
    /// The model cannot accept a part of the request.
    UnsupportedInput(UnsupportedInput),
    /// The request does not meet this condition of the candidate.
    ConditionNotMet(UnmetCondition),
    /// The same model comes earlier in the route.
    Duplicate,
    /// The model lacks a capability that the route requires, or its support is unknown.
    MissingCapability {
        capability: Capability,
        /// Whether the model is known to lack it.
        is_known: bool,
    },
    BelowQualityFloor {
        pass_rate: f64,
        floor: f64,
    },
    /// The candidate lacks a current score on the route's golden set.
    MissingPassRate(MissingPassRate),
    /// The expected cost exceeds the route's limit.
    TooExpensive {
        expected: NanoDollars,
        cap: NanoDollars,
    },
    /// The price is unknown, and the route depends on cost.
    PriceUnknownForRoute,
    /// The typical latency exceeds the route's limit.
    TooSlow {
        typical: Duration,
        cap: Duration,
    },
    /// The conversation stays with this model.
    ConversationPinned(String),
    /// The candidate is unavailable for this much longer.
    Unavailable(Unavailable, Duration),
    /// The cost would exceed the daily budget or the run's budget.
    BudgetExceeded(BudgetExceeded),
    /// The price is unknown, and the run has a budget.
    PriceUnknownForBudget,
    /// Today's spending, or another process's use of a limit, cannot be read.
    SpendingUnknown,
}

/// A condition of a candidate that a request does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnmetCondition {
    MaxInputTokens {
        max: TokenCount,
        /// Estimate for the request.
        actual: TokenCount,
    },
    MinInputTokens {
        min: TokenCount,
        /// Estimate for the request.
        actual: TokenCount,
    },
    Label(String),
    /// Whether the request must offer tools.
    Tools {
        required: bool,
    },
    /// Whether the request must have an image or a document.
    Attachments {
        required: bool,
    },
    /// Whether the request must ask for structured output.
    Schema {
        required: bool,
    },
}

/// Why a candidate has no current score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPassRate {
    pub set: PathBuf,
    /// Time since the last measurement; `None` if it was never measured.
    pub age: Option<Duration>,
    /// Whether the set has changed since then.
    pub is_set_changed: bool,
}

impl SkipReason {
    /// The value in JSON output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TargetError(error) if error.is_not_configured() => "no_key",
            Self::TargetError(TargetError::Untrusted { .. }) => "untrusted",
            Self::TargetError(_) => "unusable",
            Self::WindowTooSmall { .. } => "window_too_small",
            Self::UnsupportedInput(_) | Self::MissingCapability { is_known: true, .. } => "lacks_capability",
            Self::MissingCapability { is_known: false, .. } => "capability_unknown",
            Self::ConditionNotMet(_) => "condition",
            Self::Duplicate => "duplicate",
            Self::BelowQualityFloor { .. } => "quality",
            Self::MissingPassRate(_) => "quality_unknown",
            Self::TooExpensive { .. } => "max_cost",
            Self::PriceUnknownForRoute | Self::PriceUnknownForBudget => "price_unknown",
            Self::TooSlow { .. } => "max_p50",
            Self::ConversationPinned(_) => "conversation",
            Self::Unavailable(why, _) => why.code(),
            Self::BudgetExceeded(exceeded) if exceeded.is_daily => "over_budget",
            Self::SpendingUnknown => "spending_unknown",
            Self::BudgetExceeded(_) => "over_max_cost",
        }
    }

    /// Whether a budget does not permit the call, so that waiting does not help.
    pub fn is_budget_denial(&self) -> bool {
        matches!(self, Self::BudgetExceeded(_) | Self::PriceUnknownForBudget | Self::SpendingUnknown)
    }

    /// Whether the route's author intended it, so that there is nothing to fix.
    pub fn is_intended(&self) -> bool {
        matches!(self, Self::ConditionNotMet(_) | Self::Duplicate | Self::ConversationPinned(_))
    }
}
