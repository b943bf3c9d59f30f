//! Assertions that need a judge, vectors or a program.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Surroundings, Wrong};
use crate::config::duration::{DurationError, parse_duration};
use crate::config::template::Template;
use crate::eval::{Check, Program, Question, Scale, Task};

/// Grades, where no scale is written.
const USUAL_SCALE: Scale = Scale { low: 1, high: 5 };

/// Nobody tells more grades apart.
const HIGHEST: u32 = 100;

/// More votes cost more than they tell.
const MOST_VOTES: u32 = 15;

/// A program may take so long, where nothing else is said.
const USUAL_TIMEOUT: Duration = Duration::from_secs(30);

/// `similar`: the cosine of two vectors.
pub(super) fn similar(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let text = filled(arguments, around.reference)?;
    let model = someone(arguments, "model", "embedding", around.embedding)?;
    let identity = json!([text, model]);
    Ok((Check::Judged(Task::Similar { text, model }), identity))
}

/// `llm-rubric`: a grade by a rubric, which may name the case's variables.
pub(super) fn rubric(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
    let written = arguments.text("value")?.filter(|text| !text.trim().is_empty());
    let written = written.ok_or("it needs a rubric: what a good answer does")?;
    let template = Template::new(&written).map_err(|error| format!("its rubric: {}", error.message))?;
    let rubric = template
        .render(around.variables)
        .map_err(|error| Wrong::Case(format!("its rubric: {}", error.message)))?;
    let scale = scale(arguments)?;
    let question = Question::Rubric { rubric: rubric.clone(), scale };
    asked(arguments, around, question, &json!([rubric, scale.low, scale.high]))
}

/// `factuality`: whether an answer says what the reference says.
pub(super) fn factuality(
    arguments: &mut Arguments,
    around: Surroundings<'_>,
) -> Result<(Check, Value), Wrong> {
    let reference = filled(arguments, around.reference)?;
    asked(arguments, around, Question::Factuality { reference: reference.clone() }, &json!(reference))
}

/// `exec`: a program's score.
pub(super) fn program(arguments: &mut Arguments, around: Surroundings<'_>) -> Result<(Check, Value), Wrong> {
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
    let timeout = match arguments.text("timeout")? {
        None => USUAL_TIMEOUT,
        Some(text) => match parse_duration(&text) {
            Ok(timeout) if !timeout.is_zero() => timeout,
            Ok(_) => return Err("no program ends in no time: raise `timeout`".into()),
            Err(error) => return Err(Wrong::Hinted(error.to_string(), DurationError::HINT.to_owned())),
        },
    };
    let words: Vec<Value> = command.iter().map(|word| contents(word, around)).collect();
    let identity = json!([words, timeout.as_secs_f64()]);
    let folder = around.folder.path().to_owned();
    Ok((Check::Judged(Task::Run(Program { command, folder, timeout })), identity))
}

/// A word of a command: where it names a file of the set, what decides is what that holds.
fn contents(word: &str, around: Surroundings<'_>) -> Value {
    let path = around.folder.path().join(word);
    let digest = if Path::new(word).is_relative() { around.files_read.digest(&path) } else { None };
    digest.map_or_else(|| json!(word), |digest| json!({"file": digest}))
}

/// A question with its judge and the number of votes.
fn asked(
    arguments: &mut Arguments,
    around: Surroundings<'_>,
    question: Question,
    identity: &Value,
) -> Result<(Check, Value), Wrong> {
    let judge = someone(arguments, "judge", "judge", around.judge)?;
    let votes = match arguments.count("votes")?.map(u32::try_from) {
        None => 1,
        Some(Ok(votes @ 1..=MOST_VOTES)) if votes % 2 == 1 => votes,
        Some(_) => {
            return Err(
                format!("`votes` is an odd number up to {MOST_VOTES}, so that there is a majority").into()
            );
        }
    };
    let identity = json!([identity, judge, votes]);
    Ok((Check::Judged(Task::Ask { question, judge, votes }), identity))
}

/// A model: the assertion's own, else the set's.
fn someone(
    arguments: &mut Arguments,
    option: &str,
    key: &str,
    of_set: Option<&str>,
) -> Result<String, Wrong> {
    let named = arguments.text(option)?.or(of_set.map(str::to_owned));
    named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or_else(|| {
        let hint =
            format!("add `{key}: PROVIDER/MODEL` at the top of the set, or `{option}:` to the assertion");
        Wrong::Hinted(format!("nothing says which model is asked: there is no `{option}`"), hint)
    })
}

/// The text that an answer is held against, in which there must be something.
fn filled(arguments: &mut Arguments, reference: Option<&str>) -> Result<String, Wrong> {
    match arguments.text("value")? {
        Some(text) if text.trim().is_empty() => Err("its text is empty".into()),
        Some(text) => Ok(text),
        None => match reference {
            Some(reference) if !reference.trim().is_empty() => Ok(reference.to_owned()),
            Some(_) => Err(Wrong::Case("the reference is empty".into())),
            None => Err(Wrong::Case("it needs a text, or the case a reference".into())),
        },
    }
}

/// `scale: 10` is 1 to 10, `scale: [0, 3]` is 0 to 3.
fn scale(arguments: &mut Arguments) -> Result<Scale, Wrong> {
    let grade = |value: &Value| value.as_u64().and_then(|grade| u32::try_from(grade).ok());
    let scale = match arguments.take("scale") {
        None => return Ok(USUAL_SCALE),
        Some(Value::Array(ends)) => match ends.as_slice() {
            [low, high] => grade(low).zip(grade(high)),
            _ => None,
        },
        Some(high) => grade(&high).map(|high| (1, high)),
    };
    match scale {
        Some((low, high)) if low < high && high <= HIGHEST => Ok(Scale { low, high }),
        _ => Err(format!(
            "`scale` is the best grade, counted from 1, or [worst, best], in whole numbers up to {HIGHEST}"
        )
        .into()),
    }
}
