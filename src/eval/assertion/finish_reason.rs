//! `finish-reason`: why the model stopped.

use serde_json::{Value, json};

use super::assertion_type::{AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::{FinishReason, find_closest};
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const FINISH_REASON: AssertionType = AssertionType {
    name: "finish-reason",
    example: "finish-reason: stop",
    options: &["value"],
    kind: AssertionKind::Format,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(|options, _| parse(options)),
};

fn parse(options: &mut AssertionOptions) -> Result<ParsedCheck, OptionError> {
    let names = match options.take("value") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) if !names.is_empty() => {
            let name = |name: &Value| name.as_str().map(str::to_owned);
            names.iter().map(name).collect::<Option<_>>().ok_or("finish reasons must be strings")?
        }
        _ => return Err("expected a finish reason, or a list of finish reasons".into()),
    };
    // A response that failed is an error and is never graded.
    let known: Vec<FinishReason> =
        FinishReason::ALL.into_iter().filter(|r| *r != FinishReason::Error).collect();
    let reason = |name: &String| {
        known.iter().copied().find(|reason| reason.as_str() == name).ok_or_else(|| {
            let names = || known.iter().map(|reason| reason.as_str());
            let hint = match find_closest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of {}", names().collect::<Vec<_>>().join(", ")),
            };
            OptionError::with_hint(format!("unknown finish reason `{name}`"), hint)
        })
    };
    let reasons: Vec<FinishReason> = names.iter().map(reason).collect::<Result<_, _>>()?;
    if known.iter().all(|reason| reasons.contains(reason)) {
        return Err("every answer passes: all finish reasons are listed".into());
    }
    Ok(ParsedCheck::new(HasFinishReason(reasons), json!(names)))
}

#[derive(Debug)]
pub(super) struct HasFinishReason(pub(super) Vec<FinishReason>);

impl AssertionCheck for HasFinishReason {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        match answer.finish_reason {
            Some(reason) => {
                CheckOutcome::PassFail(self.0.contains(&reason), format!("finish reason {}", reason.as_str()))
            }
            None => CheckOutcome::Unscored("the finish reason of this answer is unknown".into()),
        }
    }

    fn is_text_based(&self) -> bool {
        false
    }

    fn detects_truncation(&self) -> bool {
        true
    }
}
