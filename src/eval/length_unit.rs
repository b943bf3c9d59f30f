//! Units in which the length of an answer is limited.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthUnit {
    /// Separated by whitespace.
    Words,
    /// Unicode code points, as in Python, without whitespace around the answer.
    Characters,
}

impl LengthUnit {
    pub(super) fn count(self, text: &str) -> usize {
        match self {
            Self::Words => text.split_whitespace().count(),
            Self::Characters => text.trim().chars().count(),
        }
    }

    /// The first `max` units of the text.
    pub(super) fn truncate(self, text: &str, max: usize) -> &str {
        match self {
            Self::Characters => text.char_indices().nth(max).map_or(text, |(at, _)| &text[..at]),
            Self::Words => match text.split_whitespace().nth(max) {
                // The word is a slice of `text`, so pointer distance gives its offset.
                Some(next) => text.get(..next.as_ptr() as usize - text.as_ptr() as usize).unwrap_or(text),
                None => text,
            },
        }
        .trim_end()
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Words => "word",
            Self::Characters => "character",
        }
    }
}
