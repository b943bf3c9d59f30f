//! Two answers to one prompt, and which one a judge likes better, asked in both orders.

use serde_json::json;

use super::question::{UNTRUSTED, answer_data, conversation, request, verdict_in, verdict_schema};
use crate::chat::{Request, Response};

/// What a judge says of two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The first one is better.
    First,
    /// Neither is.
    Tie,
    /// The second one is better.
    Second,
}

const CHOICES: [(&str, Preference); 3] =
    [("first", Preference::First), ("tie", Preference::Tie), ("second", Preference::Second)];

impl Preference {
    /// The same with the answers exchanged.
    #[must_use]
    pub fn exchanged(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Tie => Self::Tie,
            Self::Second => Self::First,
        }
    }
}

/// What both orders come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairwise {
    /// Both orders say this.
    Agreed(Preference),
    /// They do not say the same, so neither counts: a tie. With `by_place`, each order preferred the answer at the same place.
    Disagreed {
        /// Whether the place decided.
        by_place: bool,
    },
}

impl Pairwise {
    /// Of what was said in one order, and in the other, each of its own first and second.
    pub fn of(one: Preference, other: Preference) -> Self {
        if one == other.exchanged() { Self::Agreed(one) } else { Self::Disagreed { by_place: one == other } }
    }

    /// What counts.
    pub fn preference(self) -> Preference {
        match self {
            Self::Agreed(preference) => preference,
            Self::Disagreed { .. } => Preference::Tie,
        }
    }
}

/// What answers are held against each other by.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// What was asked.
    pub asked: &'a Request,
    /// What makes an answer better; what a careful reader would want, where nothing is said.
    pub rubric: Option<&'a str>,
}

/// What makes an answer better, where nothing is said.
const USUAL: &str = "The better answer is the one that is right, does what was asked, and wastes no words. Length by itself is no merit.";

/// The request for a verdict on two answers in this order.
pub fn contest(contest: Contest<'_>, first: &Response, second: &Response) -> Request {
    let data = json!({
        "conversation": conversation(contest.asked),
        "first": answer_data(&first.text, &first.tool_calls),
        "second": answer_data(&second.text, &second.tool_calls),
    });
    let instructions = format!(
        "You compare two answers of AI systems to one prompt. The next message is one JSON object: `conversation` is what was \
         asked, `first` and `second` are the answers, in no order of merit. {UNTRUSTED}\n\n\
         Compare them by this, and by nothing else:\n<rubric>\n{}\n</rubric>\n\n\
         Say why in one or two sentences (`reason`), then which is better (`better`): `first`, `second`, or `tie` where neither \
         is. Answer in JSON: {{\"reason\": \"…\", \"better\": \"…\"}}",
        contest.rubric.unwrap_or(USUAL).trim()
    );
    Request { temperature: Some(0.0), ..request(instructions, &data, verdict_schema("better", &choices())) }
}

fn choices() -> Vec<String> {
    CHOICES.map(|(word, _)| word.to_owned()).to_vec()
}

impl Preference {
    /// What a judge's answer says, and why.
    ///
    /// # Errors
    /// In words, when it is no verdict.
    pub fn read(text: &str) -> Result<(Self, String), String> {
        let (at, reason) = verdict_in("better", &choices(), text)?;
        let preference = CHOICES.get(at).map_or(Self::Tie, |(_, preference)| *preference);
        Ok((preference, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{First, Second, Tie};

    #[test]
    fn a_verdict_counts_only_where_both_orders_agree() {
        assert_eq!(Pairwise::of(First, Second), Pairwise::Agreed(First));
        assert_eq!(Pairwise::of(Second, First), Pairwise::Agreed(Second));
        assert_eq!(Pairwise::of(Tie, Tie), Pairwise::Agreed(Tie));
        assert_eq!(Pairwise::of(First, First), Pairwise::Disagreed { by_place: true });
        assert_eq!(Pairwise::of(Tie, First), Pairwise::Disagreed { by_place: false });
        assert_eq!(Pairwise::of(First, First).preference(), Tie);
    }

    #[test]
    fn verdicts() {
        let read = |text: &str| Preference::read(text).map(|(preference, _)| preference);
        assert_eq!(read(r#"{"reason": "", "better": "second"}"#), Ok(Second));
        assert!(read("second").is_err());
        assert!(read(r#"{"reason": "", "better": "both"}"#).is_err());
    }
}
