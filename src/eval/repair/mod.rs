//! What a failed answer lacks in form alone.
//!
//! A model can do worse than another only because it fences its JSON, greets before it answers, escapes otherwise or runs
//! long. So each failed answer is graded again after such repairs, and what passes then is a mismatch of the harness. The
//! verdict stays what it was: repairs say why a model failed, and never that it did not.

mod escapes;
mod fences;
mod phrases;
mod trim;

use std::borrow::{Borrow, Cow};
use std::collections::HashSet;
use std::fmt;

use super::{Assertion, AssertionResult, Check, GradableAnswer, LengthUnit, Verdict};

/// One thing that is put right in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// What comes before the answer is cut: a greeting, a line that announces it, prose before JSON or a code fence.
    CutPreamble,
    /// What comes after it is cut.
    CutEnding,
    /// A code fence around it is taken away.
    StripFences,
    /// Entities and backslashes become what they stand for.
    Unescape,
    /// What goes beyond the most words or characters that the case allows is cut.
    CutLength,
    /// Capitals and white space say nothing.
    Fold,
}

impl Repair {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 6] =
        [Self::CutPreamble, Self::CutEnding, Self::StripFences, Self::Unescape, Self::CutLength, Self::Fold];

    /// Its word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::CutPreamble => "cut-preamble",
            Self::CutEnding => "cut-ending",
            Self::StripFences => "strip-fences",
            Self::Unescape => "unescape",
            Self::CutLength => "cut-length",
            Self::Fold => "fold",
        }
    }

    /// What is done, for a sentence: `once …`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::CutPreamble => "the preamble is cut",
            Self::CutEnding => "what follows the answer is cut",
            Self::StripFences => "fences are stripped",
            Self::Unescape => "escapes are undone",
            Self::CutLength => "they are cut at length",
            Self::Fold => "capitals and white space do not count",
        }
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }

    /// The text after this repair; `None` where there is nothing to put right, or nothing would be left.
    fn apply(self, text: &str, limits: &[(LengthUnit, usize)]) -> Option<String> {
        let made = match self {
            Self::CutPreamble => trim::trim_preamble(text).map(str::to_owned),
            Self::CutEnding => trim::trim_ending(text).map(str::to_owned),
            Self::StripFences => fences::strip_fence(text).map(str::to_owned),
            Self::Unescape => escapes::unescape(text),
            Self::CutLength => trim::truncate_to_limits(text, limits).map(str::to_owned),
            // It is the assertions that forgive; the text stays.
            Self::Fold => return Some(text.to_owned()),
        };
        made.filter(|made| !made.trim().is_empty() && made != text)
    }
}

/// One or several repairs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepairSet(u8);

impl RepairSet {
    /// The repairs, in the order in which they are made.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.into_iter().filter(move |repair| self.0 & repair.bit() != 0)
    }

    /// The only one, where it is one.
    pub fn single(self) -> Option<Repair> {
        self.iter().next().filter(|_| self.0.is_power_of_two())
    }

    /// These and those.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads what `Display` writes; `None` for anything else.
    pub fn parse(words: &str) -> Option<Self> {
        let bit = |word: &str| Repair::ALL.into_iter().find(|repair| repair.name() == word).map(Repair::bit);
        words.split('+').map(bit).try_fold(0, |bits, bit| Some(bits | bit?)).map(Self)
    }
}

impl From<Repair> for RepairSet {
    fn from(repair: Repair) -> Self {
        Self(repair.bit())
    }
}

impl fmt::Display for RepairSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Repair::name).collect();
        f.write_str(&words.join("+"))
    }
}

impl fmt::Debug for RepairSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// At most so many repairs are made to one answer: what takes more is no mismatch of form.
const MAX_REPAIRS: u32 = 3;

/// Once so many bytes were graded, no more combinations are tried: a long answer that is compared with a long text would hold
/// up all others meanwhile.
const MAX_GRADED_BYTES: usize = 64 << 10;

/// The fewest repairs after which a failed answer passes all assertions of its case; of several the first by
/// [`Repair::ALL`]. What does not look at the text, such as cost and latency, stands as it was found, and where that is no
/// pass, no repair will do.
pub(super) fn find_repairs<A: Borrow<Assertion>>(
    assertions: &[A],
    found: &[AssertionResult],
    answer: &GradableAnswer<'_>,
) -> Option<RepairSet> {
    let mut open: Vec<(bool, &Assertion)> = Vec::with_capacity(assertions.len());
    for (assertion, result) in assertions.iter().map(A::borrow).zip(found) {
        let passed = result.verdict == Verdict::Pass;
        if assertion.is_text_based() {
            open.push((passed, assertion));
        } else if !passed {
            return None;
        }
    }
    if open.iter().all(|(passed, _)| *passed) {
        return None;
    }
    // An answer that is wrong and not only ill-formed is mostly seen to be by what failed before.
    open.sort_by_key(|(passed, _)| *passed);
    let limits: Vec<(LengthUnit, usize)> = assertions.iter().map(A::borrow).filter_map(max_length).collect();
    let mut ways: Vec<u8> =
        (1..1 << Repair::ALL.len()).filter(|way: &u8| way.count_ones() <= MAX_REPAIRS).collect();
    ways.sort_by_key(|way| (way.count_ones(), *way));
    // Each way is one that is shorter by its last repair, and that one came before it.
    let mut texts: [Option<Cow<'_, str>>; 1 << Repair::ALL.len()] = [const { None }; 1 << Repair::ALL.len()];
    texts[0] = Some(Cow::Borrowed(answer.text));
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut graded = 0;
    for way in ways {
        if way.count_ones() > 1 && graded > MAX_GRADED_BYTES {
            break;
        }
        let Some(last) = RepairSet(way).iter().last() else { continue };
        let before = texts.get(usize::from(way & !last.bit())).and_then(Option::as_ref);
        let Some(text) = before.and_then(|before| last.apply(before, &limits)) else { continue };
        let folds = last == Repair::Fold;
        if seen.insert((text.clone(), folds)) {
            graded += text.len();
            let repaired = GradableAnswer { text: &text, ..*answer };
            let passes = |assertion: &Assertion| match folds {
                true => assertion.can_pass_folded(&repaired),
                false => assertion.grade(&repaired).verdict == Verdict::Pass,
            };
            if open.iter().all(|(_, assertion)| passes(assertion)) {
                return Some(RepairSet(way));
            }
        }
        if let Some(place) = texts.get_mut(usize::from(way)) {
            *place = Some(Cow::Owned(text));
        }
    }
    None
}

/// The most that a case allows.
fn max_length(assertion: &Assertion) -> Option<(LengthUnit, usize)> {
    match &assertion.check {
        Check::Length { unit, max: Some(max), .. } if !assertion.negated => Some((*unit, *max)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
