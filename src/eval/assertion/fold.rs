//! Folds texts: ignores case and whitespace.

/// Replaces each run of whitespace with one space and trims.
pub(super) fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn fold_text(text: &str) -> String {
    collapse_whitespace(text).to_lowercase()
}
