//! `similar`: cosine similarity of embeddings.

use serde_json::json;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::grader_check::{GraderCheck, take_expected_text, take_model_name};
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::eval::grader_task::GraderTask;
use crate::eval::verdict::AssertionKind;

pub(super) const SIMILAR: AssertionType = AssertionType {
    name: "similar",
    example: "similar: {threshold: 0.8}",
    options: &["value", "model"],
    kind: AssertionKind::Content,
    scoring: ScoringMode::Threshold(0.75),
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let text = take_expected_text(options, context.reference)?;
    let model = take_model_name(options, "model", "embedding", context.embedding)?;
    let identity = json!([text, model]);
    Ok(ParsedCheck::new(GraderCheck(GraderTask::Similarity { text, model }), identity))
}
