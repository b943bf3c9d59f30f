//! Phrases that introduce or close an answer. English only, except for lines that end in a colon.

/// Lowercase starts of sentences.
const PREAMBLE_PHRASES: [&str; 26] = [
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "thank you",
    "thanks for",
    "great question",
    "good question",
    "here is",
    "here's",
    "here are",
    "happy to",
    "glad to",
    "i'd be happy",
    "i would be happy",
    "i'm happy",
    "i am happy",
    "i can help",
    "i'll ",
    "okay",
    "ok,",
    "ok!",
    "alright",
    "no problem",
    "let me",
    "as requested",
];

const CLOSING_PHRASES: [&str; 18] = [
    "please tell me",
    "please let me know",
    "let me know",
    "i hope this",
    "i hope that",
    "hope this",
    "hope that",
    "feel free",
    "if you need",
    "if you have any",
    "if you would like",
    "if you'd like",
    "is there anything",
    "would you like",
    "do you want me",
    "please note",
    "note:",
    "note that",
];

/// Nouns that introduce the answer when followed by a colon.
const ANSWER_LABELS: [&str; 9] =
    ["answer", "result", "output", "response", "label", "category", "verdict", "translation", "summary"];

const MAX_LABEL_WORDS: usize = 6;

/// Ignores case and the kind of apostrophe.
fn has_phrase_prefix(text: &str, phrases: &[&str]) -> bool {
    let head: String = text.chars().take(24).flat_map(char::to_lowercase).collect();
    let head = head.replace('’', "'");
    phrases.iter().any(|phrase| {
        head.strip_prefix(phrase)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric) || phrase.ends_with(' '))
    })
}

/// Offset after the first sentence or line, including its last character.
fn find_sentence_end(text: &str) -> usize {
    let ends = |(at, c): (usize, char)| {
        let next = at + c.len_utf8();
        let is_end =
            c == '\n' || matches!(c, '.' | '!' | '?' | ':') && text[next..].starts_with(char::is_whitespace);
        is_end.then_some(next)
    };
    text.char_indices().find_map(ends).unwrap_or(text.len())
}

/// Offset after the sentence, line, or label that introduces the answer; `None` when nothing follows it.
pub(super) fn find_preamble_end(text: &str) -> Option<usize> {
    let has_more = |end: &usize| !text[*end..].trim().is_empty();
    if has_phrase_prefix(text, &PREAMBLE_PHRASES) {
        return Some(find_sentence_end(text)).filter(has_more);
    }
    let line = text.split('\n').next().unwrap_or_default();
    if line.trim_end().ends_with(':') {
        return Some(line.len()).filter(has_more);
    }
    let (label, _) = line.split_once(':')?;
    let words: Vec<String> = label
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let noun = words.iter().rev().find(|word| *word != "is")?;
    let is_label = words.len() <= MAX_LABEL_WORDS && ANSWER_LABELS.contains(&noun.as_str());
    // A label may be bold, which ends after the colon.
    let decoration =
        line[label.len() + 1..].len() - line[label.len() + 1..].trim_start_matches(['*', '_']).len();
    is_label.then_some(label.len() + 1 + decoration).filter(has_more)
}

/// Offset of the first closing sentence.
pub(super) fn find_closing_start(text: &str) -> Option<usize> {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let start = at + (rest.len() - rest.trim_start().len());
        if start > 0 && has_phrase_prefix(&text[start..], &CLOSING_PHRASES) {
            return Some(start);
        }
        at = start + find_sentence_end(&text[start..]).max(1);
        if !text.is_char_boundary(at) {
            return None;
        }
    }
    None
}
