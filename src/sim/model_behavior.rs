//! Behavior of a simulated model, selected by the model name.

use super::SimulatedFault;
use crate::chat::FailureClass;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelBehavior {
    /// The configured reply, or a text that says that it is simulated.
    Good,
    /// The reply with one realistic defect on about 30% of prompts.
    Sloppy,
    /// Strings cut to five words, prose to its first sentence.
    Terse,
    /// The reply with a sentence before and after it.
    Verbose,
    /// Takes 1.2 to 3 seconds per response.
    Slow,
    /// Fails this percentage of requests with a server error.
    Flaky(u8),
    /// Calls the offered tool in five successive rounds, then responds with text.
    ToolCaller,
    /// Returns verdicts based on word overlap.
    Judge,
    /// Returns the dialect's own error for this class.
    Error(FailureClass),
    Fault(SimulatedFault),
    /// A correct response with one renamed and one added field.
    Unexpected,
}

/// The models shown in listings. All other faults and failure percentages are available by name.
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
    /// `None` for an unknown model.
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
