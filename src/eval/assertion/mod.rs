//! Assertions: single checks on an answer. Each family of checks has a file with its rows of the table, the
//! parsers of their options, and the checks themselves. This file has the table. Depends on `chat` and on the
//! answers, verdicts, and grader tasks of the parent module.

mod assertion_type;
mod call_limit;
mod check;
mod choice;
mod combination;
mod compile_cache;
mod count_range;
mod embedding;
mod excerpt;
mod finish_reason;
mod fold;
mod grader_check;
mod json;
mod json_diff;
mod json_path;
mod json_value;
mod judge;
mod length;
mod match_count;
mod numeric;
mod options;
mod parse_assertion;
mod parse_error;
mod program;
mod refusal;
mod regex_match;
mod sequence_distance;
mod similarity;
#[cfg(test)]
pub(super) mod test_assertions;
#[cfg(test)]
mod tests;
mod text_match;
mod tool_call;

pub(crate) use assertion_type::{AssertionContext, AssertionResources, BuiltAssertion};
pub(crate) use check::{
    Assertion, AssertionCheck, CallMetric, CheckOutcome, LabelChoice, collect_grader_tasks,
};
pub(crate) use compile_cache::{CompileCache, REGEX_HINT, explain_regex_error};
pub(crate) use parse_assertion::parse_assertion;
pub(crate) use parse_error::{AssertionError, AssertionPart, OptionError};
pub(crate) use refusal::IsRefusal;

use assertion_type::AssertionType;

/// The table of all assertions, in the same order as the documentation.
static ASSERTIONS: &[&AssertionType] = &[
    &text_match::EQUALS,
    &text_match::IEQUALS,
    &text_match::CONTAINS,
    &text_match::ICONTAINS,
    &text_match::CONTAINS_ALL,
    &text_match::CONTAINS_ANY,
    &text_match::ICONTAINS_ALL,
    &text_match::ICONTAINS_ANY,
    &text_match::STARTS_WITH,
    &text_match::ENDS_WITH,
    &regex_match::REGEX,
    &match_count::MATCH_COUNT,
    &length::WORD_COUNT,
    &length::LENGTH,
    &json::IS_JSON,
    &json::CONTAINS_JSON,
    &json::JSON_SCHEMA,
    &json_path::JSON_PATH,
    &tool_call::TOOL_CALL,
    &finish_reason::FINISH_REASON,
    &similarity::LEVENSHTEIN,
    &similarity::ROUGE_L,
    &similarity::TOKEN_F1,
    &embedding::SIMILAR,
    &json_diff::JSON_DIFF,
    &numeric::NUMERIC,
    &choice::CHOICE,
    &refusal::IS_REFUSAL,
    &call_limit::COST,
    &call_limit::LATENCY,
    &call_limit::FIRST_TOKEN,
    &call_limit::OUTPUT_TOKENS,
    &judge::LLM_RUBRIC,
    &judge::FACTUALITY,
    &program::EXEC,
    &combination::ANY_OF,
    &combination::ALL_OF,
];
