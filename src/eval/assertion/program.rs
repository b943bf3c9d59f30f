//! `exec`: a score from an external program.

use std::time::Duration;

use serde_json::{Value, json};

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::grader_check::GraderCheck;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::{DurationError, parse_duration};
use crate::eval::grader_task::{GraderProgram, GraderTask};
use crate::eval::verdict::AssertionKind;

pub(super) const EXEC: AssertionType = AssertionType {
    name: "exec",
    example: "exec: [./check.py, --strict]",
    options: &["value", "timeout"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(1.0),
    parser: AssertionParser::Options(parse),
};

/// Used if the assertion has no `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let words = match options.take("value") {
        Some(Value::Array(words)) if !words.is_empty() => words,
        _ => return Err("expected a list with a program and its arguments (no shell is used)".into()),
    };
    let word = |word: Value| match word {
        Value::String(word) => Ok(word),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("every list item must be a string"),
    };
    let command: Vec<String> = words.into_iter().map(word).collect::<Result<_, _>>()?;
    if command[0].trim().is_empty() {
        return Err("the program name is empty".into());
    }
    let timeout = match options.take_text("timeout")? {
        None => DEFAULT_TIMEOUT,
        Some(text) => match parse_duration(&text) {
            Ok(timeout) if !timeout.is_zero() => timeout,
            Ok(_) => return Err("`timeout` must be above 0".into()),
            Err(error) => return Err(OptionError::with_hint(error.to_string(), DurationError::HINT)),
        },
    };
    let words: Vec<Value> = command.iter().map(|word| word_identity(word, context)).collect();
    let identity = json!([words, timeout.as_secs_f64()]);
    let folder = context.resources.folder().to_owned();
    let program = GraderProgram { command, folder, timeout };
    Ok(ParsedCheck::new(GraderCheck(GraderTask::Program(program)), identity))
}

/// A word that names a file of the set is identified by the file's content.
fn word_identity(word: &str, context: AssertionContext<'_>) -> Value {
    let digest = context.resources.file_digest(word);
    digest.map_or_else(|| json!(word), |digest| json!({"file": digest}))
}
