//! The options of a strategy as written, and problems in them. Each value has its position, which only
//! `config` can interpret: it reads the values from the file and shows the problems there.

use std::ops::Range;

use crate::chat::find_closest;

/// Keeps sums of weights exact enough.
const MAX_WEIGHT: f64 = 1e9;

pub(crate) const WEIGHT_HINT: &str =
    "use a number from 0 to 1,000,000,000 (only the ratio of the weights matters)";

pub(crate) fn is_valid_weight(weight: f64) -> bool {
    (0.0..=MAX_WEIGHT).contains(&weight)
}

/// A value, and its byte range in the file.
#[derive(Clone, Debug)]
pub(crate) struct LocatedOption<T> {
    pub value: T,
    pub span: Option<Range<usize>>,
}

impl<T> LocatedOption<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> LocatedOption<U> {
        LocatedOption { value: change(self.value), span: self.span }
    }
}

/// A key of a route that only some strategies use.
#[derive(Debug)]
pub(crate) struct StrategyOption {
    pub name: &'static str,
    pub form: OptionForm,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum OptionForm {
    Text,
    /// A map of numbers.
    Numbers,
}

pub(crate) type OptionValue = LocatedOption<OptionContent>;

/// The value of an option in its [`OptionForm`].
#[derive(Clone, Debug)]
pub(crate) enum OptionContent {
    Text(String),
    /// In the file's order.
    Numbers(Vec<(LocatedOption<String>, LocatedOption<f64>)>),
}

/// A problem in the options, with its position.
#[derive(Debug)]
pub(crate) struct OptionProblem {
    pub message: String,
    pub span: Option<Range<usize>>,
    pub hint: String,
}

/// Options by name, and the problems found in them. Each parser takes the options that it uses.
#[derive(Debug, Default)]
pub(crate) struct StrategyOptions {
    values: Vec<(&'static str, OptionValue)>,
    problems: Vec<OptionProblem>,
}

impl StrategyOptions {
    pub(crate) fn new(written: Vec<(&'static str, OptionValue)>) -> Self {
        Self { values: written, problems: Vec::new() }
    }

    pub(crate) fn into_problems(self) -> Vec<OptionProblem> {
        self.problems
    }

    /// Names and positions of the options that no parser took.
    pub(super) fn untaken(&self) -> Vec<LocatedOption<&'static str>> {
        let located = |(name, option): &(&'static str, OptionValue)| LocatedOption {
            value: *name,
            span: option.span.clone(),
        };
        self.values.iter().map(located).collect()
    }

    pub(super) fn report(
        &mut self,
        message: impl Into<String>,
        span: Option<Range<usize>>,
        hint: impl Into<String>,
    ) {
        self.problems.push(OptionProblem { message: message.into(), span, hint: hint.into() });
    }

    fn take(&mut self, name: &str) -> Option<OptionValue> {
        let at = self.values.iter().position(|(other, _)| *other == name)?;
        Some(self.values.remove(at).1)
    }

    /// Takes an option whose form is [`OptionForm::Text`].
    pub(super) fn take_text(&mut self, name: &str) -> Option<LocatedOption<String>> {
        match self.take(name)? {
            OptionValue { value: OptionContent::Text(value), span } => Some(LocatedOption { value, span }),
            OptionValue { value: OptionContent::Numbers(_), .. } => None,
        }
    }

    /// Takes an option whose form is [`OptionForm::Numbers`]: a weight for each key, 1 by default.
    pub(super) fn take_weights<const N: usize>(
        &mut self,
        name: &str,
        keys: [&str; N],
    ) -> Option<LocatedOption<[f64; N]>> {
        let OptionValue { value: OptionContent::Numbers(numbers), span } = self.take(name)? else {
            return None;
        };
        let mut value = [1.0; N];
        for (key, weight) in numbers {
            match keys.iter().position(|known| *known == key.value) {
                Some(at) if is_valid_weight(weight.value) => value[at] = weight.value,
                Some(_) => {
                    let message = format!("invalid weight `{}`", weight.value);
                    self.report(message, weight.span, WEIGHT_HINT);
                }
                None => {
                    let hint = match find_closest(&key.value, keys) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("use one of these keys: {}", keys.join(", ")),
                    };
                    self.report(format!("unknown key `{}`", key.value), key.span, hint);
                }
            }
        }
        Some(LocatedOption { value, span })
    }
}
