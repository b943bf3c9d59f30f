//! Right answers in JSON, made wrong.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Number, Value};

use super::prose::other_numbers;

/// What stands at one place in all answers of a set, with how often.
type Words = BTreeMap<String, usize>;

/// The words that stand at each place (a JSON pointer) in the answers of a set.
#[derive(Debug, Default)]
pub(super) struct Vocabulary(BTreeMap<String, Words>);

impl Vocabulary {
    /// Takes in one right answer.
    pub(super) fn learn(&mut self, value: &Value) {
        for (place, leaf) in leaves(value) {
            if let Value::String(word) = leaf {
                *self.0.entry(place).or_default().entry(word.clone()).or_default() += 1;
            }
        }
    }

    /// What else could stand at this place, where what does is a label: one word that has no digit, or one of a few that
    /// several answers share. An order number is none.
    fn others(&self, place: &str, word: &str) -> Vec<&String> {
        let Some(words) = self.0.get(place) else { return Vec::new() };
        let uses: usize = words.values().sum();
        let shared = words.len() * 2 <= uses;
        let is_label = |word: &str| {
            is_one_word(word)
                && (shared
                    || !word.chars().any(|c| c.is_ascii_digit()) && word.chars().any(char::is_alphabetic))
        };
        if !is_label(word) {
            return Vec::new();
        }
        words.keys().filter(|other| is_label(other) && other.to_lowercase() != word.to_lowercase()).collect()
    }
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// Every value that holds no others, with its place.
fn leaves(value: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(place: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    walk(format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), value, found);
                }
            }
            Value::Array(items) => {
                for (n, value) in items.iter().enumerate() {
                    walk(format!("{place}/{n}"), value, found);
                }
            }
            leaf => found.push((place, leaf)),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

/// The value with something else at one place.
fn with(value: &Value, place: &str, new: Value) -> Value {
    let mut value = value.clone();
    if let Some(old) = value.pointer_mut(place) {
        *old = new;
    }
    value
}

/// One label made another one that the set knows there, or a yes made a no; each label once.
pub(super) fn wrong_labels(value: &Value, known: &Vocabulary, draw: &mut Rng) -> Vec<Value> {
    let wrong = |(place, leaf): (String, &Value)| match leaf {
        Value::Bool(is) => Some(with(value, &place, Value::Bool(!is))),
        Value::String(word) => {
            let other = draw.choice(known.others(&place, word))?;
            Some(with(value, &place, Value::String(other.clone())))
        }
        _ => None,
    };
    leaves(value).into_iter().filter_map(wrong).collect()
}

/// Every number swapped for another one, those within its strings too.
pub(super) fn swapped_numbers(value: &Value, draw: &mut Rng) -> Option<Value> {
    let mut changed = value.clone();
    for (place, leaf) in leaves(value) {
        let new = match leaf {
            Value::Number(number) => {
                let other = other_numbers(&number.to_string(), draw);
                other.and_then(|other| other.parse::<Number>().ok()).map(Value::Number)
            }
            Value::String(text) => other_numbers(text, draw).map(Value::String),
            _ => None,
        };
        if let Some(new) = new {
            changed = with(&changed, &place, new);
        }
    }
    (changed != *value).then_some(changed)
}

/// One key left out, of the object or of the first one in a list; each key once. A key that holds null is as good as none.
pub(super) fn dropped_keys(value: &Value) -> Vec<Value> {
    let place = if value.is_array() { "/0" } else { "" };
    let Some(Value::Object(fields)) = value.pointer(place) else { return Vec::new() };
    let full = fields.iter().filter(|(_, value)| !value.is_null());
    let without = |(key, _): (&String, &Value)| {
        let mut less = fields.clone();
        less.shift_remove(key);
        with(value, place, Value::Object(less))
    };
    full.map(without).collect()
}

/// Every sentence in it replaced by this one; labels, names and numbers as they are.
pub(super) fn with_sentences(value: &Value, sentence: &str) -> Option<Value> {
    let mut changed = value.clone();
    for (place, leaf) in leaves(value) {
        if leaf.as_str().is_some_and(is_sentence) {
            changed = with(&changed, &place, Value::String(sentence.to_owned()));
        }
    }
    (changed != *value).then_some(changed)
}

/// What is left of it without its sentences: two answers that are alike in this say the same in other words.
pub(super) fn without_sentences(value: &Value) -> Value {
    let places = leaves(value);
    let sentences = places.iter().filter(|(_, leaf)| leaf.as_str().is_some_and(is_sentence));
    sentences.fold(value.clone(), |value, (place, _)| with(&value, place, Value::Null))
}

/// Three words or more.
fn is_sentence(text: &str) -> bool {
    text.split_whitespace().nth(2).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vocabulary(values: &[Value]) -> Vocabulary {
        let mut known = Vocabulary::default();
        values.iter().for_each(|value| known.learn(value));
        known
    }

    #[test]
    fn labels_are_swapped_and_names_are_not() {
        let known = vocabulary(&[
            json!({"kind": "billing", "order": "A-1", "level": "P1", "note": "one two three"}),
            json!({"kind": "shipping", "order": "A-2", "level": "P1", "note": "four"}),
            json!({"kind": "Billing", "order": "A-3", "level": "P2", "note": "five"}),
            json!({"kind": "billing", "order": "A-4", "level": "P2", "note": "six"}),
        ]);
        let value = json!({"kind": "billing", "order": "A-1", "level": "P1", "ok": true});
        let wrong = wrong_labels(&value, &known, &mut Rng::with_seed(1));
        assert_eq!(
            wrong,
            [
                json!({"kind": "shipping", "order": "A-1", "level": "P1", "ok": true}),
                json!({"kind": "billing", "order": "A-1", "level": "P2", "ok": true}),
                json!({"kind": "billing", "order": "A-1", "level": "P1", "ok": false}),
            ]
        );
    }

    #[test]
    fn numbers_keys_and_sentences() {
        let value =
            json!({"n": 86.4, "id": "K-41877", "none": null, "list": [1], "said": "twice for the order"});
        assert_eq!(
            swapped_numbers(&value, &mut Rng::with_seed(1)),
            Some(
                json!({"n": 46.4, "id": "K-91877", "none": null, "list": [6], "said": "twice for the order"})
            )
        );
        assert_eq!(dropped_keys(&value).len(), 4);
        assert_eq!(dropped_keys(&json!([{"a": 1, "b": 2}, {"a": 3}])).len(), 2);
        assert_eq!(dropped_keys(&json!([1])), Vec::<Value>::new());
        assert_eq!(with_sentences(&json!({"a": "b"}), "x"), None);
        let other = with_sentences(&value, "x").unwrap();
        assert_eq!(other["said"], "x");
        assert_eq!(without_sentences(&json!({"a": "b", "said": "x y z"})), json!({"a": "b", "said": null}));
    }
}
