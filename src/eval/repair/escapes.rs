//! Decodes escaped answers.

/// Decodes a JSON string, else HTML entities, else backslash escapes. `None` when there is nothing to decode.
pub(super) fn unescape(text: &str) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.starts_with('"')
        && let Ok(inside) = serde_json::from_str::<String>(trimmed)
    {
        return Some(inside);
    }
    let decoded = if has_entity(text) { decode_entities(text) } else { decode_backslashes(text) };
    (decoded != text).then_some(decoded)
}

fn has_entity(text: &str) -> bool {
    text.match_indices('&').any(|(at, _)| parse_entity(&text[at..]).is_some())
}

/// The HTML entity at the start of `text`: its character and its length.
fn parse_entity(text: &str) -> Option<(char, usize)> {
    let name = text.strip_prefix('&')?;
    let end = name.bytes().take(10).position(|byte| byte == b';')?;
    let name = &name[..end];
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c, end + 2))
}

fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = parse_entity(rest).unwrap_or(('&', 1));
        out.push(c);
        rest = &rest[length..];
    }
    out + rest
}

fn decode_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escaped = &rest[at + 1..];
        let (c, length) = match escaped.chars().next() {
            Some('n') => ('\n', 1),
            Some('t') => ('\t', 1),
            Some('r') => ('\r', 1),
            Some('u') => match escaped.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                Some(code) => char::from_u32(code).map_or(('\\', 0), |c| (c, 5)),
                None => ('\\', 0),
            },
            Some(c) if c.is_ascii_punctuation() => (c, 1),
            _ => ('\\', 0),
        };
        out.push(c);
        rest = &escaped[length..];
    }
    out + rest
}
