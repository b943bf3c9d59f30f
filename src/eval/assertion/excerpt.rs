//! Excerpts of answers and patterns, for reasons.

pub(super) fn quote(text: &str) -> String {
    format!("“{}”", truncate(text))
}

pub(super) fn truncate(text: &str) -> String {
    if text.chars().nth(80).is_none() {
        text.to_owned()
    } else {
        text.chars().take(79).chain(['…']).collect()
    }
}
