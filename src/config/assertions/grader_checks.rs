//! Assertions that need a judge, embeddings, or a program.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::options::AssertionOptions;
use super::{AssertionBuildError, AssertionContext};
use crate::config::duration::{DurationError, parse_duration};
use crate::config::template::Template;
use crate::eval::{Check, GradeScale, GraderProgram, GraderTask, JudgeQuestion};

/// Used if the assertion has no `scale`.
const DEFAULT_SCALE: GradeScale = GradeScale { low: 1, high: 5 };

/// Larger scales ask for distinctions that judges cannot make.
const MAX_GRADE: u32 = 100;

/// More votes add cost but hardly any certainty.
const MAX_VOTES: u32 = 15;

/// Used if an `exec` assertion has no `timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// `similar`: cosine similarity of the embeddings.
pub(super) fn parse_similar(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let text = take_nonempty_text(arguments, context.reference)?;
    let model = resolve_model_name(arguments, "model", "embedding", context.embedding)?;
    let identity = json!([text, model]);
    Ok((Check::Grader(GraderTask::Similarity { text, model }), identity))
}

/// `llm-rubric`: a grade according to a rubric, which can use the case's variables.
pub(super) fn parse_rubric(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let written = arguments.take_text("value")?.filter(|text| !text.trim().is_empty());
    let written = written.ok_or("missing rubric: describe a good answer")?;
    let template = Template::new(&written).map_err(|error| format!("rubric: {}", error.message))?;
    let rubric = template
        .render(context.variables)
        .map_err(|error| AssertionBuildError::Case(format!("rubric: {}", error.message)))?;
    let scale = parse_scale(arguments)?;
    let question = JudgeQuestion::Rubric { rubric: rubric.clone(), scale };
    build_judge_check(arguments, context, question, &json!([rubric, scale.low, scale.high]))
}

/// `factuality`: whether the answer agrees with the reference.
pub(super) fn parse_factuality(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let reference = take_nonempty_text(arguments, context.reference)?;
    build_judge_check(
        arguments,
        context,
        JudgeQuestion::Factuality { reference: reference.clone() },
        &json!(reference),
    )
}

/// `exec`: a score from an external program.
pub(super) fn parse_exec(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let words = match arguments.take("value") {
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
    let timeout = match arguments.take_text("timeout")? {
        None => DEFAULT_TIMEOUT,
        Some(text) => match parse_duration(&text) {
            Ok(timeout) if !timeout.is_zero() => timeout,
            Ok(_) => return Err("`timeout` must be above 0".into()),
            Err(error) => {
                return Err(AssertionBuildError::WithHint(error.to_string(), DurationError::HINT.to_owned()));
            }
        },
    };
    let words: Vec<Value> = command.iter().map(|word| command_word_identity(word, context)).collect();
    let identity = json!([words, timeout.as_secs_f64()]);
    let folder = context.folder.path().to_owned();
    Ok((Check::Grader(GraderTask::Program(GraderProgram { command, folder, timeout })), identity))
}

/// A word that names a file relative to the set is identified by the file's content.
fn command_word_identity(word: &str, context: AssertionContext<'_>) -> Value {
    let path = context.folder.path().join(word);
    let digest = if Path::new(word).is_relative() { context.caches.file_digest(&path) } else { None };
    digest.map_or_else(|| json!(word), |digest| json!({"file": digest}))
}

fn build_judge_check(
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
    question: JudgeQuestion,
    identity: &Value,
) -> Result<(Check, Value), AssertionBuildError> {
    let judge = resolve_model_name(arguments, "judge", "judge", context.judge)?;
    let votes = match arguments.take_count("votes")?.map(u32::try_from) {
        None => 1,
        Some(Ok(votes @ 1..=MAX_VOTES)) if votes % 2 == 1 => votes,
        Some(_) => {
            return Err(format!("`votes` must be odd and at most {MAX_VOTES}").into());
        }
    };
    let identity = json!([identity, judge, votes]);
    Ok((Check::Grader(GraderTask::Judge { question, judge, votes }), identity))
}

/// Uses the assertion's own option, else the set's default.
fn resolve_model_name(
    arguments: &mut AssertionOptions,
    option: &str,
    key: &str,
    set_default: Option<&str>,
) -> Result<String, AssertionBuildError> {
    let named = arguments.take_text(option)?.or(set_default.map(str::to_owned));
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint =
            format!("add `{key}: PROVIDER/MODEL` at the top of the set, or `{option}:` to the assertion");
        AssertionBuildError::WithHint(format!("missing `{option}`: no model to call"), hint)
    })
}

/// The expected text: the assertion's value, else the reference. It must not be empty.
fn take_nonempty_text(
    arguments: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<String, AssertionBuildError> {
    match arguments.take_text("value")? {
        Some(text) if text.trim().is_empty() => Err("the value is empty".into()),
        Some(text) => Ok(text),
        None => match reference {
            Some(reference) if !reference.trim().is_empty() => Ok(reference.to_owned()),
            Some(_) => Err(AssertionBuildError::Case("the reference is empty".into())),
            None => Err(AssertionBuildError::Case("missing value, and the case has no reference".into())),
        },
    }
}

/// `scale: 10` means 1 to 10; `scale: [0, 3]` means 0 to 3.
fn parse_scale(arguments: &mut AssertionOptions) -> Result<GradeScale, AssertionBuildError> {
    let grade = |value: &Value| value.as_u64().and_then(|grade| u32::try_from(grade).ok());
    let scale = match arguments.take("scale") {
        None => return Ok(DEFAULT_SCALE),
        Some(Value::Array(ends)) => match ends.as_slice() {
            [low, high] => grade(low).zip(grade(high)),
            _ => None,
        },
        Some(high) => grade(&high).map(|high| (1, high)),
    };
    match scale {
        Some((low, high)) if low < high && high <= MAX_GRADE => Ok(GradeScale { low, high }),
        _ => Err(format!(
            "`scale` must be the highest grade (the lowest is then 1) or [lowest, highest], with integers up to {MAX_GRADE}"
        )
        .into()),
    }
}
