//! Turns an assertion's options into its check and the value that identifies it.

use serde_json::{Map, Value, json};

use super::options::AssertionOptions;
use super::{AssertionBuildError, AssertionContext};
use crate::chat::{FinishReason, Tool};
use crate::config::diagnostic::find_closest;
use crate::eval::{
    CallMetric, Check, LengthUnit, MatchPosition, NumericTolerance, SimilarityMeasure, TextMatch,
    parse_numbers,
};

/// Limit in characters for references of similarity checks, because the work grows with both texts.
const MAX_REFERENCE_CHARS: usize = 200_000;

pub(super) fn parse_check(
    name: &str,
    arguments: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<(Check, Value), AssertionBuildError> {
    let reference = context.reference;
    let text = |place, ignore_case, all, needles: Vec<String>| {
        let identity = json!(needles);
        Ok((Check::Text(TextMatch { place, ignore_case, needles, is_all_required: all }), identity))
    };
    match name {
        "equals" => {
            text(MatchPosition::Whole, false, true, vec![arguments.take_text_or_reference(reference)?])
        }
        "iequals" => {
            text(MatchPosition::Whole, true, true, vec![arguments.take_text_or_reference(reference)?])
        }
        "contains" => text(
            MatchPosition::Anywhere,
            false,
            true,
            vec![arguments.take_nonempty_text_or_reference(reference)?],
        ),
        "icontains" => text(
            MatchPosition::Anywhere,
            true,
            true,
            vec![arguments.take_nonempty_text_or_reference(reference)?],
        ),
        "contains-all" => text(MatchPosition::Anywhere, false, true, arguments.take_list("value")?),
        "contains-any" => text(MatchPosition::Anywhere, false, false, arguments.take_list("value")?),
        "icontains-all" => text(MatchPosition::Anywhere, true, true, arguments.take_list("value")?),
        "icontains-any" => text(MatchPosition::Anywhere, true, false, arguments.take_list("value")?),
        "starts-with" => text(
            MatchPosition::Start,
            false,
            true,
            vec![arguments.take_nonempty_text_or_reference(reference)?],
        ),
        "ends-with" => {
            text(MatchPosition::End, false, true, vec![arguments.take_nonempty_text_or_reference(reference)?])
        }
        "regex" => {
            let written = arguments.take_text("value")?.ok_or("missing regular expression")?;
            let pattern = context.caches.compile_pattern(&written)?;
            if ["", "x", "7 \u{e4}\n"].iter().all(|probe| pattern.regex().is_match(probe)) {
                return Err(format!("the regular expression `{written}` matches every answer").into());
            }
            Ok((Check::Regex(pattern), json!(written)))
        }
        "word-count" => parse_length(arguments, LengthUnit::Words, "words"),
        "length" => parse_length(arguments, LengthUnit::Characters, "characters"),
        "is-json" => arguments.reject_argument(name).map(|()| (Check::IsJson, Value::Null)),
        "contains-json" => super::json_checks::parse_contains_json(arguments, context),
        "json-schema" => super::json_checks::parse_json_schema(arguments, context),
        "json-path" => super::json_checks::parse_json_path(arguments, context),
        "json-diff" => super::json_checks::parse_json_diff(arguments, reference),
        "tool-call" => parse_tool_call(arguments, context.tools),
        "finish-reason" => parse_finish_reason(arguments),
        "levenshtein" => parse_similarity(arguments, SimilarityMeasure::Levenshtein, reference),
        "rouge-l" => parse_similarity(arguments, SimilarityMeasure::RougeL, reference),
        "token-f1" => parse_similarity(arguments, SimilarityMeasure::TokenF1, reference),
        "similar" => super::grader_checks::parse_similar(arguments, context),
        "llm-rubric" => super::grader_checks::parse_rubric(arguments, context),
        "factuality" => super::grader_checks::parse_factuality(arguments, context),
        "exec" => super::grader_checks::parse_exec(arguments, context),
        "numeric" => parse_numeric(arguments, reference),
        "choice" => parse_choice(arguments, reference),
        "is-refusal" => arguments.reject_argument(name).map(|()| (Check::Refusal, Value::Null)),
        "cost" => parse_upper_limit(arguments, "max_usd", CallMetric::CostUsd),
        "latency" => parse_upper_limit(arguments, "max_ms", CallMetric::LatencyMilliseconds),
        "first-token" => parse_upper_limit(arguments, "max_ms", CallMetric::FirstTokenMilliseconds),
        _ => parse_upper_limit(arguments, "max", CallMetric::OutputTokens),
    }
}

fn parse_length(
    arguments: &mut AssertionOptions,
    unit: LengthUnit,
    unit_name: &str,
) -> Result<(Check, Value), AssertionBuildError> {
    let (min, max) = (arguments.take_count("min")?, arguments.take_count("max")?);
    if min == Some(0) && max.is_none() {
        return Err(format!("every answer has at least 0 {unit_name}").into());
    }
    if min.is_none() && max.is_none() {
        return Err("missing `min` or `max`".into());
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err("`min` is larger than `max`".into());
    }
    // A minimum of 0 is the same as none, so both get the same identity.
    let min = min.filter(|min| *min > 0);
    Ok((Check::Length { unit, min, max }, json!([min, max])))
}

fn parse_similarity(
    arguments: &mut AssertionOptions,
    measure: SimilarityMeasure,
    reference: Option<&str>,
) -> Result<(Check, Value), AssertionBuildError> {
    let written = arguments.take_text("value")?;
    let from_case = written.is_none();
    let Some(text) = written.or(reference.map(str::to_owned)) else {
        return Err(AssertionBuildError::Case("missing value, and the case has no reference".into()));
    };
    let wrong = |why: String| {
        if from_case { AssertionBuildError::Case(why) } else { AssertionBuildError::Assertion(why) }
    };
    let what = if from_case { "the reference" } else { "the value" };
    if !measure.has_comparable_text(&text) {
        return Err(wrong(format!("{what} contains nothing to compare with")));
    }
    if text.chars().nth(MAX_REFERENCE_CHARS).is_some() {
        return Err(wrong(format!("{what} has more than {MAX_REFERENCE_CHARS} characters")));
    }
    let identity = json!(text);
    Ok((Check::Similarity(measure, text), identity))
}

fn parse_choice(
    arguments: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<(Check, Value), AssertionBuildError> {
    let options = arguments.take_list("options")?;
    let folded: Vec<String> = options.iter().map(|option| option.to_lowercase()).collect();
    if let Some(duplicate) = (1..folded.len()).find(|n| folded[..*n].contains(&folded[*n])) {
        return Err(format!("duplicate option `{}`", options[duplicate]).into());
    }
    let written = arguments.take_text("equals")?;
    let from_case = written.is_none();
    let equals = written.or(reference.map(|r| r.trim().trim_end_matches('.').to_owned()));
    let equals = equals
        .ok_or_else(|| AssertionBuildError::Case("missing `equals`, and the case has no reference".into()))?;
    if !folded.contains(&equals.to_lowercase()) {
        let why = format!("`{equals}` is not one of the options");
        return Err(if from_case { AssertionBuildError::Case(why) } else { why.into() });
    }
    let identity = json!([options, equals]);
    Ok((Check::Choice { options, equals }, identity))
}

fn parse_numeric(
    arguments: &mut AssertionOptions,
    reference: Option<&str>,
) -> Result<(Check, Value), AssertionBuildError> {
    let equals = match arguments.take_number("equals")? {
        Some(number) => Some(number),
        None => arguments.take_number("value")?,
    };
    let from_reference =
        || reference.map(parse_numbers).and_then(|n| n.last().copied()).filter(|n| n.is_finite());
    let equals = equals.or_else(from_reference).ok_or_else(|| {
        AssertionBuildError::Case("missing `equals`, and the case has no reference with a number".into())
    })?;
    let tolerance = match arguments.take("tolerance") {
        None => NumericTolerance::Absolute(0.0),
        Some(Value::Number(by)) => NumericTolerance::Absolute(by.as_f64().unwrap_or(f64::NAN)),
        Some(Value::String(written)) => {
            let (number, is_percentage) = match written.trim().strip_suffix('%') {
                Some(percent) => (percent, true),
                None => (written.trim(), false),
            };
            let number: f64 = number
                .trim()
                .parse()
                .map_err(|_| "`tolerance` must be a number, or a percentage such as `1%`")?;
            if is_percentage {
                NumericTolerance::Relative(number / 100.0)
            } else {
                NumericTolerance::Absolute(number)
            }
        }
        Some(_) => return Err("`tolerance` must be a number, or a percentage such as `1%`".into()),
    };
    let (by, kind) = match tolerance {
        NumericTolerance::Absolute(by) => (by, "by"),
        NumericTolerance::Relative(share) => (share, "share"),
    };
    if !(by >= 0.0 && by.is_finite()) {
        return Err("`tolerance` must not be negative".into());
    }
    Ok((Check::Numeric { equals, tolerance }, json!([equals, kind, by])))
}

fn parse_tool_call(
    arguments: &mut AssertionOptions,
    tools: &[Tool],
) -> Result<(Check, Value), AssertionBuildError> {
    let name = match arguments.take_text("name")? {
        Some(name) => Some(name),
        None => arguments.take_text("value")?,
    };
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err("the tool name is empty; remove it to accept any tool".into());
    }
    let wanted = match arguments.take("arguments") {
        None => Map::new(),
        Some(Value::Object(wanted)) if !wanted.is_empty() => wanted,
        Some(_) => {
            return Err("`arguments` must be a non-empty map; remove it to accept any arguments".into());
        }
    };
    check_tool_is_offered(name.as_deref(), tools)?;
    let identity = json!([name, wanted]);
    Ok((Check::ToolCall { name, arguments: wanted }, identity))
}

/// A tool that is not offered is never called, so `not-tool-call` would pass every answer. Provider-specific
/// tools have unknown names, so the name is only checked if there are none.
fn check_tool_is_offered(name: Option<&str>, tools: &[Tool]) -> Result<(), AssertionBuildError> {
    if tools.is_empty() {
        let hint = "add tools to the set: `request: {tools: tools.json}`";
        return Err(AssertionBuildError::WithHint(
            "the request has no tools, so the model cannot call one".into(),
            hint.into(),
        ));
    }
    let functions = || tools.iter().filter_map(Tool::as_function).map(|function| function.name.as_str());
    let Some(name) =
        name.filter(|name| functions().count() == tools.len() && !functions().any(|f| f == *name))
    else {
        return Ok(());
    };
    let hint = match find_closest(name, functions()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use one of {}", functions().collect::<Vec<_>>().join(", ")),
    };
    Err(AssertionBuildError::WithHint(format!("unknown tool `{name}`"), hint))
}

fn parse_finish_reason(arguments: &mut AssertionOptions) -> Result<(Check, Value), AssertionBuildError> {
    let names = match arguments.take("value") {
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
            AssertionBuildError::WithHint(format!("unknown finish reason `{name}`"), hint)
        })
    };
    let reasons: Vec<FinishReason> = names.iter().map(reason).collect::<Result<_, _>>()?;
    if known.iter().all(|reason| reasons.contains(reason)) {
        return Err("every answer passes: all finish reasons are listed".into());
    }
    Ok((Check::FinishReason(reasons), json!(names)))
}

fn parse_upper_limit(
    arguments: &mut AssertionOptions,
    name: &str,
    metric: CallMetric,
) -> Result<(Check, Value), AssertionBuildError> {
    let limit = match arguments.take_number(name)? {
        Some(limit) => Some(limit),
        None => arguments.take_number("value")?,
    };
    let limit = limit.ok_or_else(|| format!("missing `{name}`"))?;
    if limit < 0.0 {
        return Err(format!("`{name}` must not be negative").into());
    }
    // A free model costs 0, but every answer takes time and tokens.
    if limit == 0.0 && metric != CallMetric::CostUsd {
        return Err(format!("`{name}` must be above 0").into());
    }
    Ok((Check::UpperLimit(metric, limit), json!([name, limit])))
}
