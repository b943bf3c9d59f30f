//! Mutations of prose answers.

use fastrand::Rng;

/// A shorter clause may already be the whole answer.
const MIN_CLAUSE_WORDS: usize = 6;

/// The text truncated within its first clause. `None` when the clause is so short that it may be the whole
/// answer.
pub(super) fn truncate_clause(text: &str) -> Option<String> {
    let text = text.trim();
    let clause_end = |(at, c): (usize, char)| {
        let ends = text[at + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace);
        (c == '\n' || matches!(c, ',' | ';' | ':' | '.' | '!' | '?' | '–' | '—') && ends).then_some(at)
    };
    let clause = text.char_indices().find_map(clause_end).and_then(|at| text.get(..at)).unwrap_or(text);
    let words: Vec<&str> = clause.split_whitespace().collect();
    (words.len() >= MIN_CLAUSE_WORDS).then(|| words[..words.len() / 3].join(" "))
}

/// A leading yes or no that is not part of a longer phrase.
pub(super) fn leading_yes_no(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let is_separate =
        rest.trim_end().is_empty() || rest.starts_with([',', '.', ';', ':', '!', '?', '–', '—']);
    let known = OPPOSITES.iter().any(|(a, b)| word.eq_ignore_ascii_case(a) || word.eq_ignore_ascii_case(b));
    (is_separate && known).then_some(word)
}

const OPPOSITES: [(&str, &str); 2] = [("yes", "no"), ("true", "false")];

/// Replaces a leading yes or no with its opposite.
pub(super) fn flip_yes_no(text: &str) -> Option<String> {
    let word = leading_yes_no(text)?;
    let opposite = OPPOSITES.iter().find_map(|(a, b)| match word {
        word if word.eq_ignore_ascii_case(a) => Some(*b),
        word if word.eq_ignore_ascii_case(b) => Some(*a),
        _ => None,
    })?;
    let rest = text.trim_start().get(word.len()..)?;
    let with_same_case = if word.chars().all(char::is_uppercase) {
        opposite.to_uppercase()
    } else if word.starts_with(char::is_uppercase) {
        opposite.chars().take(1).flat_map(char::to_uppercase).chain(opposite.chars().skip(1)).collect()
    } else {
        opposite.to_owned()
    };
    Some(format!("{with_same_case}{rest}"))
}

/// Replaces every number with one at least about twice or half as large, beyond any reasonable tolerance.
/// Keeps digits in a name (`MP3`). `None` for a text without numbers.
pub(super) fn swap_numbers(text: &str, rng: &mut Rng) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let number = &from[..number_length(from)];
        out.push_str(before);
        if out.ends_with(char::is_alphabetic) {
            out.push_str(number);
        } else {
            out.push_str(&swap_number(number, rng));
            changed = true;
        }
        rest = &from[number.len()..];
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// Length of the number at the start of `text`. Periods and commas belong to it when digits follow.
fn number_length(text: &str) -> usize {
    let mut end = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let joins =
            matches!(c, '.' | ',') && characters.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        if !c.is_ascii_digit() && !joins {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

/// Changes the first significant digit: 1 to 4 become 6 to 9, and 5 to 9 become 1 to 5, less than 0.6 of the
/// original. Zero becomes a nonzero number.
fn swap_number(number: &str, rng: &mut Rng) -> String {
    let at = number.find(|c: char| c.is_ascii_digit() && c != '0').unwrap_or(0);
    let digit = match number.as_bytes().get(at).map_or(0, |digit| digit.wrapping_sub(b'0')) {
        0 => rng.u8(3..=9),
        digit @ 1..=4 => digit + 5,
        digit => digit - 4,
    };
    format!("{}{digit}{}", &number[..at], &number[at + 1..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_ne, proptest};

    use super::*;

    #[test]
    fn truncate_clause_cases() {
        assert_eq!(
            truncate_clause("The full day's rate is EUR 36. The trip began before."),
            Some("The full".to_owned())
        );
        for whole in ["", "Paris", "Yes, you can still hand the claim in today.", "It is Paris.", "Grade C."]
        {
            assert_eq!(truncate_clause(whole), None, "{whole}");
        }
    }

    #[test]
    fn flip_yes_no_cases() {
        assert_eq!(flip_yes_no("Yes, it is.").as_deref(), Some("No, it is."));
        assert_eq!(flip_yes_no(" no").as_deref(), Some("yes"));
        assert_eq!(flip_yes_no("FALSE.").as_deref(), Some("TRUE."));
        for other in ["No later than 5 June.", "Not stated: it", "Yesterday.", "", "none"] {
            assert_eq!(flip_yes_no(other), None, "{other}");
        }
    }

    #[test]
    fn swap_numbers_cases() {
        let other = |text: &str| swap_numbers(text, &mut Rng::with_seed(1));
        assert_eq!(other("EUR 1,250.50 by 02:24.").as_deref(), Some("EUR 6,250.50 by 07:74."));
        assert_eq!(other("A-10432 of 0.95").as_deref(), Some("A-60432 of 0.55"));
        assert_eq!(other("an MP3 of 9 MB").as_deref(), Some("an MP3 of 5 MB"));
        for none in ["", "an MP3", "twelve"] {
            assert_eq!(other(none), None, "{none}");
        }
        assert_ne!(other("0").as_deref(), Some("0"));
    }

    proptest! {
        #[test]
        fn mutating_any_text_does_not_panic(text in "\\PC{0,40}", digits in "[0-9.,Ye s–\\n-]{0,20}", seed in any::<u64>()) {
            for text in [&text, &digits, &format!("{text}{digits}")] {
                let _ = (truncate_clause(text), flip_yes_no(text), leading_yes_no(text));
                let mut rng = Rng::with_seed(seed);
                if let Some(other) = swap_numbers(text, &mut rng) {
                    prop_assert_ne!(&other, text);
                }
            }
        }
    }
}
