//! Repairs: checks whether an answer failed only because of its form. It depends on the assertions of its
//! parent module.
//!
//! A model may fail only because it fences its JSON, adds a greeting, escapes differently, or exceeds a
//! length. So each failed answer is graded again after such repairs, and an answer that then passes is a
//! mismatch of the harness. The verdict does not change: repairs explain why a model failed.

mod escapes;
mod fences;
mod phrases;
mod trim;

use std::borrow::{Borrow, Cow};
use std::collections::HashSet;
use std::fmt;

use super::length_unit::LengthUnit;
use super::{Assertion, AssertionResult, GradableAnswer, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// Removes a greeting, an announcing line, or prose before JSON or a code fence.
    CutPreamble,
    CutEnding,
    StripFences,
    /// Decodes HTML entities and backslash escapes.
    Unescape,
    /// Truncates to the length limits of the case.
    CutLength,
    /// Ignores case and whitespace.
    Fold,
}

impl Repair {
    /// In order of application.
    pub(crate) const ALL: [Self; 6] =
        [Self::CutPreamble, Self::CutEnding, Self::StripFences, Self::Unescape, Self::CutLength, Self::Fold];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CutPreamble => "cut-preamble",
            Self::CutEnding => "cut-ending",
            Self::StripFences => "strip-fences",
            Self::Unescape => "unescape",
            Self::CutLength => "cut-length",
            Self::Fold => "fold",
        }
    }

    /// Completes a sentence after `once`.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::CutPreamble => "the preamble is removed",
            Self::CutEnding => "trailing text is removed",
            Self::StripFences => "code fences are stripped",
            Self::Unescape => "escapes are decoded",
            Self::CutLength => "they are truncated to the length limit",
            Self::Fold => "case and whitespace are ignored",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }

    /// `None` when there is nothing to repair or nothing would remain.
    fn apply(self, text: &str, limits: &[(LengthUnit, usize)]) -> Option<String> {
        let repaired = match self {
            Self::CutPreamble => trim::trim_preamble(text).map(str::to_owned),
            Self::CutEnding => trim::trim_ending(text).map(str::to_owned),
            Self::StripFences => fences::strip_fence(text).map(str::to_owned),
            Self::Unescape => escapes::unescape(text),
            Self::CutLength => trim::truncate_to_limits(text, limits).map(str::to_owned),
            // The assertions ignore the differences; the text stays.
            Self::Fold => return Some(text.to_owned()),
        };
        repaired.filter(|repaired| !repaired.trim().is_empty() && repaired != text)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RepairSet(u8);

impl RepairSet {
    /// In order of application.
    pub(crate) fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.into_iter().filter(move |repair| self.0 & repair.bit() != 0)
    }

    /// The repair, if there is exactly one.
    pub(crate) fn single(self) -> Option<Repair> {
        self.iter().next().filter(|_| self.0.is_power_of_two())
    }

    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Parses the output of `Display`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bit = |word: &str| Repair::ALL.into_iter().find(|repair| repair.name() == word).map(Repair::bit);
        text.split('+').map(bit).try_fold(0, |bits, bit| Some(bits | bit?)).map(Self)
    }
}

impl From<Repair> for RepairSet {
    fn from(repair: Repair) -> Self {
        Self(repair.bit())
    }
}

impl fmt::Display for RepairSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Repair::name).collect();
        f.write_str(&names.join("+"))
    }
}

impl fmt::Debug for RepairSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An answer that needs more repairs is not a mismatch of form.
const MAX_REPAIRS: u32 = 3;

/// Bytes of graded text after which no more combinations are tried: comparing long texts would delay all
/// other cases.
const MAX_GRADED_BYTES: usize = 64 << 10;

/// The smallest set of repairs after which a failed answer passes all assertions of its case; ties go to the
/// first in [`Repair::ALL`]. Assertions that do not read the text, such as cost and latency, keep their
/// result. If one of them did not pass, no repair helps.
pub(super) fn find_repairs<A: Borrow<Assertion>>(
    assertions: &[A],
    found: &[AssertionResult],
    answer: &GradableAnswer<'_>,
) -> Option<RepairSet> {
    let mut text_based: Vec<(bool, &Assertion)> = Vec::with_capacity(assertions.len());
    for (assertion, result) in assertions.iter().map(A::borrow).zip(found) {
        let passed = result.verdict == Verdict::Pass;
        if assertion.check.is_text_based() {
            text_based.push((passed, assertion));
        } else if !passed {
            return None;
        }
    }
    if text_based.iter().all(|(passed, _)| *passed) {
        return None;
    }
    // Check failed assertions first: a wrong answer usually fails them again.
    text_based.sort_by_key(|(passed, _)| *passed);
    let limits: Vec<(LengthUnit, usize)> = assertions.iter().map(A::borrow).filter_map(max_length).collect();
    let mut masks: Vec<u8> =
        (1..1 << Repair::ALL.len()).filter(|mask: &u8| mask.count_ones() <= MAX_REPAIRS).collect();
    masks.sort_by_key(|mask| (mask.count_ones(), *mask));
    // Each combination extends a shorter one by its last repair, and the shorter one comes first.
    let mut texts: [Option<Cow<'_, str>>; 1 << Repair::ALL.len()] = [const { None }; 1 << Repair::ALL.len()];
    texts[0] = Some(Cow::Borrowed(answer.text));
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut graded = 0;
    for mask in masks {
        if mask.count_ones() > 1 && graded > MAX_GRADED_BYTES {
            break;
        }
        let Some(last) = RepairSet(mask).iter().last() else { continue };
        let shorter = texts.get(usize::from(mask & !last.bit())).and_then(Option::as_ref);
        let Some(text) = shorter.and_then(|shorter| last.apply(shorter, &limits)) else { continue };
        let is_fold = last == Repair::Fold;
        if seen.insert((text.clone(), is_fold)) {
            graded += text.len();
            let repaired = GradableAnswer { text: &text, ..*answer };
            let passes = |assertion: &Assertion| match is_fold {
                true => assertion.can_pass_folded(&repaired),
                false => assertion.grade(&repaired).verdict == Verdict::Pass,
            };
            if text_based.iter().all(|(_, assertion)| passes(assertion)) {
                return Some(RepairSet(mask));
            }
        }
        if let Some(slot) = texts.get_mut(usize::from(mask)) {
            *slot = Some(Cow::Owned(text));
        }
    }
    None
}

fn max_length(assertion: &Assertion) -> Option<(LengthUnit, usize)> {
    assertion.check.max_length().filter(|_| !assertion.negated)
}

#[cfg(test)]
mod tests;
