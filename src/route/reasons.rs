//! Why a candidate is left out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{BudgetExceeded, Unavailable};
use crate::catalog::{Capability, NanoDollars, format_usd_rounded};
use crate::provider::TargetError;

/// Why a candidate is left out of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum SkipReason {
    /// It cannot be called: no key, no trust, no usable address.
    TargetError(TargetError),
    /// The prompt is larger than its window, whatever the tokenizer.
    WindowTooSmall {
        /// About the least tokens that the request can have.
        least: u64,
        /// The model's window in tokens.
        window: u64,
    },
    /// It cannot take something of the request at all; in words.
    UnsupportedInput(&'static str),
    /// It is there for other requests; for which, in words.
    ConditionNotMet(String),
    /// It stands further up already.
    Duplicate,
    /// The route requires what it lacks, or what nobody says that it has.
    MissingCapability {
        /// What.
        capability: Capability,
        /// Whether it is known to lack it.
        is_known: bool,
    },
    /// It did worse on a golden set than the route's floor.
    BelowQualityFloor {
        /// The share of cases that passed.
        pass_rate: f64,
        /// The least that the route takes.
        floor: f64,
    },
    /// Nothing new enough is known of how it does on a golden set.
    MissingPassRate(MissingPassRate),
    /// The request may be expected to cost more than the route's cap. Both in nano-dollars.
    TooExpensive {
        /// What it may be expected to cost.
        expected: NanoDollars,
        /// The cap.
        cap: NanoDollars,
    },
    /// Its price is unknown, and the route goes by cost.
    PriceUnknownForRoute,
    /// Its answers typically take longer than the route's cap.
    TooSlow {
        /// How long they take.
        typical: Duration,
        /// The cap.
        cap: Duration,
    },
    /// The conversation stays with the model that answered before.
    ConversationPinned(String),
    /// It wanted to be left alone for so long, and another one was ready.
    Unavailable(Unavailable, Duration),
    /// It would cost more than is left of the day's budget, or of what the run may cost.
    BudgetExceeded(BudgetExceeded),
    /// Nobody knows what it costs, and the run may cost only so much.
    PriceUnknownForBudget,
}

/// What is missing of a candidate's score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPassRate {
    /// The golden set's file.
    pub set: PathBuf,
    /// How long ago it was measured; `None` for never.
    pub age: Option<Duration>,
    /// Whether the set was changed since.
    pub is_set_changed: bool,
}

impl fmt::Display for MissingPassRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.set.display();
        match self.age {
            Some(_) if self.is_set_changed => write!(f, "{set} was changed since it was measured on it"),
            None => write!(f, "it was never measured on {set}"),
            Some(age) => write!(f, "it was last measured on {set} {} ago", format_duration(age)),
        }
    }
}

/// A span in the unit that people would use, rounded up: `12 s`, `4 min`, `3 h`, `30 days`.
pub fn format_duration(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

impl SkipReason {
    /// The envelope's word for it.
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
            Self::BudgetExceeded(over) if over.is_daily => "over_budget",
            Self::BudgetExceeded(_) => "over_max_cost",
        }
    }

    /// Whether it is what the route's author meant to happen, and nobody has to mend anything.
    pub fn is_intended(&self) -> bool {
        matches!(self, Self::ConditionNotMet(_) | Self::Duplicate | Self::ConversationPinned(_))
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetError(error) => error.fmt(f),
            Self::WindowTooSmall { least, window } => {
                write!(
                    f,
                    "by its size the request has at least some {least} tokens, and the model's window is {window}"
                )
            }
            Self::UnsupportedInput(what) => write!(f, "it takes no {what}"),
            Self::ConditionNotMet(which) => write!(f, "it is there only for {which}"),
            Self::Duplicate => f.write_str("it stands further up already"),
            Self::MissingCapability { capability, is_known: true } => {
                write!(f, "the route requires {}, which it lacks", capability.name())
            }
            Self::MissingCapability { capability, is_known: false } => {
                let name = capability.name();
                write!(
                    f,
                    "the route requires {name}, and nothing says that it has it; if it does, say so under `models:` with `supports: [{name}]`"
                )
            }
            Self::BelowQualityFloor { pass_rate, floor } => {
                write!(
                    f,
                    "it passed {:.1} % of the golden set, and the route wants {:.1} %",
                    pass_rate * 100.0,
                    floor * 100.0
                )
            }
            Self::MissingPassRate(missing) => write!(f, "{missing}; `slalom eval` measures it"),
            Self::TooExpensive { expected, cap } => {
                let [expected, cap] = [*expected, *cap].map(|nano| format_usd_rounded(nano as f64 / 1e9));
                write!(f, "the request may cost some ${expected}, and the route's cap is ${cap}")
            }
            Self::PriceUnknownForRoute => f.write_str(
                "its price is unknown, and the route goes by cost; say it under `models:` with `price:`",
            ),
            Self::TooSlow { typical, cap } => write!(
                f,
                "its answers typically take {:.1} s, and the route's cap is {:.1} s",
                typical.as_secs_f64(),
                cap.as_secs_f64()
            ),
            Self::ConversationPinned(model) => write!(f, "the conversation stays with {model}"),
            Self::Unavailable(why, wait) => {
                let wait = format_duration(*wait);
                match why {
                    Unavailable::BreakerOpen => write!(f, "its breaker is open for another {wait}"),
                    Unavailable::BreakerProbing => {
                        f.write_str("its breaker is half-open, and another call is probing it")
                    }
                    Unavailable::RetryAfter => write!(f, "it asked not to be called for another {wait}"),
                    Unavailable::Cooldown(class) => {
                        write!(f, "blocked for another {wait} after a failure ({class})")
                    }
                    Unavailable::AtLimit(full) => full.fmt(f),
                }
            }
            Self::BudgetExceeded(over) => over.fmt(f),
            Self::PriceUnknownForBudget => {
                f.write_str("nobody knows what it costs, and there is a limit on cost")
            }
        }
    }
}
