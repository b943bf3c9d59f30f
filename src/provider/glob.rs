//! Globs for model names: `*` matches any text, every other character matches itself.

pub(super) fn glob_matches(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut remaining) = text.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        // The leftmost match is best because it leaves the most text for the rest.
        let Some(at) = remaining.find(piece) else { return false };
        remaining = &remaining[at + piece.len()..];
    }
    remaining.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn match_cases() {
        for (glob, text) in
            [("*-pro", "o1-pro"), ("*codex*", "codex"), ("claude-*", "claude-"), ("a*b*c", "abbc")]
        {
            assert!(glob_matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in
            [("*-pro", "o1-pro-2"), ("claude-*", "my-claude-2"), ("a", "ab"), ("a*a", "a"), ("*bb*b", "bb")]
        {
            assert!(!glob_matches(glob, text), "{glob} {text}");
        }
    }
}
