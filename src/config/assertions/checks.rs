//! From an assertion's options to its check, and to what identifies it.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::{Surroundings, Wrong};
use crate::chat::{FinishReason, Tool};
use crate::config::diagnostic::nearest;
use crate::eval::{Check, Measure, Place, Quantity, TextTest, Tolerance, Unit, numbers_in};

/// A reference may be so many characters long where answers are measured against it: the work grows with both.
const LONGEST: usize = 200_000;

pub(super) fn read(
    name: &str,
    arguments: &mut Arguments,
    around: Surroundings<'_>,
) -> Result<(Check, Value), Wrong> {
    let reference = around.reference;
    let text = |place, ignore_case, all, needles: Vec<String>| {
        let identity = json!(needles);
        Ok((Check::Text(TextTest { place, ignore_case, needles, all }), identity))
    };
    match name {
        "equals" => text(Place::Whole, false, true, vec![arguments.text_or(reference)?]),
        "iequals" => text(Place::Whole, true, true, vec![arguments.text_or(reference)?]),
        "contains" => text(Place::Anywhere, false, true, vec![arguments.filled_text_or(reference)?]),
        "icontains" => text(Place::Anywhere, true, true, vec![arguments.filled_text_or(reference)?]),
        "contains-all" => text(Place::Anywhere, false, true, arguments.list("value")?),
        "contains-any" => text(Place::Anywhere, false, false, arguments.list("value")?),
        "icontains-all" => text(Place::Anywhere, true, true, arguments.list("value")?),
        "icontains-any" => text(Place::Anywhere, true, false, arguments.list("value")?),
        "starts-with" => text(Place::Start, false, true, vec![arguments.filled_text_or(reference)?]),
        "ends-with" => text(Place::End, false, true, vec![arguments.filled_text_or(reference)?]),
        "regex" => {
            let written = arguments.text("value")?.ok_or("it needs an expression")?;
            let regex = regex(&written)?;
            if ["", "x", "7 \u{e4}\n"].iter().all(|probe| regex.is_match(probe)) {
                return Err(format!("the expression `{written}` is found in every answer").into());
            }
            Ok((Check::Regex(regex), json!(written)))
        }
        "word-count" => length(arguments, Unit::Words, "words"),
        "length" => length(arguments, Unit::Characters, "characters"),
        "is-json" => arguments.none(name).map(|()| (Check::IsJson, Value::Null)),
        "contains-json" => super::json::contains(arguments, around),
        "json-schema" => super::json::schema(arguments, around),
        "json-path" => super::json::path(arguments),
        "json-diff" => super::json::diff(arguments, reference),
        "tool-call" => tool_call(arguments, around.tools),
        "finish-reason" => finish_reason(arguments),
        "levenshtein" => likeness(arguments, Measure::Levenshtein, reference),
        "rouge-l" => likeness(arguments, Measure::RougeL, reference),
        "token-f1" => likeness(arguments, Measure::TokenF1, reference),
        "similar" => super::judged::similar(arguments, around),
        "llm-rubric" => super::judged::rubric(arguments, around),
        "factuality" => super::judged::factuality(arguments, around),
        "exec" => super::judged::program(arguments, around),
        "numeric" => numeric(arguments, reference),
        "choice" => choice(arguments, reference),
        "is-refusal" => arguments.none(name).map(|()| (Check::Refusal, Value::Null)),
        "cost" => at_most(arguments, "max_usd", Quantity::CostUsd),
        "latency" => at_most(arguments, "max_ms", Quantity::LatencyMilliseconds),
        "first-token" => at_most(arguments, "max_ms", Quantity::FirstTokenMilliseconds),
        _ => at_most(arguments, "max", Quantity::OutputTokens),
    }
}

pub(super) fn regex(written: &str) -> Result<regex::Regex, Wrong> {
    regex::Regex::new(written).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("the expression `{written}` is broken: {last}").into()
    })
}

fn length(arguments: &mut Arguments, unit: Unit, of: &str) -> Result<(Check, Value), Wrong> {
    let (min, max) = (arguments.count("min")?, arguments.count("max")?);
    if min == Some(0) && max.is_none() {
        return Err(format!("every answer has at least 0 {of}").into());
    }
    if min.is_none() && max.is_none() {
        return Err("it needs `min`, `max` or both".into());
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("`min` is larger than `max`".into());
    }
    // From 0 on is no bound, and so no difference.
    let min = min.filter(|min| *min > 0);
    Ok((Check::Length { unit, min, max }, json!([min, max])))
}

fn likeness(
    arguments: &mut Arguments,
    measure: Measure,
    reference: Option<&str>,
) -> Result<(Check, Value), Wrong> {
    let written = arguments.text("value")?;
    let of_case = written.is_none();
    let Some(text) = written.or(reference.map(str::to_owned)) else {
        return Err(Wrong::Case("it needs a text, or the case a reference".into()));
    };
    let wrong = |why: String| if of_case { Wrong::Case(why) } else { Wrong::Here(why) };
    let what = if of_case { "the reference" } else { "its text" };
    if !measure.finds_anything_in(&text) {
        return Err(wrong(format!("there is nothing in {what} that an answer could be like")));
    }
    if text.chars().nth(LONGEST).is_some() {
        return Err(wrong(format!("{what} has more than {LONGEST} characters")));
    }
    let identity = json!(text);
    Ok((Check::Likeness(measure, text), identity))
}

fn choice(arguments: &mut Arguments, reference: Option<&str>) -> Result<(Check, Value), Wrong> {
    let options = arguments.list("options")?;
    let folded: Vec<String> = options.iter().map(|option| option.to_lowercase()).collect();
    if let Some(twice) = (1..folded.len()).find(|n| folded[..*n].contains(&folded[*n])) {
        return Err(format!("the option “{}” stands there twice", options[twice]).into());
    }
    let written = arguments.text("equals")?;
    let of_case = written.is_none();
    let equals = written.or(reference.map(|r| r.trim().trim_end_matches('.').to_owned()));
    let equals = equals.ok_or_else(|| Wrong::Case("it needs `equals`, or the case a reference".into()))?;
    if !folded.contains(&equals.to_lowercase()) {
        let why = format!("“{equals}” is none of its options");
        return Err(if of_case { Wrong::Case(why) } else { why.into() });
    }
    let identity = json!([options, equals]);
    Ok((Check::Choice { options, equals }, identity))
}

fn numeric(arguments: &mut Arguments, reference: Option<&str>) -> Result<(Check, Value), Wrong> {
    let equals = match arguments.number("equals")? {
        Some(number) => Some(number),
        None => arguments.number("value")?,
    };
    let from_reference =
        || reference.map(numbers_in).and_then(|n| n.last().copied()).filter(|n| n.is_finite());
    let equals = equals
        .or_else(from_reference)
        .ok_or_else(|| Wrong::Case("it needs `equals`, or the case a reference with a number".into()))?;
    let tolerance = match arguments.take("tolerance") {
        None => Tolerance::Absolute(0.0),
        Some(Value::Number(by)) => Tolerance::Absolute(by.as_f64().unwrap_or(f64::NAN)),
        Some(Value::String(written)) => {
            let (number, share) = match written.trim().strip_suffix('%') {
                Some(percent) => (percent, true),
                None => (written.trim(), false),
            };
            let number: f64 =
                number.trim().parse().map_err(|_| "`tolerance` is a number, or a share as `1%`")?;
            if share { Tolerance::Share(number / 100.0) } else { Tolerance::Absolute(number) }
        }
        Some(_) => return Err("`tolerance` is a number, or a share as `1%`".into()),
    };
    let (by, how) = match tolerance {
        Tolerance::Absolute(by) => (by, "by"),
        Tolerance::Share(share) => (share, "share"),
    };
    if !(by >= 0.0 && by.is_finite()) {
        return Err("`tolerance` must not be negative".into());
    }
    Ok((Check::Numeric { equals, tolerance }, json!([equals, how, by])))
}

fn tool_call(arguments: &mut Arguments, tools: &[Tool]) -> Result<(Check, Value), Wrong> {
    let name = match arguments.text("name")? {
        Some(name) => Some(name),
        None => arguments.text("value")?,
    };
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err("the tool's name is empty; leave it out where any tool will do".into());
    }
    let wanted = match arguments.take("arguments") {
        None => Map::new(),
        Some(Value::Object(wanted)) if !wanted.is_empty() => wanted,
        Some(_) => {
            return Err(
                "`arguments` is a map of what must be in the call; leave it out where anything may be".into(),
            );
        }
    };
    offered(name.as_deref(), tools)?;
    let identity = json!([name, wanted]);
    Ok((Check::ToolCall { name, arguments: wanted }, identity))
}

/// A tool that is not offered is never called, and `not-tool-call` of it passes every answer. What a provider's own
/// tools are called is not known here.
fn offered(name: Option<&str>, tools: &[Tool]) -> Result<(), Wrong> {
    if tools.is_empty() {
        let hint = "name a file of tools in the set, as `request: {tools: tools.json}`";
        return Err(Wrong::Hinted("the request offers no tools, so none is ever called".into(), hint.into()));
    }
    let functions = || tools.iter().filter_map(Tool::as_function).map(|function| function.name.as_str());
    let Some(name) =
        name.filter(|name| functions().count() == tools.len() && !functions().any(|f| f == *name))
    else {
        return Ok(());
    };
    let hint = match nearest(name, functions()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the tools are {}", functions().collect::<Vec<_>>().join(", ")),
    };
    Err(Wrong::Hinted(format!("the request offers no tool `{name}`"), hint))
}

fn finish_reason(arguments: &mut Arguments) -> Result<(Check, Value), Wrong> {
    let words = match arguments.take("value") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) if !words.is_empty() => {
            let word = |word: &Value| word.as_str().map(str::to_owned);
            words.iter().map(word).collect::<Option<_>>().ok_or("its reasons must be words")?
        }
        _ => return Err("it needs a reason, or a list of them".into()),
    };
    // An answer that broke is a failure and not graded.
    let known: Vec<FinishReason> =
        FinishReason::ALL.into_iter().filter(|r| *r != FinishReason::Error).collect();
    let reason = |word: &String| {
        known.iter().copied().find(|reason| reason.name() == word).ok_or_else(|| {
            let names = || known.iter().map(|reason| reason.name());
            let hint = match nearest(word, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the reasons are {}", names().collect::<Vec<_>>().join(", ")),
            };
            Wrong::Hinted(format!("there is no finish reason `{word}`"), hint)
        })
    };
    let reasons: Vec<FinishReason> = words.iter().map(reason).collect::<Result<_, _>>()?;
    if known.iter().all(|reason| reasons.contains(reason)) {
        return Err("every answer ends for one of all reasons".into());
    }
    Ok((Check::Finish(reasons), json!(words)))
}

fn at_most(arguments: &mut Arguments, name: &str, quantity: Quantity) -> Result<(Check, Value), Wrong> {
    let limit = match arguments.number(name)? {
        Some(limit) => Some(limit),
        None => arguments.number("value")?,
    };
    let limit = limit.ok_or_else(|| format!("it needs `{name}`"))?;
    if limit < 0.0 {
        return Err(format!("`{name}` must not be negative").into());
    }
    // A free model does cost nothing. Nothing takes no time.
    if limit == 0.0 && quantity != Quantity::CostUsd {
        return Err(format!("`{name}` must be above 0").into());
    }
    Ok((Check::AtMost(quantity, limit), json!([name, limit])))
}
