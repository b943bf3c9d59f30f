use std::fmt;
use std::str::FromStr;

use super::TokenCount;

/// A level of reasoning effort, named as in OpenAI's API. Each provider's own control is mapped from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasoningEffort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl ReasoningEffort {
    /// Every level in ascending order.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

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

    /// Returns the level in `offered` nearest to this one, or the lower one of two equally near levels.
    /// Switches reasoning on or off only if no other level is offered.
    pub fn nearest_supported(self, offered: &[Self]) -> Option<Self> {
        let distance = |level: &Self| {
            let steps = (*level as i16 - self as i16).abs();
            let across = (*level == Self::None) != (self == Self::None);
            (across, steps, *level)
        };
        offered.iter().copied().min_by_key(distance)
    }

    /// Reasoning tokens for providers that take a budget instead of a level: a share of the output limit
    /// `output_limit`, so that the response still fits after the reasoning.
    pub fn token_budget(self, output_limit: TokenCount) -> TokenCount {
        let share = match self {
            Self::None => return TokenCount::ZERO,
            Self::Minimal => 1,
            Self::Low => 4,
            Self::Medium => 10,
            Self::High => 16,
            Self::Xhigh => 18,
            Self::Max => 19,
        };
        TokenCount::new(output_limit.saturating_mul(share).get() / 20)
    }
}

impl fmt::Display for ReasoningEffort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid effort `{0}`: expected none, minimal, low, medium, high, xhigh, or max")]
pub struct ParseReasoningEffortError(String);

impl FromStr for ReasoningEffort {
    type Err = ParseReasoningEffortError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == name)
            .ok_or_else(|| ParseReasoningEffortError(name.to_owned()))
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
