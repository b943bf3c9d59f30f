//! How hard a model is to think.

use std::fmt;
use std::str::FromStr;

/// A level of reasoning effort, by the word that OpenAI made common. Each vendor's own control is a mapping of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasoningEffort {
    /// No reasoning at all.
    None,
    /// As little as the model can.
    Minimal,
    /// Little.
    Low,
    /// The middle.
    Medium,
    /// Much.
    High,
    /// More than high.
    Xhigh,
    /// As much as the model can.
    Max,
}

impl ReasoningEffort {
    /// Every level, from none upward.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    /// The word for it, here and on most wires.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The level of `offered` that is nearest: of two as near, the lower. Thinking and not thinking are told apart:
    /// a level is brought to [`Effort::None`] only where nothing else is offered, and the other way round.
    pub fn nearest_supported(self, offered: &[Self]) -> Option<Self> {
        let far = |level: &Self| {
            let steps = (*level as i16 - self as i16).abs();
            let across = (*level == Self::None) != (self == Self::None);
            (across, steps, *level)
        };
        offered.iter().copied().min_by_key(far)
    }

    /// Tokens of thought for vendors that take a budget instead of a level, given the most output that may be asked
    /// for. Shares of that bound, so that an answer still fits after the thoughts.
    pub fn token_budget(self, most: u64) -> u64 {
        let share = match self {
            Self::None => return 0,
            Self::Minimal => 1,
            Self::Low => 4,
            Self::Medium => 10,
            Self::High => 16,
            Self::Xhigh => 18,
            Self::Max => 19,
        };
        most.saturating_mul(share) / 20
    }
}

impl fmt::Display for ReasoningEffort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no level of effort.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no effort; write none, minimal, low, medium, high, xhigh or max")]
pub struct ParseReasoningEffortError(String);

impl FromStr for ReasoningEffort {
    type Err = ParseReasoningEffortError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| ParseReasoningEffortError(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_level_cases() {
        use ReasoningEffort::{High, Low, Max, Medium, Minimal, None as Off, Xhigh};
        assert_eq!(Xhigh.nearest_supported(&[Low, Medium, High]), Some(High));
        assert_eq!(Minimal.nearest_supported(&[Off, Low, High]), Some(Low));
        assert_eq!(Medium.nearest_supported(&[Low, High]), Some(Low));
        assert_eq!(Off.nearest_supported(&[Low, High]), Some(Low));
        assert_eq!(Max.nearest_supported(&[Off]), Some(Off));
        assert_eq!(High.nearest_supported(&[]), None);
        assert_eq!("xhigh".parse(), Ok(Xhigh));
    }
}
