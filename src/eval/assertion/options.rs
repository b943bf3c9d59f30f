//! The options of an assertion, and errors in them.

use serde_json::{Map, Value};

use super::parse_error::OptionError;

/// Options as written. An argument that is not a map becomes the option `value`. Each parser takes the
/// options that it uses.
pub(crate) struct AssertionOptions(Map<String, Value>);

impl AssertionOptions {
    pub(super) fn new(argument: Option<Value>) -> Self {
        Self(match argument {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(value) => Map::from_iter([("value".to_owned(), value)]),
        })
    }

    /// The names of the options that no parser took, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    pub(super) fn take_text(&mut self, name: &str) -> Result<Option<String>, OptionError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(other) => Err(expected_text_error(name, &other)),
        }
    }

    /// The expected text: the value of the assertion, else the reference of the case.
    pub(super) fn take_text_or_reference(&mut self, reference: Option<&str>) -> Result<String, OptionError> {
        match self.take_text("value")? {
            Some(text) => Ok(text),
            None => reference.map(str::to_owned).ok_or_else(missing_reference_error),
        }
    }

    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<f64>, OptionError> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse::<f64>().ok(),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("`{name}` must be a number").into()),
        }
    }

    pub(super) fn take_count(&mut self, name: &str) -> Result<Option<usize>, OptionError> {
        match self.take_number(name)? {
            None => Ok(None),
            Some(number) if number >= 0.0 && number.fract() == 0.0 && number < 1e9 => {
                Ok(Some(number as usize))
            }
            Some(_) => Err(format!("`{name}` must be an integer of 0 or more").into()),
        }
    }

    pub(super) fn take_list(&mut self, name: &str) -> Result<Vec<String>, OptionError> {
        let items = match self.take(name) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ if name == "value" => return Err("expected a list of strings".into()),
            _ => return Err(format!("`{name}` must be a list of strings").into()),
        };
        let text = |item: Value| match item {
            Value::String(text) if !text.trim().is_empty() => Ok(text),
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            _ => Err("every list item must be a non-empty string (quote values that look like another type)"
                .into()),
        };
        items.into_iter().map(text).collect()
    }

    /// For assertions without an argument: `- is-json:` and `- is-json: true` are equivalent.
    pub(super) fn reject_argument(&mut self, assertion: &str) -> Result<(), OptionError> {
        match self.take("value") {
            None | Some(Value::Bool(true)) => Ok(()),
            Some(Value::String(text)) if text == "true" => Ok(()),
            Some(_) => Err(format!("takes no argument; use `not-{assertion}` for the opposite").into()),
        }
    }
}

/// The assertion uses the reference by default, and the case has none.
pub(super) fn missing_reference_error() -> OptionError {
    OptionError::Case("missing value, and the case has no reference".into())
}

fn expected_text_error(name: &str, found: &Value) -> OptionError {
    match found {
        Value::Number(_) | Value::Bool(_) => {
            format!("`{name}` must be a string, not {found} (add quotes)").into()
        }
        _ => format!("`{name}` must be a string").into(),
    }
}
