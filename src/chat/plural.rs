/// `1 case`, `2 cases`, `2 aliases`.
pub(crate) fn pluralize(count: impl TryInto<u128>, word: &str) -> String {
    match (count.try_into().unwrap_or(u128::MAX), word.ends_with('s')) {
        (1, _) => format!("1 {word}"),
        (count, true) => format!("{count} {word}es"),
        (count, false) => format!("{count} {word}s"),
    }
}

/// `once`, `3 times`.
pub(crate) fn format_times(count: impl TryInto<u128>) -> String {
    match count.try_into().unwrap_or(u128::MAX) {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pluralization_cases() {
        assert_eq!([0_u64, 1, 2].map(|count| pluralize(count, "case")), ["0 cases", "1 case", "2 cases"]);
        assert_eq!(
            (pluralize(2_usize, "alias"), pluralize(1_u32, "pass")),
            ("2 aliases".into(), "1 pass".into())
        );
        assert_eq!([0_u32, 1, 2].map(format_times), ["0 times", "once", "2 times"]);
    }
}
