//! Wrong answers made of a right one. They share no code with the simulator's defects: whoever makes the tests and the
//! answers with one hand proves nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use fastrand::Rng;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::duplicates::question;
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
    fn impossible(self) -> &'static str {
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
pub(super) struct Brood {
    pub(super) mutants: Vec<Mutant>,
    pub(super) left_out: Vec<(Mutation, &'static str)>,
}

/// A right answer, as mutations look at it.
struct Reference<'a> {
    case: &'a Case,
    text: &'a str,
    value: Option<Value>,
    normal: String,
    question: String,
}

impl<'a> Reference<'a> {
    fn of(case: &'a Case) -> Option<Self> {
        let text = case.reference.as_deref()?;
        Some(Self { case, text, value: structure(text), normal: normal(text), question: question(case) })
    }

    /// Whether another answer is surely not right here: it says something else, not the same label or the same yes with
    /// other words around it, and is no answer to the same question.
    fn differs_from(&self, other: &Self) -> bool {
        let same = match (&self.value, &other.value) {
            (Some(own), Some(other)) => {
                let labels = |value| normal(&without_sentences(value).to_string());
                labels(own) == labels(other)
            }
            (None, None) => {
                let verdict = |text| prose::verdict(text).map(str::to_lowercase);
                let same_verdict = verdict(self.text).is_some_and(|own| verdict(other.text) == Some(own));
                same_verdict || within(&self.normal, &other.normal) || within(&other.normal, &self.normal)
            }
            _ => false,
        };
        !same && self.normal != other.normal && self.question != other.question
    }
}

/// Whether all words of a text stand in another one, next to each other.
fn within(text: &str, other: &str) -> bool {
    format!(" {other} ").contains(&format!(" {text} "))
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
            let mut draw = self.draw(&case.id, mutation);
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
        let written = |value: Value| value.to_string();
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
                Some(value) => {
                    some(wrong_labels(value, &self.known, draw), draw).into_iter().map(written).collect()
                }
                None => some(self.other_labels(reference), draw),
            },
            Mutation::SwappedNumbers => match value {
                Some(value) => swapped_numbers(value, draw).map(written).into_iter().collect(),
                None => prose::other_numbers(text, draw).into_iter().collect(),
            },
            Mutation::DroppedKey => {
                let less = value.map(dropped_keys).unwrap_or_default();
                some(less, draw).into_iter().map(written).collect()
            }
            Mutation::OtherAnswer => self.other_answers(reference, draw),
            Mutation::OffTopic => {
                let Some(sentence) = draw.choice(OFF_TOPIC) else { return Vec::new() };
                let within = value.and_then(|value| with_sentences(value, sentence)).map(written);
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
    fn other_labels(&self, reference: &Reference<'_>) -> Vec<String> {
        let mut options = Vec::new();
        reference.case.assertions.iter().for_each(|assertion| wrong_options(assertion, &mut options));
        if !options.is_empty() {
            return options;
        }
        if let Some(turned) = prose::turned_round(reference.text) {
            return vec![turned];
        }
        let is_label = |text: &str| {
            (1..=LABEL_WORDS).contains(&text.split_whitespace().count())
                && !text.chars().any(|c| c.is_ascii_digit())
                && text.chars().any(char::is_alphabetic)
        };
        if reference.value.is_some() || !is_label(reference.text) {
            return Vec::new();
        }
        let labels = self.references.iter().filter(|other| other.value.is_none() && is_label(other.text));
        let others: BTreeMap<&str, &str> = labels
            .filter(|other| reference.differs_from(other))
            .map(|other| (other.normal.as_str(), other.text))
            .collect();
        others.into_values().map(str::to_owned).collect()
    }

    /// The answers to some other cases, looked for from places that chance chooses.
    fn other_answers(&self, reference: &Reference<'_>, draw: &mut Rng) -> Vec<String> {
        let count = self.references.len();
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..MOST {
            let start = draw.usize(0..count.max(1));
            let mut turn = (0..count).filter_map(|n| self.references.get((start + n) % count));
            let is_new = |other: &Reference<'_>| !texts.iter().any(|text| text == other.text);
            let Some(other) = turn.find(|other| is_new(other) && reference.differs_from(other)) else {
                break;
            };
            texts.push(other.text.to_owned());
        }
        texts
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
