//! A model's name chooses its behaviour.

use super::SimulatedFault;
use crate::chat::FailureClass;

/// What a simulated model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelBehavior {
    /// The reply it was handed, or an answer that says what it is.
    Good,
    /// The reply with one realistic defect on about 30 % of prompts.
    Sloppy,
    /// Strings cut to five words, prose to its first sentence.
    Terse,
    /// A sentence before and after.
    Verbose,
    /// A first token and a token rate from a slow profile.
    Slow,
    /// That many server errors in a hundred requests.
    Flaky(u8),
    /// Calls the tool it is offered five times, one turn after the other, then answers.
    ToolCaller,
    /// Gives verdicts on answers, by their words alone.
    Judge,
    /// The dialect's own error.
    Error(FailureClass),
    /// A fault in the middle of the answer.
    Fault(SimulatedFault),
    /// A right answer, but one field is renamed and one added.
    Unexpected,
}

/// The models by name, for listings. The other faults, and other shares of failures, are served where they are named.
pub const LISTED_MODELS: [&str; 22] = [
    "good",
    "sloppy",
    "terse",
    "verbose",
    "slow",
    "flaky-30",
    "tool-caller",
    "judge",
    "down",
    "overloaded",
    "rate-limited",
    "no-quota",
    "bad-key",
    "gone",
    "too-long",
    "stall",
    "cut",
    "cut-politely",
    "malformed",
    "empty",
    "error-in-stream",
    "unexpected",
];

impl ModelBehavior {
    /// The behaviour of a model; `None` for a name that the simulator does not have.
    pub fn from_model_name(model: &str) -> Option<Self> {
        Some(match model {
            "good" => Self::Good,
            "sloppy" => Self::Sloppy,
            "terse" => Self::Terse,
            "verbose" => Self::Verbose,
            "slow" => Self::Slow,
            "tool-caller" => Self::ToolCaller,
            "judge" => Self::Judge,
            "down" => Self::Error(FailureClass::Unreachable),
            "overloaded" => Self::Error(FailureClass::ServerError),
            "rate-limited" => Self::Error(FailureClass::RateLimited),
            "no-quota" => Self::Error(FailureClass::QuotaExhausted),
            "bad-key" => Self::Error(FailureClass::Auth),
            "gone" => Self::Error(FailureClass::ModelUnavailable),
            "too-long" => Self::Error(FailureClass::ContextOverflow),
            "unexpected" => Self::Unexpected,
            name => match SimulatedFault::from_name(name) {
                Some(fault) => Self::Fault(fault),
                None => Self::Flaky(name.strip_prefix("flaky-")?.parse().ok().filter(|share| *share <= 100)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_name_cases() {
        assert!(
            LISTED_MODELS
                .into_iter()
                .chain(SimulatedFault::names())
                .all(|model| ModelBehavior::from_model_name(model).is_some())
        );
        assert_eq!(ModelBehavior::from_model_name("flaky-7"), Some(ModelBehavior::Flaky(7)));
        assert_eq!(ModelBehavior::from_model_name("flaky-101"), None);
        assert_eq!(ModelBehavior::from_model_name("better"), None);
    }
}
