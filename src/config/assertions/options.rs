//! The options of an assertion.

use serde_json::Value;

use super::AssertionBuildError;
use crate::config::diagnostic::{Diagnostic, find_closest};
use crate::config::spanned_value::SpannedValue;
use crate::config::yaml::Spanned;

/// The options of an assertion. What is no map is its main argument, `value`.
pub(super) struct AssertionOptions(Vec<(Spanned<String>, Spanned<SpannedValue>)>);

impl AssertionOptions {
    pub(super) fn new(argument: Option<Spanned<SpannedValue>>) -> Self {
        let Some(argument) = argument else { return Self(Vec::new()) };
        match argument.value {
            SpannedValue::Scalar(Value::Null) => Self(Vec::new()),
            SpannedValue::Map(fields) => Self(fields),
            _ => Self(vec![(Spanned { value: "value".to_owned(), span: argument.span.clone() }, argument)]),
        }
    }

    /// Refuses options that are none of these.
    pub(super) fn reject_unknown(&self, assertion: &str, known: &[&str]) -> Result<(), AssertionBuildError> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.value.as_str())) {
            None => Ok(()),
            Some((key, _)) if key.value == "value" => Err("what it needs stands in a map".into()),
            Some((key, _)) if key.value == "threshold" => {
                let message = format!("`{assertion}`: it passes or fails, and has no `threshold`");
                let hint = "leave it out; what a failure costs in the score is its `weight`";
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(message, key.span.clone(), hint)))
            }
            Some((key, _)) => {
                let shown: Vec<&str> = known.iter().copied().filter(|option| *option != "value").collect();
                let hint = match find_closest(&key.value, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its options are {}", shown.join(", ")),
                };
                let message = format!("`{assertion}`: it has no option `{}`", key.value);
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(message, key.span.clone(), hint)))
            }
        }
    }

    /// Refuses what nobody took: an option that another one has made useless.
    pub(super) fn reject_unused(&self, assertion: &str) -> Result<(), AssertionBuildError> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                let message = format!("`{assertion}`: `{}` says again what another option says", key.value);
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(
                    message,
                    key.span.clone(),
                    "keep one of them",
                )))
            }
        }
    }

    /// Takes an option out, its parts with their places.
    pub(super) fn take_spanned(&mut self, name: &str) -> Option<SpannedValue> {
        let at = self.0.iter().position(|(key, _)| key.value == name)?;
        Some(self.0.remove(at).1.value)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.take_spanned(name).map(|tree| tree.to_json())
    }

    pub(super) fn take_text(&mut self, name: &str) -> Result<Option<String>, AssertionBuildError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(other) => Err(expected_text_error(name, &other)),
        }
    }

    /// The text that an answer is held against: the one that is written, else the case's reference.
    pub(super) fn take_text_or_reference(
        &mut self,
        reference: Option<&str>,
    ) -> Result<String, AssertionBuildError> {
        match self.take_text("value")? {
            Some(text) => Ok(text),
            None => reference
                .map(str::to_owned)
                .ok_or_else(|| AssertionBuildError::Case("it needs a text, or the case a reference".into())),
        }
    }

    /// The same, where an empty one would be in every answer.
    pub(super) fn take_nonempty_text_or_reference(
        &mut self,
        reference: Option<&str>,
    ) -> Result<String, AssertionBuildError> {
        match self.take_text("value")? {
            Some(text) if text.trim().is_empty() => Err("an empty text is in every answer".into()),
            Some(text) => Ok(text),
            None => {
                let reference = reference.ok_or_else(|| {
                    AssertionBuildError::Case("it needs a text, or the case a reference".into())
                })?;
                if reference.trim().is_empty() {
                    return Err(AssertionBuildError::Case(
                        "the reference is empty, and an empty text is in every answer".into(),
                    ));
                }
                Ok(reference.to_owned())
            }
        }
    }

    pub(super) fn take_number(&mut self, name: &str) -> Result<Option<f64>, AssertionBuildError> {
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

    pub(super) fn take_count(&mut self, name: &str) -> Result<Option<usize>, AssertionBuildError> {
        match self.take_number(name)? {
            None => Ok(None),
            Some(number) if number >= 0.0 && number.fract() == 0.0 && number < 1e9 => {
                Ok(Some(number as usize))
            }
            Some(_) => Err(format!("`{name}` must be a whole number").into()),
        }
    }

    pub(super) fn take_list(&mut self, name: &str) -> Result<Vec<String>, AssertionBuildError> {
        let items = match self.take(name) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            _ if name == "value" => return Err("it needs a list of texts".into()),
            _ => return Err(format!("`{name}` must be a list of texts").into()),
        };
        let text = |item: Value| {
            match item {
            Value::String(text) if !text.trim().is_empty() => Ok(text),
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            _ => Err("every item of its list must be a text that is not empty; quote what looks like something else".into()),
        }
        };
        items.into_iter().map(text).collect()
    }

    /// An assertion that takes no argument: `- is-json:` and `- is-json: true` say the same.
    pub(super) fn reject_argument(&mut self, assertion: &str) -> Result<(), AssertionBuildError> {
        match self.take("value") {
            None | Some(Value::Bool(true)) => Ok(()),
            Some(Value::String(text)) if text == "true" => Ok(()),
            Some(_) => Err(format!("it takes no argument; its opposite is `not-{assertion}`").into()),
        }
    }
}

fn expected_text_error(name: &str, found: &Value) -> AssertionBuildError {
    match found {
        Value::Number(_) | Value::Bool(_) => {
            format!("`{name}` must be a text, and {found} is none; quote it as it should be read").into()
        }
        _ => format!("`{name}` must be a text").into(),
    }
}
