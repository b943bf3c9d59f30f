//! Mutations that turn a correct answer into a wrong one. They share no code with the simulator's defects, so
//! that the audit stays independent of the simulator.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mutation {
    Empty,
    /// Truncated before it states anything complete.
    Cut,
    Refusal,
    /// A label is replaced with another one from the set, or yes becomes no.
    WrongLabel,
    SwappedNumbers,
    DroppedKey,
    /// The reference of another case.
    OtherAnswer,
    OffTopic,
    Fenced,
}

impl Mutation {
    /// In display order.
    pub(crate) const ALL: [Self; 9] = [
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

    pub(crate) fn name(self) -> &'static str {
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
}

/// Why a mutant of a case is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MutantOmission {
    /// The reference has no such mutant.
    NotApplicable,
    /// It equals the reference after normalization.
    SameAsReference,
    /// It equals another mutant of the case.
    Duplicate,
    /// Only a model call can tell whether it is caught.
    NeedsModelCall,
}

impl MutantOmission {
    /// The value in JSON output.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotApplicable => "not_applicable",
            Self::SameAsReference => "same_as_reference",
            Self::Duplicate => "duplicate",
            Self::NeedsModelCall => "needs_model_call",
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    pub(super) mutation: Mutation,
    pub(super) text: String,
}

/// The mutants of a case, and why others are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MutantSet {
    pub(super) mutants: Vec<Mutant>,
    pub(super) left_out: Vec<(Mutation, MutantOmission)>,
}
