//! Realistic mistakes of weaker models, applied to a correct reply.

use std::collections::HashMap;

use serde_json::Value;

use super::seeded_rng::seeded_rng;

/// Adds one defect to the reply for about 30% of prompts, chosen by seed and prompt.
pub(super) fn add_sloppy_defect(
    prompt: &str,
    reply: &str,
    others: &HashMap<String, String>,
    seed: u64,
) -> String {
    let mut rng = seeded_rng(seed, &["sloppy", prompt]);
    if rng.f64() >= 0.3 {
        return reply.to_owned();
    }
    match rng.u8(0..6) {
        0 => format!("```json\n{reply}\n```"),
        1 => format!("Sure! Here is what you asked for:\n\n{reply}"),
        2 => swap_label(reply, others, &mut rng).unwrap_or_else(|| falsify_fact(reply)),
        3 => drop_key(reply, &mut rng).unwrap_or_else(|| falsify_fact(reply)),
        4 => truncate_reply(reply),
        _ => "I'm sorry, but I can't help with that request.".to_owned(),
    }
}

/// Cuts strings in JSON to five words, and prose to its first sentence.
pub(super) fn make_terse(reply: &str) -> String {
    match serde_json::from_str::<Value>(reply) {
        Ok(mut value @ (Value::Object(_) | Value::Array(_))) => {
            shorten_strings(&mut value);
            value.to_string()
        }
        _ => first_sentence(reply).to_owned(),
    }
}

/// Adds a sentence before and after the reply.
pub(super) fn make_verbose(reply: &str) -> String {
    format!(
        "Thank you for the question, which I am happy to look into.\n\n{reply}\n\nPlease tell me if there is anything else I can do."
    )
}

fn shorten_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.split_whitespace().take(5).collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter_mut().for_each(shorten_strings),
        Value::Object(fields) => fields.values_mut().for_each(shorten_strings),
        _ => {}
    }
}

/// The text up to the first `.`, `?`, or `!` that is followed by white space.
fn first_sentence(text: &str) -> &str {
    let ends = text
        .char_indices()
        .zip(text.chars().skip(1))
        .find(|((_, c), next)| matches!(c, '.' | '!' | '?') && next.is_whitespace());
    ends.map_or(text, |((at, _), _)| &text[..=at])
}

/// Replaces a single-word string of a JSON reply with the value that another reply has for the same key.
fn swap_label(reply: &str, others: &HashMap<String, String>, rng: &mut fastrand::Rng) -> Option<String> {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(reply).ok()?;
    let labels: Vec<String> = object
        .iter()
        .filter(|(_, v)| v.as_str().is_some_and(|s| !s.contains(' ')))
        .map(|(k, _)| k.clone())
        .collect();
    let key = rng.choice(labels)?;
    let mut values: Vec<Value> = others
        .values()
        .filter_map(|other| {
            serde_json::from_str::<Value>(other).ok()?.get(&key).filter(|v| v.is_string()).cloned()
        })
        .filter(|value| object.get(&key) != Some(value))
        .collect();
    // Maps have no fixed order, and the choice must not depend on it.
    values.sort_by_key(Value::to_string);
    values.dedup();
    let value = rng.choice(values)?;
    object.insert(key, value);
    Some(Value::Object(object).to_string())
}

fn drop_key(reply: &str, rng: &mut fastrand::Rng) -> Option<String> {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(reply).ok()?;
    let key = rng.choice(object.keys().cloned().collect::<Vec<_>>())?;
    object.shift_remove(&key);
    Some(Value::Object(object).to_string())
}

/// Falsifies prose: swaps yes and no, or raises a digit by one.
fn falsify_fact(reply: &str) -> String {
    for (from, to) in [("Yes", "No"), ("No", "Yes")] {
        if let Some(rest) = reply.strip_prefix(from) {
            return format!("{to}{rest}");
        }
    }
    match reply.find(|c: char| c.is_ascii_digit()) {
        Some(at) => {
            let digit = (reply.as_bytes()[at] - b'0' + 1) % 10;
            format!("{}{digit}{}", &reply[..at], &reply[at + 1..])
        }
        None => "I am not sure about that.".to_owned(),
    }
}

fn truncate_reply(reply: &str) -> String {
    let keep = reply.chars().count() * 6 / 10;
    reply.chars().take(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sloppy_corrupts_about_30_percent_of_replies() {
        let reply = r#"{"category":"billing","priority":"high"}"#;
        let others =
            HashMap::from([("x".to_owned(), r#"{"category":"shipping","priority":"low"}"#.to_owned())]);
        let defective = (0..1000)
            .filter(|n| add_sloppy_defect(&format!("prompt {n}"), reply, &others, 1) != reply)
            .count();
        assert!((240..=360).contains(&defective), "{defective}");
        assert_eq!(add_sloppy_defect("p", reply, &others, 7), add_sloppy_defect("p", reply, &others, 7));
    }

    #[test]
    fn reply_change_cases() {
        assert_eq!(
            make_terse(r#"{"a":"one two three four five six","b":[1,"x"]}"#),
            r#"{"a":"one two three four five","b":[1,"x"]}"#
        );
        assert_eq!(make_terse("It costs 3.50 euros. The rest is detail."), "It costs 3.50 euros.");
        assert_eq!(make_terse("No end"), "No end");
        assert_eq!(falsify_fact("Yes, it is."), "No, it is.");
        assert_eq!(falsify_fact("It is 19."), "It is 29.");
    }
}
