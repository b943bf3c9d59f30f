//! `levenshtein`, `rouge-l`, and `token-f1`: text similarity, 0 to 1.

use std::collections::HashMap;

use serde_json::json;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::fold::fold_text;
use super::options::{AssertionOptions, missing_reference_error};
use super::parse_error::OptionError;
use super::sequence_distance::{common_subsequence_length, edit_distance};
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const LEVENSHTEIN: AssertionType = AssertionType {
    name: "levenshtein",
    example: "levenshtein: {threshold: 0.8}",
    options: &["value"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(0.8),
    parser: AssertionParser::Options(|o, c| parse(o, c, SimilarityMeasure::Levenshtein)),
};

pub(super) const ROUGE_L: AssertionType = AssertionType {
    name: "rouge-l",
    example: "rouge-l: {threshold: 0.75}",
    scoring: ScoringMode::Threshold(0.75),
    parser: AssertionParser::Options(|o, c| parse(o, c, SimilarityMeasure::RougeL)),
    ..LEVENSHTEIN
};

pub(super) const TOKEN_F1: AssertionType = AssertionType {
    name: "token-f1",
    example: "token-f1: {threshold: 0.5}",
    scoring: ScoringMode::Threshold(0.5),
    parser: AssertionParser::Options(|o, c| parse(o, c, SimilarityMeasure::TokenF1)),
    ..LEVENSHTEIN
};

/// Limit in characters for references, because the work grows with both texts.
const MAX_REFERENCE_CHARS: usize = 200_000;

fn parse(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
    measure: SimilarityMeasure,
) -> Result<ParsedCheck, OptionError> {
    let written = options.take_text("value")?;
    let from_case = written.is_none();
    let reference = written.or(context.reference.map(str::to_owned)).ok_or_else(missing_reference_error)?;
    let wrong = |why: String| if from_case { OptionError::Case(why) } else { OptionError::Assertion(why) };
    let what = if from_case { "the reference" } else { "the value" };
    if !measure.has_comparable_text(&reference) {
        return Err(wrong(format!("{what} contains nothing to compare with")));
    }
    if reference.chars().nth(MAX_REFERENCE_CHARS).is_some() {
        return Err(wrong(format!("{what} has more than {MAX_REFERENCE_CHARS} characters")));
    }
    let identity = json!(reference);
    Ok(ParsedCheck::new(SimilarText { measure, reference }, identity))
}

#[derive(Debug)]
pub(super) struct SimilarText {
    pub(super) measure: SimilarityMeasure,
    pub(super) reference: String,
}

impl AssertionCheck for SimilarText {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        CheckOutcome::Scored(self.measure.score(answer.text, &self.reference), String::new())
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        let score = self.measure.score(&fold_text(answer.text), &fold_text(&self.reference));
        Some(CheckOutcome::Scored(score, String::new()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SimilarityMeasure {
    /// 1 − edit distance / length of the longer text, in characters.
    Levenshtein,
    /// The F-measure of ROUGE-L on words, as in `rouge-score` without its stemmer.
    RougeL,
    /// F1 on the words of both texts in any order, with SQuAD's normalization.
    TokenF1,
}

impl SimilarityMeasure {
    /// 0 to 1; symmetric.
    fn score(self, a: &str, b: &str) -> f64 {
        match self {
            Self::Levenshtein => {
                let (a, b) = (normalize_chars(a), normalize_chars(b));
                let longer = a.len().max(b.len());
                if longer == 0 { 1.0 } else { (longer - edit_distance(&a, &b)) as f64 / longer as f64 }
            }
            Self::RougeL => {
                let (a, b) = (self.tokenize(a), self.tokenize(b));
                f1_score(common_subsequence_length(&a, &b), a.len(), b.len())
            }
            Self::TokenF1 => {
                let (a, b) = (self.tokenize(a), self.tokenize(b));
                let mut remaining: HashMap<&str, usize> = HashMap::new();
                b.iter().for_each(|word| *remaining.entry(word).or_default() += 1);
                let mut shared = 0;
                for word in &a {
                    if let Some(count) = remaining.get_mut(word.as_str()).filter(|count| **count > 0) {
                        *count -= 1;
                        shared += 1;
                    }
                }
                f1_score(shared, a.len(), b.len())
            }
        }
    }

    /// Whether normalization leaves anything of the text to compare.
    fn has_comparable_text(self, text: &str) -> bool {
        match self {
            Self::Levenshtein => !text.trim().is_empty(),
            Self::RougeL | Self::TokenF1 => !self.tokenize(text).is_empty(),
        }
    }

    /// Lowercase words: runs of letters, digits, and combining marks. In a script without spaces, each
    /// character is a word. For ROUGE, any other character ends a word, such as the apostrophe in `don't`;
    /// for SQuAD it is removed, and so are English articles.
    fn tokenize(self, text: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let mut word = String::new();
        let mut after_unspaced = false;
        for c in text.nfc().flat_map(char::to_lowercase) {
            if is_combining_mark(c) && !word.is_empty() {
                word.push(c);
            } else if c.is_alphanumeric() {
                let unspaced = is_script_without_spaces(c);
                if after_unspaced || unspaced {
                    words.push(std::mem::take(&mut word));
                }
                after_unspaced = unspaced;
                word.push(c);
            } else if self == Self::RougeL || c.is_whitespace() {
                words.push(std::mem::take(&mut word));
                after_unspaced = false;
            }
        }
        words.push(word);
        let is_article = |word: &str| self == Self::TokenF1 && matches!(word, "a" | "an" | "the");
        words.retain(|word| !word.is_empty() && !is_article(word));
        words
    }
}

/// NFC, so that a decomposed `é` equals a composed one.
fn normalize_chars(text: &str) -> Vec<char> {
    text.trim().nfc().collect()
}

/// 2PR / (P + R) in one division: exact when both are equal.
fn f1_score(shared: usize, a: usize, b: usize) -> f64 {
    if shared == 0 { 0.0 } else { 2.0 * shared as f64 / (a + b) as f64 }
}

/// Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, and Chinese characters.
fn is_script_without_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use SimilarityMeasure::{Levenshtein, RougeL, TokenF1};

    const ALL_MEASURES: [SimilarityMeasure; 3] = [Levenshtein, RougeL, TokenF1];

    #[test]
    fn score_cases() {
        let cases = [
            (Levenshtein, "kitten", "sitting", 4.0 / 7.0),
            (Levenshtein, "Paris", "paris", 4.0 / 5.0),
            (Levenshtein, " Paris\n", "Paris", 1.0),
            (Levenshtein, "cafe\u{301}", "caf\u{e9}", 1.0),
            (Levenshtein, "", "", 1.0),
            (Levenshtein, "", "abc", 0.0),
            // The example of Lin's ROUGE paper: of four words, three are in order, then two.
            (RougeL, "police kill the gunman", "police killed the gunman", 3.0 / 4.0),
            (RougeL, "the gunman kill police", "police killed the gunman", 2.0 / 4.0),
            (RougeL, "I don't know!", "i DON T know", 1.0),
            (RougeL, "3.14", "3 14", 1.0),
            (RougeL, "", "word", 0.0),
            (RougeL, "今日は晴れ", "今日は雨", 2.0 * 3.0 / 9.0),
            (RougeL, "u\u{308}ber", "\u{fc}ber", 1.0),
            (TokenF1, "The Eiffel Tower, in Paris.", "Eiffel tower", 2.0 * 2.0 / 6.0),
            (TokenF1, "well-known, isn't it", "wellknown isnt it", 1.0),
            (TokenF1, "cat cat cat", "cat dog", 2.0 / 5.0),
            (TokenF1, "$1,250", "1250", 1.0),
            (TokenF1, "nothing shared", "at all", 0.0),
            (TokenF1, "a b", "b a", 1.0),
        ];
        for (measure, a, b, expected) in cases {
            let found = measure.score(a, b);
            assert!((found - expected).abs() < 1e-12, "{measure:?} {a:?} {b:?}: {found}, not {expected}");
        }
    }

    /// Expected values are from `rouge-score` 0.1.2 without its stemmer, and from the official SQuAD script.
    #[test]
    fn scores_match_reference_implementations() {
        let mut figures = csv::Reader::from_reader(include_bytes!("similarity_oracle.csv").as_slice());
        let mut count = 0;
        for row in figures.deserialize() {
            let (answer, reference, rouge_l, token_f1): (String, String, f64, f64) = row.unwrap();
            for (measure, expected) in [(RougeL, rouge_l), (TokenF1, token_f1)] {
                let found = measure.score(&answer, &reference);
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{measure:?} {answer:?} {reference:?}: {found}, not {expected}"
                );
            }
            count += 1;
        }
        assert_eq!(count, 25);
    }

    #[test]
    fn comparable_text_cases() {
        for (text, expected) in
            [("…!", [true, false, false]), ("the", [true, true, false]), (" ", [false; 3])]
        {
            assert_eq!(ALL_MEASURES.map(|measure| measure.has_comparable_text(text)), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn score_invariants_hold_for_any_text(a in "[ab é\u{301},.\u{93f}字]{0,40}|\\PC{0,40}", b in "[ab é\u{301},.\u{93f}字]{0,40}|\\PC{0,40}") {
            for measure in ALL_MEASURES {
                let score = measure.score(&a, &b);
                prop_assert!((0.0..=1.0).contains(&score), "{measure:?} {score}");
                prop_assert_eq!(score, measure.score(&b, &a));
                if measure.has_comparable_text(&a) {
                    prop_assert_eq!(measure.score(&a, &a), 1.0);
                }
            }
        }
    }

    /// A table of 100,000 by 100,000 would take minutes.
    #[test]
    fn long_texts_finish_within_60_seconds() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut text =
            || -> String { (0..100_000).map(|_| random.choice(['a', 'b', 'c', ' ']).unwrap()).collect() };
        let (a, b) = (text(), text());
        let started = std::time::Instant::now();
        for measure in ALL_MEASURES {
            assert!((0.0..1.0).contains(&measure.score(&a, &b)));
        }
        let same = "x ".repeat(50_000);
        let twice = format!("{same} y {same}");
        assert_eq!(RougeL.score(&same, &twice), 100_000.0 / 150_001.0);
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
