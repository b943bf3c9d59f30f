//! `match-count`: how often a regular expression matches.

use std::sync::Arc;

use serde_json::json;

use super::assertion_type::{AssertionContext, AssertionParser, AssertionType, ParsedCheck, ScoringMode};
use super::check::{AssertionCheck, CheckOutcome};
use super::compile_cache::Pattern;
use super::count_range::CountRange;
use super::excerpt::truncate;
use super::options::AssertionOptions;
use super::parse_error::OptionError;
use crate::chat::format_times;
use crate::eval::answer::GradableAnswer;
use crate::eval::verdict::AssertionKind;

pub(super) const MATCH_COUNT: AssertionType = AssertionType {
    name: "match-count",
    example: "match-count: {regex: '(?m)^- ', min: 3, max: 5}",
    options: &["regex", "min", "max"],
    kind: AssertionKind::Format,
    scoring: ScoringMode::PassFail,
    parser: AssertionParser::Options(parse),
};

fn parse(options: &mut AssertionOptions, context: AssertionContext<'_>) -> Result<ParsedCheck, OptionError> {
    let written = options.take_text("regex")?.ok_or("missing `regex`")?;
    let pattern = context.compiled.pattern(&written)?;
    if pattern.is_match("") {
        return Err(format!("the regular expression `{written}` matches empty text").into());
    }
    let range = CountRange::take(options, "matches")?;
    Ok(ParsedCheck::new(MatchCount { pattern, range }, json!([written, range.identity()])))
}

/// Counts matches that do not overlap.
#[derive(Debug)]
struct MatchCount {
    pattern: Arc<Pattern>,
    range: CountRange,
}

impl AssertionCheck for MatchCount {
    fn evaluate(&self, answer: &GradableAnswer<'_>) -> CheckOutcome {
        let count = self.pattern.find_all(answer.text).count();
        let reason = format!("{} matches {}", truncate(self.pattern.text()), format_times(count));
        CheckOutcome::PassFail(self.range.contains(count), reason)
    }

    fn is_text_based(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_assertions::{parse, try_parse};
    use super::*;
    use crate::eval::verdict::Verdict;

    #[test]
    fn match_count_cases() {
        let bullets = |options: &str| {
            let options = format!(r#"{{"match-count": {{"regex": "(?m)^[-*] ", {options}}}}}"#);
            parse(serde_json::from_str(&options).unwrap())
        };
        let list = "Options:\n- one\n* two\n- three - or four\n-five";
        for (options, expected) in [
            (r#""min": 3"#, true),
            (r#""min": 4"#, false),
            (r#""max": 3"#, true),
            (r#""max": 2"#, false),
            (r#""min": 3, "max": 3"#, true),
            (r#""min": 0, "max": 0"#, false),
        ] {
            let result = bullets(options).grade(&GradableAnswer::text(list));
            assert_eq!(result.verdict == Verdict::Pass, expected, "{options}: {}", result.reason);
        }
        let none = bullets(r#""max": 0"#).grade(&GradableAnswer::text(""));
        assert_eq!((none.verdict, none.reason.as_str()), (Verdict::Pass, "(?m)^[-*]  matches 0 times"));
    }

    #[test]
    fn invalid_match_count_is_error() {
        for (options, expected) in [
            (json!({"min": 1}), "`match-count`: missing `regex`"),
            (json!({"regex": "a"}), "`match-count`: missing `min` or `max`"),
            (
                json!({"regex": "a*", "min": 1}),
                "`match-count`: the regular expression `a*` matches empty text",
            ),
            (json!({"regex": "a", "min": 0}), "`match-count`: every answer has at least 0 matches"),
            (
                json!({"regex": "(", "min": 1}),
                "`match-count`: invalid regular expression `(`: unclosed group",
            ),
        ] {
            let error = try_parse(json!({"match-count": options})).unwrap_err();
            assert_eq!(error.message, expected);
        }
    }
}
