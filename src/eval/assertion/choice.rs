//! `choice`: one label out of several, ignoring formatting and surrounding text.

use std::ops::Range;

use serde_json::json;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome, LabelChoice};
use super::excerpt::quote;
use super::fold::collapse_whitespace;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const CHOICE: AssertionType = AssertionType {
    name: "choice",
    example: "choice: {options: [low, high], equals: high}",
    options: &["options", "equals"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

fn parse(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<ParsedCheck, OptionError> {
    let options = arguments.take_list("options")?;
    let folded: Vec<String> = options.iter().map(|option| option.to_lowercase()).collect();
    if let Some(duplicate) = (1..folded.len()).find(|n| folded[..*n].contains(&folded[*n])) {
        return Err(format!("duplicate option `{}`", options[duplicate]).into());
    }
    let written = arguments.take_text("equals")?;
    let from_case = written.is_none();
    let equals = written.or(context.reference.map(|r| r.trim().trim_end_matches('.').to_owned()));
    let missing = || OptionError::Case("missing `equals`, and the case has no reference".into());
    let equals = equals.ok_or_else(missing)?;
    if !folded.contains(&equals.to_lowercase()) {
        let why = format!("`{equals}` is not one of the options");
        return Err(if from_case { OptionError::Case(why) } else { why.into() });
    }
    let identity = json!([options, equals]);
    Ok(ParsedCheck::new(ChoosesOption { options, equals }, identity))
}

/// Passes if exactly one option occurs as a whole word, and it is the right one: `**B**`, `Answer: B.`, and
/// `"b"` all choose B.
#[derive(Debug)]
pub(super) struct ChoosesOption {
    pub(super) options: Vec<String>,
    pub(super) equals: String,
}

impl ChoosesOption {
    fn find_in(&self, text: &str) -> CheckOutcome {
        let lower = text.to_lowercase();
        let mut matches: Vec<(Range<usize>, &String)> = Vec::new();
        for option in &self.options {
            let found = find_whole_words(&lower, &option.to_lowercase());
            matches.extend(found.into_iter().map(|range| (range, option)));
        }
        // Longer options first at the same start, so that contained options come later.
        matches.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut covered_end = 0;
        let mut chosen: Vec<&String> = Vec::new();
        for (range, option) in matches {
            // An option that occurs only inside a longer one ("low" in "very low") does not count.
            if range.end > covered_end {
                covered_end = range.end;
                if !chosen.contains(&option) {
                    chosen.push(option);
                }
            }
        }
        match chosen.as_slice() {
            [] => CheckOutcome::PassFail(false, "the answer contains none of the options".into()),
            [one] => CheckOutcome::PassFail(
                one.to_lowercase() == self.equals.to_lowercase(),
                format!("chose {}", quote(one)),
            ),
            many => {
                let many: Vec<String> = many.iter().map(|option| quote(option)).collect();
                CheckOutcome::PassFail(
                    false,
                    format!("the answer contains more than one option: {}", many.join(", ")),
                )
            }
        }
    }
}

impl AssertionCheck for ChoosesOption {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        self.find_in(answer.text)
    }

    fn is_text_based(&self) -> bool {
        true
    }

    fn evaluate_folded(&self, answer: &GradableAnswer<'_>) -> Option<CheckOutcome> {
        let options = self.options.iter().map(|option| collapse_whitespace(option)).collect();
        let folded = Self { options, equals: collapse_whitespace(&self.equals) };
        Some(folded.find_in(&collapse_whitespace(answer.text)))
    }

    fn collect_choices<'a>(&'a self, is_negated: bool, found: &mut Vec<LabelChoice<'a>>) {
        if !is_negated {
            found.push(LabelChoice { options: &self.options, correct: &self.equals });
        }
    }
}

fn find_whole_words(text: &str, word: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let is_whole_word = |range: &Range<usize>| {
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        !before.into_iter().chain(after).any(is_part)
    };
    text.match_indices(word).map(|(at, _)| at..at + word.len()).filter(is_whole_word).collect()
}
