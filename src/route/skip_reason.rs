//! Reasons for skipping a candidate.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::reasons::{BudgetExceeded, Unavailable};
use crate::catalog::{Capability, NanoDollars, format_usd_rounded};
use crate::provider::TargetError;

#[derive(Clone, Debug, PartialEq)]
pub enum SkipReason {
    /// The candidate cannot be called, for example without a key.
    TargetError(TargetError),
    /// The prompt exceeds the context window with any tokenizer.
    WindowTooSmall {
        /// Lower bound of the request's tokens.
        least: u64,
        window: u64,
    },
    /// The model cannot accept a part of the request; the text names it.
    UnsupportedInput(&'static str),
    /// The request does not meet the candidate's conditions; the text describes the requests that do.
    ConditionNotMet(String),
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

/// Why a candidate has no current score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPassRate {
    pub set: PathBuf,
    /// Time since the last measurement; `None` if it was never measured.
    pub age: Option<Duration>,
    /// Whether the set has changed since then.
    pub is_set_changed: bool,
}

impl fmt::Display for MissingPassRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.set.display();
        match self.age {
            Some(_) if self.is_set_changed => write!(f, "measured on an older version of {set}"),
            None => write!(f, "never measured on {set}"),
            Some(age) => write!(f, "last measured on {set} {} ago", format_duration(age)),
        }
    }
}

/// A duration in a readable unit, rounded up: `12 s`, `4 min`, `3 h`, `30 days`.
pub(crate) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
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

    /// Whether the route's author intended it, so that there is nothing to fix.
    pub fn is_intended(&self) -> bool {
        matches!(self, Self::ConditionNotMet(_) | Self::Duplicate | Self::ConversationPinned(_))
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetError(error) => error.fmt(f),
            Self::WindowTooSmall { least, window } => {
                write!(f, "the request has at least ~{least} tokens, but the context window is {window}")
            }
            Self::UnsupportedInput(what) => write!(f, "does not support {what}"),
            Self::ConditionNotMet(description) => write!(f, "only for {description}"),
            Self::Duplicate => f.write_str("already listed above"),
            Self::MissingCapability { capability, is_known: true } => {
                write!(f, "lacks {}, which the route requires", capability.name())
            }
            Self::MissingCapability { capability, is_known: false } => {
                let name = capability.name();
                write!(
                    f,
                    "the route requires {name}, but support is unknown; if the model has it, add `supports: [{name}]` under `models:`"
                )
            }
            Self::BelowQualityFloor { pass_rate, floor } => {
                write!(
                    f,
                    "passed {:.1}% of the golden set, below the route's minimum of {:.1}%",
                    pass_rate * 100.0,
                    floor * 100.0
                )
            }
            Self::MissingPassRate(missing) => {
                write!(f, "no current score ({missing}); run `slalom eval` to measure it")
            }
            Self::TooExpensive { expected, cap } => {
                let [expected, cap] = [*expected, *cap].map(|nano| format_usd_rounded(nano as f64 / 1e9));
                write!(f, "estimated cost ${expected} exceeds the route's limit of ${cap}")
            }
            Self::PriceUnknownForRoute => {
                f.write_str("unknown price, but the route selects by cost; set `price:` under `models:`")
            }
            Self::TooSlow { typical, cap } => write!(
                f,
                "typical latency {:.1} s exceeds the route's limit of {:.1} s",
                typical.as_secs_f64(),
                cap.as_secs_f64()
            ),
            Self::ConversationPinned(model) => write!(f, "the conversation stays with {model}"),
            Self::Unavailable(why, wait) => {
                let wait = format_duration(*wait);
                match why {
                    Unavailable::BreakerOpen => write!(f, "circuit breaker open for another {wait}"),
                    Unavailable::BreakerProbing => {
                        f.write_str("circuit breaker half-open; another call is probing it")
                    }
                    Unavailable::RetryAfter => {
                        write!(f, "in cooldown for another {wait} (requested by the provider)")
                    }
                    Unavailable::Cooldown(class) => {
                        write!(f, "in cooldown for another {wait} ({class})")
                    }
                    Unavailable::AtLimit(limit) => limit.fmt(f),
                }
            }
            Self::BudgetExceeded(exceeded) => exceeded.fmt(f),
            Self::PriceUnknownForBudget => f.write_str("unknown price, but a cost limit is set"),
            Self::SpendingUnknown => {
                f.write_str("the budget or a limit cannot be checked: cannot read the ledger")
            }
        }
    }
}
