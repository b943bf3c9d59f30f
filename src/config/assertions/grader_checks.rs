//! Assertions that need a judge, vectors or a program.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::options::AssertionOptions;
use super::{AssertionBuildError, AssertionContext};
use crate::config::duration::{DurationError, parse_duration};
use crate::config::template::Template;
use crate::eval::{Check, GradeScale, GraderProgram, GraderTask, JudgeQuestion};

/// Grades, where no scale is written.
const DEFAULT_SCALE: GradeScale = GradeScale { low: 1, high: 5 };

/// Nobody tells more grades apart.
const MAX_GRADE: u32 = 100;

/// More votes cost more than they tell.
const MAX_VOTES: u32 = 15;

/// A program may take so long, where nothing else is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// `similar`: the cosine of two vectors.
pub(super) fn parse_similar(
    arguments: &mut AssertionOptions,
    around: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let text = take_nonempty_text(arguments, around.reference)?;
    let model = resolve_model_name(arguments, "model", "embedding", around.embedding)?;
    let identity = json!([text, model]);
    Ok((Check::Grader(GraderTask::Similarity { text, model }), identity))
}

/// `llm-rubric`: a grade by a rubric, which may name the case's variables.
pub(super) fn parse_rubric(
    arguments: &mut AssertionOptions,
    around: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let written = arguments.take_text("value")?.filter(|text| !text.trim().is_empty());
    let written = written.ok_or("it needs a rubric: what a good answer does")?;
    let template = Template::new(&written).map_err(|error| format!("its rubric: {}", error.message))?;
    let rubric = template
        .render(around.variables)
        .map_err(|error| AssertionBuildError::Case(format!("its rubric: {}", error.message)))?;
    let scale = parse_scale(arguments)?;
    let question = JudgeQuestion::Rubric { rubric: rubric.clone(), scale };
    build_judge_check(arguments, around, question, &json!([rubric, scale.low, scale.high]))
}

/// `factuality`: whether an answer says what the reference says.
pub(super) fn parse_factuality(
    arguments: &mut AssertionOptions,
    around: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let reference = take_nonempty_text(arguments, around.reference)?;
    build_judge_check(
        arguments,
        around,
        JudgeQuestion::Factuality { reference: reference.clone() },
        &json!(reference),
    )
}

/// `exec`: a program's score.
pub(super) fn parse_exec(
    arguments: &mut AssertionOptions,
    around: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let words = match arguments.take("value") {
        Some(Value::Array(words)) if !words.is_empty() => words,
        _ => return Err("it needs a list: a program and its arguments, which no shell reads".into()),
    };
    let word = |word: Value| match word {
        Value::String(word) => Ok(word),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("every word of its list must be a text"),
    };
    let command: Vec<String> = words.into_iter().map(word).collect::<Result<_, _>>()?;
    if command[0].trim().is_empty() {
        return Err("the first word of its list is the program, and it is empty".into());
    }
    let timeout = match arguments.take_text("timeout")? {
        None => DEFAULT_TIMEOUT,
        Some(text) => match parse_duration(&text) {
            Ok(timeout) if !timeout.is_zero() => timeout,
            Ok(_) => return Err("no program ends in no time: raise `timeout`".into()),
            Err(error) => {
                return Err(AssertionBuildError::WithHint(error.to_string(), DurationError::HINT.to_owned()));
            }
        },
    };
    let words: Vec<Value> = command.iter().map(|word| command_word_identity(word, around)).collect();
    let identity = json!([words, timeout.as_secs_f64()]);
    let folder = around.folder.path().to_owned();
    Ok((Check::Grader(GraderTask::Program(GraderProgram { command, folder, timeout })), identity))
}

/// A word of a command: where it names a file of the set, what decides is what that holds.
fn command_word_identity(word: &str, around: AssertionContext<'_>) -> Value {
    let path = around.folder.path().join(word);
    let digest = if Path::new(word).is_relative() { around.files_read.file_digest(&path) } else { None };
    digest.map_or_else(|| json!(word), |digest| json!({"file": digest}))
}

/// A question with its judge and the number of votes.
fn build_judge_check(
    arguments: &mut AssertionOptions,
    around: AssertionContext<'_>,
    question: JudgeQuestion,
    identity: &Value,
) -> Result<(Check, Value), AssertionBuildError> {
    let judge = resolve_model_name(arguments, "judge", "judge", around.judge)?;
    let votes = match arguments.take_count("votes")?.map(u32::try_from) {
        None => 1,
        Some(Ok(votes @ 1..=MAX_VOTES)) if votes % 2 == 1 => votes,
        Some(_) => {
            return Err(
                format!("`votes` is an odd number up to {MAX_VOTES}, so that there is a majority").into()
            );
        }
    };
    let identity = json!([identity, judge, votes]);
    Ok((Check::Grader(GraderTask::Judge { question, judge, votes }), identity))
}

/// A model: the assertion's own, else the set's.
fn resolve_model_name(
    arguments: &mut AssertionOptions,
    option: &str,
    key: &str,
    of_set: Option<&str>,
) -> Result<String, AssertionBuildError> {
    let named = arguments.take_text(option)?.or(of_set.map(str::to_owned));
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint =
            format!("add `{key}: PROVIDER/MODEL` at the top of the set, or `{option}:` to the assertion");
        AssertionBuildError::WithHint(
            format!("nothing says which model is asked: there is no `{option}`"),
            hint,
        )
    })
}

/// The text that an answer is held against, in which there must be something.
fn take_nonempty_text(
    arguments: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<String, AssertionBuildError> {
    match arguments.take_text("value")? {
        Some(text) if text.trim().is_empty() => Err("its text is empty".into()),
        Some(text) => Ok(text),
        None => match reference {
            Some(reference) if !reference.trim().is_empty() => Ok(reference.to_owned()),
            Some(_) => Err(AssertionBuildError::Case("the reference is empty".into())),
            None => Err(AssertionBuildError::Case("it needs a text, or the case a reference".into())),
        },
    }
}

/// `scale: 10` is 1 to 10, `scale: [0, 3]` is 0 to 3.
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
            "`scale` is the best grade, counted from 1, or [worst, best], in whole numbers up to {MAX_GRADE}"
        )
        .into()),
    }
}
