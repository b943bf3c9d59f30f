//! Makes wrong answers from the references of a set.

use std::collections::HashSet;

use fastrand::Rng;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::duplicates::normalize_prompt;
use super::json_mutations::{
    LabelVocabulary, drop_keys, remove_sentences, replace_sentences, swap_json_numbers, swap_labels,
};
use super::mutant::{Mutant, MutantOmission, MutantSet, Mutation};
use super::normalize::{normalize, parse_object_or_list};
use super::text_mutations;
use crate::eval::assertion::{AssertionCheck, CheckOutcome, IsRefusal, LabelChoice};
use crate::eval::{Assertion, Case, GradableAnswer};

/// A mutation with more variants gets a random selection of this size.
const MAX_PER_MUTATION: usize = 3;

const MAX_LABEL_WORDS: usize = 3;

const REFUSALS: [&str; 3] = [
    "I can't assist with that.",
    "I'm not able to help with this question.",
    "Unfortunately, I am unable to answer this.",
];

const OFF_TOPIC: [&str; 3] = [
    "The lighthouse keeper paints the railing in spring, before the gulls come back.",
    "Bake the loaf on the lowest shelf until its crust is brown.",
    "Choirs like to rehearse in the evening, when the hall is quiet.",
];

/// A parsed reference.
struct ParsedReference<'a> {
    case: &'a Case,
    text: &'a str,
    value: Option<Value>,
    normalized: String,
    /// What the answer decides: the JSON without its sentences, or a leading yes or no.
    label: Option<String>,
    /// The normalized prompt of its case.
    question: String,
}

impl<'a> ParsedReference<'a> {
    fn parse(case: &'a Case) -> Option<Self> {
        let text = case.reference.as_deref()?;
        let value = parse_object_or_list(text);
        let label = match &value {
            Some(value) => remove_sentences(value).map(|rest| normalize(&rest.to_string())),
            None => text_mutations::leading_yes_no(text).map(str::to_lowercase),
        };
        Some(Self { case, text, label, value, normalized: normalize(text), question: normalize_prompt(case) })
    }

    /// Whether the other answer is certainly wrong for this case: different question, different label, and,
    /// in prose, neither text contains the other.
    fn is_different_answer(&self, other: &Self) -> bool {
        let same_label = self.label.is_some() && self.label == other.label;
        let both_prose = self.value.is_none() && other.value.is_none();
        let overlaps = || {
            is_contained_in(&self.normalized, &other.normalized)
                || is_contained_in(&other.normalized, &self.normalized)
        };
        !same_label
            && self.question != other.question
            && self.normalized != other.normalized
            && !(both_prose && overlaps())
    }

    /// Whether it is a label of one to three words.
    fn is_label(&self) -> bool {
        (1..=MAX_LABEL_WORDS).contains(&self.text.split_whitespace().count())
            && self.value.is_none()
            && !self.text.chars().any(|c| c.is_ascii_digit())
            && self.text.chars().any(char::is_alphabetic)
    }
}

/// Whether `text` occurs in `other` at word boundaries.
fn is_contained_in(text: &str, other: &str) -> bool {
    let is_boundary = |c: Option<char>| c.is_none_or(|c| c == ' ');
    !text.is_empty()
        && other.match_indices(text).any(|(at, found)| {
            is_boundary(other[..at].chars().next_back())
                && is_boundary(other[at + found.len()..].chars().next())
        })
}

pub(super) struct MutantFactory<'a> {
    references: Vec<ParsedReference<'a>>,
    vocabulary: LabelVocabulary,
    seed: u64,
}

impl<'a> MutantFactory<'a> {
    pub(super) fn of(cases: &'a [Case], seed: u64) -> Self {
        let references: Vec<ParsedReference<'a>> = cases.iter().filter_map(ParsedReference::parse).collect();
        let mut vocabulary = LabelVocabulary::default();
        references
            .iter()
            .filter_map(|reference| reference.value.as_ref())
            .for_each(|value| vocabulary.add(value));
        Self { references, vocabulary, seed }
    }

    /// Deterministic for a seed. No mutant equals the reference or another mutant after normalization.
    pub(super) fn make_mutants(&self, case: &Case) -> MutantSet {
        let mut mutant_set = MutantSet::default();
        let Some(reference) = ParsedReference::parse(case) else { return mutant_set };
        let mut seen = HashSet::from([reference.normalized.clone()]);
        for mutation in Mutation::ALL {
            let mut rng = self.seeded_rng(&case.metadata.id, mutation);
            let texts = self.mutate(&reference, mutation, &mut rng);
            if texts.is_empty() {
                mutant_set.left_out.push((mutation, MutantOmission::NotApplicable));
            }
            for text in texts {
                let normalized = normalize(&text);
                if normalized == reference.normalized {
                    mutant_set.left_out.push((mutation, MutantOmission::SameAsReference));
                } else if seen.insert(normalized) {
                    mutant_set.mutants.push(Mutant { mutation, text });
                } else {
                    mutant_set.left_out.push((mutation, MutantOmission::Duplicate));
                }
            }
        }
        mutant_set
    }

    fn seeded_rng(&self, id: &str, mutation: Mutation) -> Rng {
        let hash = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(mutation.name())
            .chain_update([0])
            .chain_update(id)
            .finalize();
        Rng::with_seed(hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte)))
    }

    fn mutate(&self, reference: &ParsedReference<'_>, mutation: Mutation, rng: &mut Rng) -> Vec<String> {
        let (text, value) = (reference.text, reference.value.as_ref());
        let serialize = |values: Vec<Value>| values.iter().map(Value::to_string).collect();
        match mutation {
            Mutation::Empty if reference.normalized.is_empty() => Vec::new(),
            Mutation::Empty => vec![String::new()],
            // A truncated object is not valid JSON.
            Mutation::Cut if value.is_some() => {
                let kept = text.trim().chars().count() * 3 / 5;
                vec![text.trim().chars().take(kept).collect()]
            }
            Mutation::Cut => text_mutations::truncate_clause(text).into_iter().collect(),
            Mutation::Refusal if is_refusal(text) => Vec::new(),
            Mutation::Refusal => rng.choice(REFUSALS).map(str::to_owned).into_iter().collect(),
            Mutation::WrongLabel => match value {
                Some(value) => serialize(swap_labels(value, &self.vocabulary, MAX_PER_MUTATION, rng)),
                None => self.swap_text_label(reference, rng),
            },
            Mutation::SwappedNumbers => match value {
                Some(value) => serialize(swap_json_numbers(value, rng).into_iter().collect()),
                None => text_mutations::swap_numbers(text, rng).into_iter().collect(),
            },
            Mutation::DroppedKey => {
                serialize(value.map(|value| drop_keys(value, MAX_PER_MUTATION, rng)).unwrap_or_default())
            }
            Mutation::OtherAnswer => self.pick_other_references(reference, rng, |_| true),
            Mutation::OffTopic => {
                let Some(sentence) = rng.choice(OFF_TOPIC) else { return Vec::new() };
                let replaced =
                    value.and_then(|value| replace_sentences(value, sentence)).map(|value| value.to_string());
                [sentence.to_owned()].into_iter().chain(replaced).collect()
            }
            Mutation::Fenced if reference.case.assertions.iter().any(Assertion::requires_bare_json) => {
                vec![format!("```json\n{}\n```", text.trim())]
            }
            Mutation::Fenced => Vec::new(),
        }
    }

    /// In prose, a label is an option that an assertion names, a yes or no, or an answer of one to three
    /// words if other references are labels too.
    fn swap_text_label(&self, reference: &ParsedReference<'_>, rng: &mut Rng) -> Vec<String> {
        let options = find_wrong_options(&reference.case.assertions);
        if !options.is_empty() {
            return pick_random(options, rng);
        }
        if let Some(flipped) = text_mutations::flip_yes_no(reference.text) {
            return vec![flipped];
        }
        if reference.is_label() {
            self.pick_other_references(reference, rng, |other| other.is_label())
        } else {
            Vec::new()
        }
    }

    /// References of other cases that pass `wanted`, searched from random positions.
    fn pick_other_references(
        &self,
        reference: &ParsedReference<'_>,
        rng: &mut Rng,
        wanted: impl Fn(&ParsedReference<'_>) -> bool,
    ) -> Vec<String> {
        let count = self.references.len();
        let mut found: Vec<&ParsedReference<'_>> = Vec::new();
        for _ in 0..MAX_PER_MUTATION {
            let start = rng.usize(0..count.max(1));
            let mut candidates = (0..count).filter_map(|n| self.references.get((start + n) % count));
            let is_new =
                |other: &ParsedReference<'_>| found.iter().all(|known| known.normalized != other.normalized);
            let is_usable = |other: &&ParsedReference<'_>| {
                wanted(other) && is_new(other) && reference.is_different_answer(other)
            };
            let Some(other) = candidates.find(is_usable) else { break };
            found.push(other);
        }
        found.into_iter().map(|other| other.text.to_owned()).collect()
    }
}

fn pick_random<T>(mut all: Vec<T>, rng: &mut Rng) -> Vec<T> {
    rng.shuffle(&mut all);
    all.truncate(MAX_PER_MUTATION);
    all
}

fn is_refusal(text: &str) -> bool {
    matches!(IsRefusal.evaluate(&GradableAnswer::text(text)), CheckOutcome::PassFail(true, _))
}

/// The wrong options of `choice` assertions, including nested ones.
fn find_wrong_options(assertions: &[Assertion]) -> Vec<String> {
    let mut choices = Vec::new();
    assertions.iter().for_each(|one| one.check.collect_choices(one.negated, &mut choices));
    let wrong = |choice: LabelChoice<'_>| {
        let correct = normalize(choice.correct);
        choice.options.iter().filter(|option| normalize(option) != correct).cloned().collect::<Vec<_>>()
    };
    choices.into_iter().flat_map(wrong).collect()
}
