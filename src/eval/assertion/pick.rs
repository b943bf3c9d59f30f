//! The one label, or the one number, that an answer comes to.

use std::ops::Range;

use super::{Found, quoted};
use crate::eval::numbers_in;

/// How far off a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// By so much.
    Absolute(f64),
    /// By that share of the right number.
    Share(f64),
}

impl Tolerance {
    pub(super) fn look(self, equals: f64, text: &str) -> Found {
        let Some(number) = numbers_in(text).last().copied() else {
            return Found::Plain(false, "no number in the answer".into());
        };
        let allowed = match self {
            Self::Absolute(by) => by,
            Self::Share(share) => share * equals.abs(),
        };
        // A hair of slack for what binary fractions do to decimal ones.
        let slack = 1e-9 * equals.abs().max(1.0);
        let near = (number - equals).abs() <= allowed + slack;
        Found::Plain(near, format!("the last number is {number}, expected {equals}"))
    }
}

/// One option named as a whole word, and no other: `**B**`, `Answer: B.` and `"b"` all choose B.
pub(super) fn chosen(text: &str, options: &[String], equals: &str) -> Found {
    let lower = text.to_lowercase();
    let mut places: Vec<(Range<usize>, &String)> = Vec::new();
    for option in options {
        let found = whole_words(&lower, &option.to_lowercase());
        places.extend(found.into_iter().map(|place| (place, option)));
    }
    // Longer ones first where two begin together, so that what stands inside another comes after it.
    places.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let mut reached = 0;
    let mut named: Vec<&String> = Vec::new();
    for (place, option) in places {
        // An option that stands only inside a longer one ("low" in "very low") is not named by that.
        if place.end > reached {
            reached = place.end;
            if !named.contains(&option) {
                named.push(option);
            }
        }
    }
    match named.as_slice() {
        [] => Found::Plain(false, "none of the options is named".into()),
        [one] => Found::Plain(one.to_lowercase() == equals.to_lowercase(), format!("chose {}", quoted(one))),
        many => {
            let many: Vec<String> = many.iter().map(|option| quoted(option)).collect();
            Found::Plain(false, format!("more than one option is named: {}", many.join(", ")))
        }
    }
}

fn whole_words(text: &str, word: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let whole = |place: &Range<usize>| {
        let before = text[..place.start].chars().next_back();
        let after = text[place.end..].chars().next();
        !before.into_iter().chain(after).any(is_part)
    };
    text.match_indices(word).map(|(at, _)| at..at + word.len()).filter(whole).collect()
}
