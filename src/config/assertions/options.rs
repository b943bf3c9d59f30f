use serde_json::Value;

use super::AssertionBuildError;
use crate::config::diagnostic::{Diagnostic, find_closest};
use crate::config::spanned_value::SpannedValue;
use crate::config::yaml::Spanned;

/// Options as written. An argument that is not a map becomes the option `value`.
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

    pub(super) fn reject_unknown(&self, assertion: &str, known: &[&str]) -> Result<(), AssertionBuildError> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.value.as_str())) {
            None => Ok(()),
            Some((key, _)) if key.value == "value" => Err("expected a map of options".into()),
            Some((key, _)) if key.value == "threshold" => {
                let message = format!("`{assertion}`: takes no `threshold`: it only passes or fails");
                let hint = "remove it, or set `weight` to change the effect on the score";
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(message, key.span.clone(), hint)))
            }
            Some((key, _)) => {
                let shown: Vec<&str> = known.iter().copied().filter(|option| *option != "value").collect();
                let hint = match find_closest(&key.value, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use one of {}", shown.join(", ")),
                };
                let message = format!("`{assertion}`: unknown option `{}`", key.value);
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(message, key.span.clone(), hint)))
            }
        }
    }

    /// Rejects options that no check consumed, because another option made them redundant.
    pub(super) fn reject_unused(&self, assertion: &str) -> Result<(), AssertionBuildError> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => {
                let message = format!("`{assertion}`: `{}` duplicates another option", key.value);
                Err(AssertionBuildError::Diagnostic(Diagnostic::new(
                    message,
                    key.span.clone(),
                    "keep one of them",
                )))
            }
        }
    }

    /// Keeps the spans, for nested assertions.
    pub(super) fn take_spanned(&mut self, name: &str) -> Option<SpannedValue> {
        let at = self.0.iter().position(|(key, _)| key.value == name)?;
        Some(self.0.remove(at).1.value)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.take_spanned(name).map(|value| value.to_json())
    }

    pub(super) fn take_text(&mut self, name: &str) -> Result<Option<String>, AssertionBuildError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(other) => Err(expected_text_error(name, &other)),
        }
    }

    /// The expected text: the assertion's value, else the case's reference.
    pub(super) fn take_text_or_reference(
        &mut self,
        reference: Option<&str>,
    ) -> Result<String, AssertionBuildError> {
        match self.take_text("value")? {
            Some(text) => Ok(text),
            None => reference.map(str::to_owned).ok_or_else(|| {
                AssertionBuildError::Case("missing value, and the case has no reference".into())
            }),
        }
    }

    /// Like `take_text_or_reference`, but rejects an empty text, which every answer would contain.
    pub(super) fn take_nonempty_text_or_reference(
        &mut self,
        reference: Option<&str>,
    ) -> Result<String, AssertionBuildError> {
        match self.take_text("value")? {
            Some(text) if text.trim().is_empty() => Err("every answer contains an empty string".into()),
            Some(text) => Ok(text),
            None => {
                let reference = reference.ok_or_else(|| {
                    AssertionBuildError::Case("missing value, and the case has no reference".into())
                })?;
                if reference.trim().is_empty() {
                    return Err(AssertionBuildError::Case(
                        "the reference is empty, and every answer contains an empty string".into(),
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
            Some(_) => Err(format!("`{name}` must be an integer of 0 or more").into()),
        }
    }

    pub(super) fn take_list(&mut self, name: &str) -> Result<Vec<String>, AssertionBuildError> {
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
    pub(super) fn reject_argument(&mut self, assertion: &str) -> Result<(), AssertionBuildError> {
        match self.take("value") {
            None | Some(Value::Bool(true)) => Ok(()),
            Some(Value::String(text)) if text == "true" => Ok(()),
            Some(_) => Err(format!("takes no argument; use `not-{assertion}` for the opposite").into()),
        }
    }
}

fn expected_text_error(name: &str, found: &Value) -> AssertionBuildError {
    match found {
        Value::Number(_) | Value::Bool(_) => {
            format!("`{name}` must be a string, not {found} (add quotes)").into()
        }
        _ => format!("`{name}` must be a string").into(),
    }
}
