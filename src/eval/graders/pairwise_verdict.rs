//! Pairwise verdicts: a judge compares two answers to one prompt in both orders.

use serde_json::json;

use super::judge_prompt::{
    UNTRUSTED_DATA_NOTICE, answer_json, build_judge_request, conversation_json, parse_verdict_choice,
    verdict_schema,
};
use crate::chat::{Request, Response};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    First,
    Tie,
    Second,
}

const PREFERENCE_WORDS: [(&str, Preference); 3] =
    [("first", Preference::First), ("tie", Preference::Tie), ("second", Preference::Second)];

impl Preference {
    #[must_use]
    pub(crate) fn swapped(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Tie => Self::Tie,
            Self::Second => Self::First,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PairwiseVerdict {
    Agreed(Preference),
    /// The orders disagree, which counts as a tie.
    Disagreed {
        /// Whether both orders preferred the same position.
        is_position_bias: bool,
    },
}

impl PairwiseVerdict {
    /// Combines the preferences in both orders, each relative to its own first and second answer.
    pub(crate) fn combine(one: Preference, other: Preference) -> Self {
        if one == other.swapped() {
            Self::Agreed(one)
        } else {
            Self::Disagreed { is_position_bias: one == other }
        }
    }

    pub(crate) fn preference(self) -> Preference {
        match self {
            Self::Agreed(preference) => preference,
            Self::Disagreed { .. } => Preference::Tie,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PairwiseQuestion<'a> {
    pub request: &'a Request,
    /// `None` means `DEFAULT_RUBRIC`.
    pub rubric: Option<&'a str>,
}

const DEFAULT_RUBRIC: &str = "The better answer is the one that is right, does what was asked, and wastes no words. Length by itself is no merit.";

pub(crate) fn build_pairwise_request(
    question: PairwiseQuestion<'_>,
    first: &Response,
    second: &Response,
) -> Request {
    let data = json!({
        "conversation": conversation_json(question.request),
        "first": answer_json(&first.text, &first.tool_calls),
        "second": answer_json(&second.text, &second.tool_calls),
    });
    let instructions = format!(
        "You compare two answers of AI systems to one prompt. The next message is one JSON object: `conversation` is what was \
         asked, `first` and `second` are the answers, in no order of merit. {UNTRUSTED_DATA_NOTICE}\n\n\
         Compare them by this, and by nothing else:\n<rubric>\n{}\n</rubric>\n\n\
         Say why in one or two sentences (`reason`), then which is better (`better`): `first`, `second`, or `tie` where neither \
         is. Answer in JSON: {{\"reason\": \"…\", \"better\": \"…\"}}",
        question.rubric.unwrap_or(DEFAULT_RUBRIC).trim()
    );
    Request {
        temperature: Some(0.0),
        ..build_judge_request(instructions, &data, verdict_schema("better", &choices()))
    }
}

fn choices() -> Vec<String> {
    PREFERENCE_WORDS.map(|(word, _)| word.to_owned()).to_vec()
}

impl Preference {
    /// Parses a verdict into the preference and its reason.
    pub(crate) fn parse(text: &str) -> Result<(Self, String), String> {
        let (at, reason) = parse_verdict_choice("better", &choices(), text)?;
        let preference = PREFERENCE_WORDS.get(at).map_or(Self::Tie, |(_, preference)| *preference);
        Ok((preference, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{First, Second, Tie};

    #[test]
    fn verdict_requires_agreement_in_both_orders() {
        assert_eq!(PairwiseVerdict::combine(First, Second), PairwiseVerdict::Agreed(First));
        assert_eq!(PairwiseVerdict::combine(Second, First), PairwiseVerdict::Agreed(Second));
        assert_eq!(PairwiseVerdict::combine(Tie, Tie), PairwiseVerdict::Agreed(Tie));
        assert_eq!(
            PairwiseVerdict::combine(First, First),
            PairwiseVerdict::Disagreed { is_position_bias: true }
        );
        assert_eq!(
            PairwiseVerdict::combine(Tie, First),
            PairwiseVerdict::Disagreed { is_position_bias: false }
        );
        assert_eq!(PairwiseVerdict::combine(First, First).preference(), Tie);
    }

    #[test]
    fn parse_preference_cases() {
        let read = |text: &str| Preference::parse(text).map(|(preference, _)| preference);
        assert_eq!(read(r#"{"reason": "", "better": "second"}"#), Ok(Second));
        assert!(read("second").is_err());
        assert!(read(r#"{"reason": "", "better": "both"}"#).is_err());
    }
}
