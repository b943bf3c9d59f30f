//! Reads JSON objects field by field: decoding takes the fields that [`chat`](crate::chat) can represent. The
//! remaining fields become provider options, so that no part of a request is lost.

use serde_json::{Map, Value};

use crate::chat::TokenCount;

#[derive(Debug, Default)]
pub(super) struct FieldReader(Map<String, Value>);

impl FieldReader {
    /// # Errors
    /// If the body is not a JSON object.
    pub(super) fn from_body(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map(Self).map_err(|error| error.to_string())
    }

    /// `None` if the value is not an object.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        value.as_object().cloned().map(Self)
    }

    /// Takes a field if `read` can represent all of it; otherwise the field stays.
    pub(super) fn take_with<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let read = read(self.0.get(name)?)?;
        self.0.shift_remove(name);
        Some(read)
    }

    pub(super) fn take_string(&mut self, name: &str) -> Option<String> {
        self.take_with(name, |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn take_f64(&mut self, name: &str) -> Option<f64> {
        self.take_with(name, Value::as_f64)
    }

    pub(super) fn take_u64(&mut self, name: &str) -> Option<u64> {
        self.take_with(name, Value::as_u64)
    }

    pub(super) fn take_token_count(&mut self, name: &str) -> Option<TokenCount> {
        self.take_u64(name).map(TokenCount::new)
    }

    pub(super) fn take_bool(&mut self, name: &str) -> Option<bool> {
        self.take_with(name, Value::as_bool)
    }

    pub(super) fn take_array(&mut self, name: &str) -> Vec<Value> {
        self.take_with(name, |value| value.as_array().cloned()).unwrap_or_default()
    }

    /// Takes one string or an array of strings.
    pub(super) fn take_strings(&mut self, name: &str) -> Vec<String> {
        let read = |value: &Value| match value {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        self.take_with(name, read).unwrap_or_default()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a field has this value. The field stays.
    pub(super) fn has_value(&self, name: &str, expected: &Value) -> bool {
        self.0.get(name) == Some(expected)
    }

    /// Takes a field if it has this value, and returns whether it did.
    pub(super) fn take_if_equal(&mut self, name: &str, expected: &Value) -> bool {
        self.take_with(name, |value| (value == expected).then_some(())).is_some()
    }

    /// Reads a nested object. Fields that `read` leaves stay, and an empty object is removed.
    pub(super) fn read_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let mut inner = Self(self.0.get(name)?.as_object()?.clone());
        let read = read(&mut inner);
        if inner.is_empty() {
            self.0.shift_remove(name);
        } else {
            self.0.insert(name.to_owned(), Value::Object(inner.0));
        }
        Some(read)
    }

    /// Takes a nested object only if `read` takes all of its fields.
    pub(super) fn take_object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.take_with(name, |value| read_all_fields(value, read))
    }

    /// Whether no fields are left. Null fields do not count.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(Value::is_null)
    }

    /// The fields that were not taken.
    pub(super) fn into_remaining(mut self) -> Map<String, Value> {
        self.0.retain(|_, value| !value.is_null());
        self.0
    }
}

/// Reads an object that must be understood completely; `None` if fields are left over.
pub(super) fn read_all_fields<T>(
    value: &Value,
    read: impl FnOnce(&mut FieldReader) -> Option<T>,
) -> Option<T> {
    let mut fields = FieldReader::from_value(value)?;
    let read = read(&mut fields)?;
    fields.is_empty().then_some(read)
}

pub(super) fn insert_some(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

pub(super) fn insert_nonempty_array(
    object: &mut Map<String, Value>,
    name: &str,
    values: Vec<impl Into<Value>>,
) {
    if !values.is_empty() {
        object.insert(name.to_owned(), Value::Array(values.into_iter().map(Into::into).collect()));
    }
}

pub(super) fn insert_nonempty_object(object: &mut Map<String, Value>, name: &str, inner: Map<String, Value>) {
    if !inner.is_empty() {
        object.insert(name.to_owned(), Value::Object(inner));
    }
}

/// Merges `over` into an object recursively. Values that are not objects are replaced.
pub(super) fn merge_objects(object: &mut Map<String, Value>, over: Option<&Map<String, Value>>) {
    for (name, value) in over.into_iter().flatten() {
        match (object.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge_objects(inner, Some(more)),
            _ => {
                object.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unread_fields_are_kept() {
        let body = br#"{"a":1,"b":null,"c":{"d":"x","e":2},"f":{"g":1},"h":{"i":"y","j":0}}"#;
        let mut fields = FieldReader::from_body(body).unwrap();
        assert_eq!(fields.take_u64("a"), Some(1));
        assert_eq!(fields.take_string("f"), None);
        assert_eq!(fields.read_object("c", |c| c.take_string("d")), Some(Some("x".to_owned())));
        assert_eq!(fields.read_object("f", |f| f.take_u64("g")), Some(Some(1)));
        assert_eq!(fields.take_object("h", |h| h.take_string("i")), None);
        assert_eq!(Value::Object(fields.into_remaining()), json!({"c": {"e": 2}, "h": {"i": "y", "j": 0}}));
    }

    #[test]
    fn merge_overrides_nested_fields() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "d": [1]}).as_object().unwrap().clone();
        merge_objects(&mut object, json!({"a": {"c": 3}, "d": [2], "e": 4}).as_object());
        assert_eq!(Value::Object(object), json!({"a": {"b": 1, "c": 3}, "d": [2], "e": 4}));
    }
}
