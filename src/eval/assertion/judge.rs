//! `llm-rubric` and `factuality`: grades from a judge.

use serde_json::{Value, json};

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::grader_check::{GraderCheck, take_expected_text, take_model_name};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::grader_task::{GradeScale, GraderTask, JudgeQuestion};
use crate::eval::verdict::AssertionKind;

/// A grade according to a rubric, which can use the case's variables.
pub(super) const LLM_RUBRIC: AssertionType = AssertionType {
    name: "llm-rubric",
    example: "llm-rubric: Is polite, and names a price",
    options: &["value", "scale", "judge", "votes"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(0.75),
    parser: AssertionParser::Options(parse_rubric),
};

/// Whether the answer agrees with the reference.
pub(super) const FACTUALITY: AssertionType = AssertionType {
    name: "factuality",
    example: "factuality: {votes: 3}",
    options: &["value", "judge", "votes"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(1.0),
    parser: AssertionParser::Options(parse_factuality),
};

/// Used if the assertion has no `scale`.
const DEFAULT_SCALE: GradeScale = GradeScale { low: 1, high: 5 };

/// Larger scales ask for distinctions that judges cannot make.
const MAX_GRADE: u32 = 100;

/// More votes add cost but hardly any certainty.
const MAX_VOTES: u32 = 15;

fn parse_rubric(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<ParsedCheck, OptionError> {
    let written = options.take_text("value")?.filter(|text| !text.trim().is_empty());
    let written = written.ok_or("missing rubric: describe a good answer")?;
    let rubric = context.resources.render_template("rubric", &written)?;
    let scale = parse_scale(options)?;
    let identity = json!([rubric, scale.low, scale.high]);
    build_judge_check(options, context, JudgeQuestion::Rubric { rubric, scale }, &identity)
}

fn parse_factuality(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
) -> Result<ParsedCheck, OptionError> {
    let reference = take_expected_text(options, context.reference)?;
    let identity = json!(reference);
    build_judge_check(options, context, JudgeQuestion::Factuality { reference }, &identity)
}

fn build_judge_check(
    options: &mut AssertionOptions,
    context: AssertionContext<'_>,
    question: JudgeQuestion,
    identity: &Value,
) -> Result<ParsedCheck, OptionError> {
    let judge = take_model_name(options, "judge", "judge", context.judge)?;
    let votes = match options.take_count("votes")?.map(u32::try_from) {
        None => 1,
        Some(Ok(votes @ 1..=MAX_VOTES)) if votes % 2 == 1 => votes,
        Some(_) => {
            return Err(format!("`votes` must be odd and at most {MAX_VOTES}").into());
        }
    };
    let identity = json!([identity, judge, votes]);
    Ok(ParsedCheck::new(GraderCheck(GraderTask::Judge { question, judge, votes }), identity))
}

/// `scale: 10` means 1 to 10; `scale: [0, 3]` means 0 to 3.
fn parse_scale(options: &mut AssertionOptions) -> Result<GradeScale, OptionError> {
    let grade = |value: &Value| value.as_u64().and_then(|grade| u32::try_from(grade).ok());
    let scale = match options.take("scale") {
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
