//! Suggestions for misspelled names.

/// The most similar known word, for "did you mean" hints.
pub(crate) fn find_closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similar = known.into_iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    similar
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
