//! The right answers of a set, and the wrong ones that are made of them.

use std::collections::HashSet;

use fastrand::Rng;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::duplicates::question;
use super::mutant::{Brood, Mutant, Mutation};
use super::normal::{normal, structure};
use super::prose;
use super::structure::{
    Vocabulary, dropped_keys, swapped_numbers, with_sentences, without_sentences, wrong_labels,
};
use crate::eval::{Assertion, Case, Check, Combination, Graded, Kind, Verdict};

/// Where a mutation can be had in several ways, so many of them are taken by chance.
const MOST: usize = 3;

/// No label has more words.
const LABEL_WORDS: usize = 3;

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

/// A right answer, as mutations look at it.
struct Reference<'a> {
    case: &'a Case,
    text: &'a str,
    value: Option<Value>,
    normal: String,
    /// What it comes to, whatever else it says: the JSON without its sentences, or a leading yes or no.
    label: Option<String>,
    /// What its case asks.
    question: String,
}

impl<'a> Reference<'a> {
    fn of(case: &'a Case) -> Option<Self> {
        let text = case.reference.as_deref()?;
        let value = structure(text);
        let label = match &value {
            Some(value) => without_sentences(value).map(|rest| normal(&rest.to_string())),
            None => prose::verdict(text).map(str::to_lowercase),
        };
        Some(Self { case, text, label, value, normal: normal(text), question: question(case) })
    }

    /// Whether another answer is surely not right here: it says something else, not the same label with other words around
    /// it, and is no answer to the same question.
    fn differs_from(&self, other: &Self) -> bool {
        let same_label = self.label.is_some() && self.label == other.label;
        let prose = self.value.is_none() && other.value.is_none();
        let holds = || within(&self.normal, &other.normal) || within(&other.normal, &self.normal);
        !same_label && self.question != other.question && self.normal != other.normal && !(prose && holds())
    }

    /// Whether it is a label in words: one to three of them.
    fn is_label(&self) -> bool {
        (1..=LABEL_WORDS).contains(&self.text.split_whitespace().count())
            && self.value.is_none()
            && !self.text.chars().any(|c| c.is_ascii_digit())
            && self.text.chars().any(char::is_alphabetic)
    }
}

/// Whether all words of a text stand in another one, next to each other.
fn within(text: &str, other: &str) -> bool {
    let apart = |c: Option<char>| c.is_none_or(|c| c == ' ');
    !text.is_empty()
        && other.match_indices(text).any(|(at, found)| {
            apart(other[..at].chars().next_back()) && apart(other[at + found.len()..].chars().next())
        })
}

/// The right answers of a set, of which mutants are made.
pub(super) struct Stock<'a> {
    references: Vec<Reference<'a>>,
    known: Vocabulary,
    seed: u64,
}

impl<'a> Stock<'a> {
    pub(super) fn of(cases: &'a [Case], seed: u64) -> Self {
        let references: Vec<Reference<'a>> = cases.iter().filter_map(Reference::of).collect();
        let mut known = Vocabulary::default();
        references
            .iter()
            .filter_map(|reference| reference.value.as_ref())
            .for_each(|value| known.learn(value));
        Self { references, known, seed }
    }

    /// The mutants of a case: the same for a seed, none of them the reference in other clothes, no two the same.
    pub(super) fn mutants(&self, case: &Case) -> Brood {
        let mut brood = Brood::default();
        let Some(reference) = Reference::of(case) else { return brood };
        let mut seen = HashSet::from([reference.normal.clone()]);
        for mutation in Mutation::ALL {
            let mut draw = self.draw(&case.head.id, mutation);
            let texts = self.texts(&reference, mutation, &mut draw);
            if texts.is_empty() {
                brood.left_out.push((mutation, mutation.impossible()));
            }
            for text in texts {
                let form = normal(&text);
                if form == reference.normal {
                    brood
                        .left_out
                        .push((mutation, "it is the reference but for white space, capitals and the like"));
                } else if seen.insert(form) {
                    brood.mutants.push(Mutant { mutation, text });
                } else {
                    brood.left_out.push((mutation, "the same as another mutant of the case"));
                }
            }
        }
        brood
    }

    fn draw(&self, id: &str, mutation: Mutation) -> Rng {
        let hash = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(mutation.name())
            .chain_update([0])
            .chain_update(id)
            .finalize();
        Rng::with_seed(hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte)))
    }

    fn texts(&self, reference: &Reference<'_>, mutation: Mutation, draw: &mut Rng) -> Vec<String> {
        let (text, value) = (reference.text, reference.value.as_ref());
        let written = |values: Vec<Value>| values.iter().map(Value::to_string).collect();
        match mutation {
            Mutation::Empty if reference.normal.is_empty() => Vec::new(),
            Mutation::Empty => vec![String::new()],
            // Without its end an object is no JSON any more.
            Mutation::Cut if value.is_some() => {
                let kept = text.trim().chars().count() * 3 / 5;
                vec![text.trim().chars().take(kept).collect()]
            }
            Mutation::Cut => prose::cut(text).into_iter().collect(),
            Mutation::Refusal if declines(text) => Vec::new(),
            Mutation::Refusal => draw.choice(REFUSALS).map(str::to_owned).into_iter().collect(),
            Mutation::WrongLabel => match value {
                Some(value) => written(wrong_labels(value, &self.known, MOST, draw)),
                None => self.other_labels(reference, draw),
            },
            Mutation::SwappedNumbers => match value {
                Some(value) => written(swapped_numbers(value, draw).into_iter().collect()),
                None => prose::other_numbers(text, draw).into_iter().collect(),
            },
            Mutation::DroppedKey => {
                written(value.map(|value| dropped_keys(value, MOST, draw)).unwrap_or_default())
            }
            Mutation::OtherAnswer => self.others(reference, draw, |_| true),
            Mutation::OffTopic => {
                let Some(sentence) = draw.choice(OFF_TOPIC) else { return Vec::new() };
                let within =
                    value.and_then(|value| with_sentences(value, sentence)).map(|value| value.to_string());
                [sentence.to_owned()].into_iter().chain(within).collect()
            }
            Mutation::Fenced if reference.case.assertions.iter().any(wants_bare_json) => {
                vec![format!("```json\n{}\n```", text.trim())]
            }
            Mutation::Fenced => Vec::new(),
        }
    }

    /// In prose, a label is one of the options that an assertion names, a yes or no, or an answer of a word or three among
    /// others of the kind.
    fn other_labels(&self, reference: &Reference<'_>, draw: &mut Rng) -> Vec<String> {
        let mut options = Vec::new();
        reference.case.assertions.iter().for_each(|assertion| wrong_options(assertion, &mut options));
        if !options.is_empty() {
            return some(options, draw);
        }
        if let Some(turned) = prose::turned_round(reference.text) {
            return vec![turned];
        }
        if reference.is_label() { self.others(reference, draw, |other| other.is_label()) } else { Vec::new() }
    }

    /// The answers to some other cases, of those that are wanted, looked for from places that chance chooses.
    fn others(
        &self,
        reference: &Reference<'_>,
        draw: &mut Rng,
        wanted: impl Fn(&Reference<'_>) -> bool,
    ) -> Vec<String> {
        let count = self.references.len();
        let mut found: Vec<&Reference<'_>> = Vec::new();
        for _ in 0..MOST {
            let start = draw.usize(0..count.max(1));
            let mut turn = (0..count).filter_map(|n| self.references.get((start + n) % count));
            let is_new = |other: &Reference<'_>| found.iter().all(|known| known.normal != other.normal);
            let fits =
                |other: &&Reference<'_>| wanted(other) && is_new(other) && reference.differs_from(other);
            let Some(other) = turn.find(fits) else { break };
            found.push(other);
        }
        found.into_iter().map(|other| other.text.to_owned()).collect()
    }
}

/// So many of them as are taken, by chance.
fn some<T>(mut all: Vec<T>, draw: &mut Rng) -> Vec<T> {
    draw.shuffle(&mut all);
    all.truncate(MOST);
    all
}

fn declines(text: &str) -> bool {
    let refusal = Assertion {
        name: "is-refusal".to_owned(),
        negated: false,
        check: Check::Refusal,
        threshold: None,
        weight: 1.0,
        kind: Kind::Content,
    };
    refusal.grade(&Graded::text(text)).verdict == Verdict::Pass
}

/// The options of a `choice`, in it or within it, that are wrong.
fn wrong_options(assertion: &Assertion, found: &mut Vec<String>) {
    match &assertion.check {
        Check::Choice { options, equals } if !assertion.negated => {
            found.extend(options.iter().filter(|option| normal(option) != normal(equals)).cloned());
        }
        Check::Combined(Combination { members, .. }) => {
            members.iter().for_each(|member| wrong_options(member, found));
        }
        _ => {}
    }
}

/// Whether it is about the form of an answer, and wants JSON with nothing around it: only then is a fence a fault.
fn wants_bare_json(assertion: &Assertion) -> bool {
    if assertion.negated || assertion.kind != Kind::Format {
        return false;
    }
    match &assertion.check {
        Check::IsJson | Check::JsonSchema(_) | Check::JsonPath(..) | Check::JsonDiff(_) => true,
        Check::Combined(Combination { any: true, members, .. }) => members.iter().all(wants_bare_json),
        Check::Combined(Combination { any: false, members, threshold }) => {
            threshold.is_none() && members.iter().any(wants_bare_json)
        }
        _ => false,
    }
}
