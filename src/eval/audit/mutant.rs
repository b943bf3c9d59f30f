//! Ways to make a right answer wrong. They share no code with the simulator's defects: whoever makes the tests and the answers
//! with one hand proves nothing.

use std::fmt;

use serde::Serialize;

/// How an answer is made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mutation {
    /// Nothing is said.
    Empty,
    /// It breaks off before anything is said to its end.
    Cut,
    /// It declines.
    Refusal,
    /// A label is another one of the set, or a yes is a no.
    WrongLabel,
    /// Every number is swapped for another one.
    SwappedNumbers,
    /// A key of the JSON is left out.
    DroppedKey,
    /// It is the right answer to another case.
    OtherAnswer,
    /// It is about something else.
    OffTopic,
    /// It stands in a code fence.
    Fenced,
}

impl Mutation {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Empty,
        Self::Cut,
        Self::Refusal,
        Self::WrongLabel,
        Self::SwappedNumbers,
        Self::DroppedKey,
        Self::OtherAnswer,
        Self::OffTopic,
        Self::Fenced,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Cut => "cut",
            Self::Refusal => "refusal",
            Self::WrongLabel => "wrong-label",
            Self::SwappedNumbers => "swapped-numbers",
            Self::DroppedKey => "dropped-key",
            Self::OtherAnswer => "other-answer",
            Self::OffTopic => "off-topic",
            Self::Fenced => "fenced",
        }
    }

    /// Why there is none of a reference, where nothing says it better.
    pub(super) fn unavailable_reason(self) -> &'static str {
        match self {
            Self::Empty => "the reference is empty",
            Self::Cut => "too short before its first stop to be cut so that it is surely wrong",
            Self::Refusal => "the reference declines, too",
            Self::WrongLabel => "no label of which the set knows another",
            Self::SwappedNumbers => "no number",
            Self::DroppedKey => "no JSON object with a key",
            Self::OtherAnswer => "no other case with an answer that is surely another",
            Self::OffTopic => "no words",
            Self::Fenced => "no assertion that wants JSON with nothing around it",
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    pub(super) mutation: Mutation,
    pub(super) text: String,
}

/// The mutants of a case, and why there are none of the other kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MutantSet {
    pub(super) mutants: Vec<Mutant>,
    pub(super) left_out: Vec<(Mutation, &'static str)>,
}
