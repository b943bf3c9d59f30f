//! Why a candidate is left out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Away, Over};
use crate::catalog::{Capability, NanoDollars, dollars};
use crate::provider::TargetError;

/// Why a candidate is left out of a plan.
#[derive(Clone, Debug, PartialEq)]
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
    /// It is there for other requests; for which, in words.
    Condition(String),
    /// It stands further up already.
    Twice,
    /// The route requires what it lacks, or what nobody says that it has.
    Requires {
        /// What.
        capability: Capability,
        /// Whether it is known to lack it.
        known: bool,
    },
    /// It did worse on a golden set than the route's floor.
    Quality {
        /// The share of cases that passed.
        pass_rate: f64,
        /// The least that the route takes.
        floor: f64,
    },
    /// Nothing new enough is known of how it does on a golden set.
    NoScore(NoScore),
    /// The request may be expected to cost more than the route's cap. Both in nano-dollars.
    TooExpensive {
        /// What it may be expected to cost.
        expected: NanoDollars,
        /// The cap.
        cap: NanoDollars,
    },
    /// Its price is unknown, and the route goes by cost.
    NoPrice,
    /// Its answers typically take longer than the route's cap.
    TooSlow {
        /// How long they take.
        typical: Duration,
        /// The cap.
        cap: Duration,
    },
    /// The conversation stays with the model that answered before.
    Conversation(String),
    /// It wanted to be left alone for so long, and another one was ready.
    Away(Away, Duration),
    /// It would cost more than is left of the day's budget, or of what the run may cost.
    Over(Over),
    /// Nobody knows what it costs, and the run may cost only so much.
    Unpriced,
}

/// What is missing of a candidate's score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoScore {
    /// The golden set's file.
    pub set: PathBuf,
    /// How long ago it was measured; `None` for never.
    pub age: Option<Duration>,
    /// Whether the set was changed since.
    pub changed: bool,
}

impl fmt::Display for NoScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.set.display();
        match self.age {
            Some(_) if self.changed => write!(f, "{set} was changed since it was measured on it"),
            None => write!(f, "it was never measured on {set}"),
            Some(age) => write!(f, "it was last measured on {set} {} ago", span(age)),
        }
    }
}

/// A span in the unit that people would use, rounded up: `12 s`, `4 min`, `3 h`, `30 days`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

impl Skip {
    /// The envelope's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Target(error) if error.is_missing() => "no_key",
            Self::Target(TargetError::Untrusted { .. }) => "untrusted",
            Self::Target(_) => "unusable",
            Self::WindowTooSmall { .. } => "window_too_small",
            Self::Lacks(_) | Self::Requires { known: true, .. } => "lacks_capability",
            Self::Requires { known: false, .. } => "capability_unknown",
            Self::Condition(_) => "condition",
            Self::Twice => "duplicate",
            Self::Quality { .. } => "quality",
            Self::NoScore(_) => "quality_unknown",
            Self::TooExpensive { .. } => "max_cost",
            Self::NoPrice | Self::Unpriced => "price_unknown",
            Self::TooSlow { .. } => "max_p50",
            Self::Conversation(_) => "conversation",
            Self::Away(why, _) => why.name(),
            Self::Over(over) if over.daily => "over_budget",
            Self::Over(_) => "over_max_cost",
        }
    }

    /// Whether it is what the route's author meant to happen, and nobody has to mend anything.
    pub fn is_meant(&self) -> bool {
        matches!(self, Self::Condition(_) | Self::Twice | Self::Conversation(_))
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
            Self::Condition(which) => write!(f, "it is there only for {which}"),
            Self::Twice => f.write_str("it stands further up already"),
            Self::Requires { capability, known: true } => {
                write!(f, "the route requires {}, which it lacks", capability.name())
            }
            Self::Requires { capability, known: false } => {
                let name = capability.name();
                write!(
                    f,
                    "the route requires {name}, and nothing says that it has it; if it does, say so under `models:` with `supports: [{name}]`"
                )
            }
            Self::Quality { pass_rate, floor } => {
                write!(
                    f,
                    "it passed {:.1} % of the golden set, and the route wants {:.1} %",
                    pass_rate * 100.0,
                    floor * 100.0
                )
            }
            Self::NoScore(missing) => write!(f, "{missing}; `slalom eval` measures it"),
            Self::TooExpensive { expected, cap } => {
                let [expected, cap] = [*expected, *cap].map(|nano| dollars(nano as f64 / 1e9));
                write!(f, "the request may cost some ${expected}, and the route's cap is ${cap}")
            }
            Self::NoPrice => f.write_str(
                "its price is unknown, and the route goes by cost; say it under `models:` with `price:`",
            ),
            Self::TooSlow { typical, cap } => write!(
                f,
                "its answers typically take {:.1} s, and the route's cap is {:.1} s",
                typical.as_secs_f64(),
                cap.as_secs_f64()
            ),
            Self::Conversation(model) => write!(f, "the conversation stays with {model}"),
            Self::Away(why, wait) => {
                let wait = span(*wait);
                match why {
                    Away::Open => write!(f, "its breaker is open for another {wait}"),
                    Away::Probed => f.write_str("its breaker is half-open, and another call is probing it"),
                    Away::Asked => write!(f, "it asked not to be called for another {wait}"),
                    Away::Blocked(class) => {
                        write!(f, "blocked for another {wait} after a failure ({class})")
                    }
                    Away::Limited(full) => full.fmt(f),
                }
            }
            Self::Over(over) => over.fmt(f),
            Self::Unpriced => f.write_str("nobody knows what it costs, and there is a limit on cost"),
        }
    }
}
