//! Mutations of JSON answers.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Number, Value};

use super::text_mutations::swap_numbers;

/// Strings with their number of occurrences.
type WordCounts = BTreeMap<String, usize>;

/// The strings at each JSON pointer in the references of a set.
#[derive(Debug, Default)]
pub(super) struct LabelVocabulary(BTreeMap<String, WordCounts>);

impl LabelVocabulary {
    pub(super) fn add(&mut self, value: &Value) {
        for (pointer, leaf) in collect_leaves(value) {
            if let Value::String(word) = leaf {
                *self.0.entry(pointer).or_default().entry(word.clone()).or_default() += 1;
            }
        }
    }

    /// Other labels at this JSON pointer, if `word` is a label: one word without digits, or one of a few words
    /// that several references share. An order number is not a label.
    fn find_alternatives(&self, pointer: &str, word: &str) -> Vec<&String> {
        let Some(counts) = self.0.get(pointer) else { return Vec::new() };
        let uses: usize = counts.values().sum();
        let shared = counts.len() * 2 <= uses;
        let is_label = |word: &str| {
            is_one_word(word)
                && (shared
                    || !word.chars().any(|c| c.is_ascii_digit()) && word.chars().any(char::is_alphabetic))
        };
        if !is_label(word) {
            return Vec::new();
        }
        counts.keys().filter(|other| is_label(other) && other.to_lowercase() != word.to_lowercase()).collect()
    }
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// All leaves with their JSON pointers.
fn collect_leaves(value: &Value) -> Vec<(String, &Value)> {
    fn walk<'a>(pointer: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    walk(format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), value, found);
                }
            }
            Value::Array(items) => {
                for (n, value) in items.iter().enumerate() {
                    walk(format!("{pointer}/{n}"), value, found);
                }
            }
            leaf => found.push((pointer, leaf)),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

/// `None` when the changes have no effect.
fn replace_at(value: &Value, changes: Vec<(String, Value)>) -> Option<Value> {
    let mut changed = value.clone();
    for (pointer, new) in changes {
        if let Some(old) = changed.pointer_mut(&pointer) {
            *old = new;
        }
    }
    (changed != *value).then_some(changed)
}

/// Variants with one label replaced by another one known at the same JSON pointer, or one boolean flipped; at
/// most `max`.
pub(super) fn swap_labels(value: &Value, known: &LabelVocabulary, max: usize, rng: &mut Rng) -> Vec<Value> {
    let mut labels = collect_leaves(value);
    rng.shuffle(&mut labels);
    let swap = |(pointer, leaf): (String, &Value)| {
        let other = match leaf {
            Value::Bool(is) => Value::Bool(!is),
            Value::String(word) => {
                Value::String(rng.choice(known.find_alternatives(&pointer, word))?.clone())
            }
            _ => return None,
        };
        replace_at(value, vec![(pointer, other)])
    };
    labels.into_iter().filter_map(swap).take(max).collect()
}

/// Replaces every number, including those inside strings.
pub(super) fn swap_json_numbers(value: &Value, rng: &mut Rng) -> Option<Value> {
    let other = |leaf: &Value| match leaf {
        Value::Number(number) => {
            swap_numbers(&number.to_string(), rng)?.parse::<Number>().ok().map(Value::Number)
        }
        Value::String(text) => swap_numbers(text, rng).map(Value::String),
        _ => None,
    };
    replace_at(value, map_leaves(value, other))
}

fn map_leaves(value: &Value, mut other: impl FnMut(&Value) -> Option<Value>) -> Vec<(String, Value)> {
    collect_leaves(value).into_iter().filter_map(|(pointer, leaf)| Some((pointer, other(leaf)?))).collect()
}

/// Variants without one key of the object, or of the first object in a list; at most `max`. A key with null
/// is not dropped, because null equals a missing key.
pub(super) fn drop_keys(value: &Value, max: usize, rng: &mut Rng) -> Vec<Value> {
    let pointer = if value.is_array() { "/0" } else { "" };
    let Some(Value::Object(fields)) = value.pointer(pointer) else { return Vec::new() };
    let mut keys: Vec<&String> =
        fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
    rng.shuffle(&mut keys);
    let without = |key: &String| {
        let mut remaining = fields.clone();
        remaining.shift_remove(key);
        replace_at(value, vec![(pointer.to_owned(), Value::Object(remaining))])
    };
    keys.into_iter().filter_map(without).take(max).collect()
}

/// Replaces every sentence, but keeps labels, names, and numbers.
pub(super) fn replace_sentences(value: &Value, sentence: &str) -> Option<Value> {
    replace_at(value, map_leaves(value, |leaf| is_sentence(leaf).then(|| Value::String(sentence.to_owned()))))
}

/// The JSON without its sentences: two answers that agree in it differ only in wording. `None` when nothing
/// is left.
pub(super) fn remove_sentences(value: &Value) -> Option<Value> {
    let is_kept = |leaf: &Value| !leaf.is_null() && !is_sentence(leaf);
    collect_leaves(value).iter().any(|(_, leaf)| is_kept(leaf)).then(|| {
        let without = map_leaves(value, |leaf| is_sentence(leaf).then_some(Value::Null));
        replace_at(value, without).unwrap_or_else(|| value.clone())
    })
}

/// Three words or more.
fn is_sentence(leaf: &Value) -> bool {
    leaf.as_str().is_some_and(|text| text.split_whitespace().nth(2).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vocabulary(values: &[Value]) -> LabelVocabulary {
        let mut known = LabelVocabulary::default();
        values.iter().for_each(|value| known.add(value));
        known
    }

    #[test]
    fn swap_labels_keeps_identifiers() {
        let known = vocabulary(&[
            json!({"kind": "billing", "order": "A-1", "level": "P1", "note": "one two three"}),
            json!({"kind": "shipping", "order": "A-2", "level": "P1", "note": "four"}),
            json!({"kind": "Billing", "order": "A-3", "level": "P2", "note": "five"}),
            json!({"kind": "billing", "order": "A-4", "level": "P2", "note": "six"}),
        ]);
        let value = json!({"kind": "billing", "order": "A-1", "level": "P1", "ok": true});
        let mut wrong = swap_labels(&value, &known, 9, &mut Rng::with_seed(1));
        wrong.sort_by_key(|value| std::cmp::Reverse(value.to_string()));
        assert_eq!(swap_labels(&value, &known, 2, &mut Rng::with_seed(1)).len(), 2);
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
    fn number_key_and_sentence_mutation_cases() {
        let value =
            json!({"n": 86.4, "id": "K-41877", "none": null, "list": [1], "note": "twice for the order"});
        assert_eq!(
            swap_json_numbers(&value, &mut Rng::with_seed(1)),
            Some(
                json!({"n": 46.4, "id": "K-91877", "none": null, "list": [6], "note": "twice for the order"})
            )
        );
        let dropped = |value: &Value, max| drop_keys(value, max, &mut Rng::with_seed(1));
        assert_eq!(dropped(&value, 9).len(), 4);
        assert_eq!(dropped(&value, 3).len(), 3);
        assert_eq!(dropped(&json!([{"a": 1, "b": 2}, {"a": 3}]), 9).len(), 2);
        assert_eq!(dropped(&json!([1]), 9), Vec::<Value>::new());
        assert_eq!(replace_sentences(&json!({"a": "b"}), "x"), None);
        let other = replace_sentences(&value, "x").unwrap();
        assert_eq!(other["note"], "x");
        let rest = remove_sentences(&json!({"a": "b", "note": "x y z"}));
        assert_eq!(rest, Some(json!({"a": "b", "note": null})));
        assert_eq!(remove_sentences(&json!({"a": null, "note": "x y z"})), None);
    }
}
