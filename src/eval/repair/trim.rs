//! Removes text around an answer and text beyond its length limits.

use serde_json::Value;

use super::fences;
use super::phrases::{find_closing_start, find_preamble_end};
use crate::eval::length_unit::LengthUnit;

/// Brackets to try before deciding that a text has no JSON.
const MAX_JSON_STARTS: usize = 50;

/// The text from the start of the answer: at a code fence, at JSON, or after sentences that only introduce
/// it.
pub(super) fn trim_preamble(text: &str) -> Option<&str> {
    let text = text.trim();
    let start = match fences::find_fence(text) {
        Some(at) => Some(at),
        None => find_json(text).map(|(start, _)| start),
    };
    let mut rest = text;
    match start {
        Some(start) => rest = &text[start..],
        None => {
            while let Some(end) = find_preamble_end(rest) {
                rest = rest[end..].trim_start();
            }
        }
    }
    (rest.len() < text.len() && !rest.is_empty()).then_some(rest)
}

/// The text up to the end of the answer: after its code fence, after its JSON, or before closing sentences.
pub(super) fn trim_ending(text: &str) -> Option<&str> {
    let text = text.trim();
    let json_end = || find_json(text).filter(|(start, _)| *start == 0).map(|(_, end)| end);
    let end = match fences::find_fence_end(text).or_else(json_end) {
        Some(end) => end,
        None => find_closing_start(text)?,
    };
    let kept = text[..end].trim_end();
    (kept.len() < text.len() && !kept.is_empty()).then_some(kept)
}

/// Range of the first valid JSON object or array. An array of only numbers is a footnote, unless the text
/// starts with it.
fn find_json(text: &str) -> Option<(usize, usize)> {
    text.match_indices(['{', '[']).take(MAX_JSON_STARTS).find_map(|(start, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let is_footnote = value.as_array().is_some_and(|items| items.iter().all(Value::is_number));
        (start == 0 || !is_footnote).then(|| (start, start + values.byte_offset()))
    })
}

/// The text truncated to its limits; `None` when it does not exceed them.
pub(super) fn truncate_to_limits<'a>(text: &'a str, limits: &[(LengthUnit, usize)]) -> Option<&'a str> {
    let whole = text.trim();
    let mut kept = whole;
    for (unit, max) in limits {
        kept = unit.truncate(kept, *max);
    }
    (kept.len() < whole.len()).then_some(kept)
}
