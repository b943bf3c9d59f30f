//! Parses numbers in prose.

/// All numbers in a text, in order, such as `1,250.50`, `-3`, and `12%`. A comma or period is part of a
/// number only between digits, and a comma only before a group of three digits.
pub(crate) fn parse_numbers(text: &str) -> Vec<f64> {
    let characters: Vec<char> = text.chars().collect();
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        if !characters[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let mut digits = String::new();
        let mut has_point = false;
        while at < characters.len() {
            let c = characters[at];
            if c.is_ascii_digit() {
                digits.push(c);
            } else if c == '.' && !has_point && characters.get(at + 1).is_some_and(char::is_ascii_digit) {
                has_point = true;
                digits.push(c);
            } else if !(c == ',' && !has_point && is_thousands_group(&characters[at + 1..])) {
                break;
            }
            at += 1;
        }
        if let Some(exponent) = exponent_length(&characters[at..]) {
            digits.extend(&characters[at..at + exponent]);
            at += exponent;
        }
        if let Ok(number) = digits.parse::<f64>() {
            numbers.push(if has_minus_sign(&characters[..start]) { -number } else { number });
        }
    }
    numbers
}

/// Length of an exponent such as `e23` or `E-7` at the start of `rest`.
fn exponent_length(rest: &[char]) -> Option<usize> {
    let sign = usize::from(matches!(rest.get(1), Some('+' | '-')));
    let digits = rest.iter().skip(1 + sign).take_while(|c| c.is_ascii_digit()).count();
    (matches!(rest.first(), Some('e' | 'E')) && digits > 0).then_some(1 + sign + digits)
}

/// Whether `rest` starts with exactly three digits.
fn is_thousands_group(rest: &[char]) -> bool {
    rest.len() >= 3
        && rest[..3].iter().all(char::is_ascii_digit)
        && !rest.get(3).is_some_and(char::is_ascii_digit)
}

/// Whether `before` ends with a minus sign that does not join two words or numbers (`2025-11`, `A-3`).
fn has_minus_sign(before: &[char]) -> bool {
    match before {
        [.., other, '-' | '−'] => !other.is_alphanumeric(),
        ['-' | '−'] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_numbers_cases() {
        let cases: [(&str, &[f64]); 9] = [
            ("It is EUR 1,250.50.", &[1250.5]),
            ("from -3 to 4", &[-3.0, 4.0]),
            ("on 2025-11-21", &[2025.0, 11.0, 21.0]),
            ("1,2 and 3", &[1.0, 2.0, 3.0]),
            ("12% of A-10", &[12.0, 10.0]),
            ("v1.2.3", &[1.2, 3.0]),
            ("1,234,567", &[1_234_567.0]),
            ("6.02e23 and 1e3", &[6.02e23, 1000.0]),
            ("none", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_numbers(text), expected, "{text}");
        }
    }
}
