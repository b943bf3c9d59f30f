//! Assertions whose score comes from a judge, embeddings, or a program.

use super::check::{AssertionCheck, CheckOutcome};
use super::options::{AssertionOptions, missing_reference_error};
use super::parse_error::OptionError;
use crate::eval::answer::GradableAnswer;
use crate::eval::grader_task::{GraderOutcome, GraderTask};

#[derive(Debug)]
pub(super) struct GraderCheck(pub(super) GraderTask);

impl AssertionCheck for GraderCheck {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        match answer.grader_outcomes.get(&self.0) {
            Some(GraderOutcome::Scored(score, reason)) => CheckOutcome::Scored(*score, reason.clone()),
            Some(GraderOutcome::Unscored(why)) => CheckOutcome::Unscored(why.clone()),
            None => CheckOutcome::Unscored("no judge was called".into()),
        }
    }

    /// Graders are not called again for a repaired answer.
    fn is_text_based(&self) -> bool {
        false
    }

    fn collect_grader_tasks<'a>(&'a self, found: &mut Vec<&'a GraderTask>) {
        if !found.contains(&&self.0) {
            found.push(&self.0);
        }
    }
}

/// The expected text: the assertion's value, else the reference. It must not be empty.
pub(super) fn take_expected_text(
    options: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<String, OptionError> {
    match (options.take_text("value")?, reference) {
        (Some(text), _) if text.trim().is_empty() => Err("the value is empty".into()),
        (Some(text), _) => Ok(text),
        (None, Some(reference)) if reference.trim().is_empty() => {
            Err(OptionError::Case("the reference is empty".into()))
        }
        (None, Some(reference)) => Ok(reference.to_owned()),
        (None, None) => Err(missing_reference_error()),
    }
}

/// The model named by the assertion, else the default that the set names under `set_key`.
pub(super) fn take_model_name(
    options: &mut AssertionOptions,
    option: &str,
    set_key: &str,
    set_default: Option<&str>,
) -> Result<String, OptionError> {
    let named = options.take_text(option)?.or(set_default.map(str::to_owned));
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint =
            format!("add `{set_key}: PROVIDER/MODEL` at the top of the set, or `{option}:` to the assertion");
        OptionError::with_hint(format!("missing `{option}`: no model to call"), hint)
    })
}
