//! Input and output of grader programs.

use serde_json::{Value, json};

use super::super::{Case, GradableAnswer};
use super::judge_prompt::{conversation_json, truncate_reason};
use crate::chat::sanitize_message;

/// The case and the answer, as one line of JSON.
pub(super) fn encode_program_input(case: &Case, answer: &GradableAnswer<'_>) -> String {
    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    let input = json!({
        "schema": "slalom.exec/1",
        "case": {
            "id": case.metadata.id, "digest": case.metadata.digest, "tags": case.metadata.tags, "reference": case.reference,
            "prompt": case.request.last_user_text(), "conversation": conversation_json(&case.request),
        },
        "answer": {
            "text": answer.text, "tool_calls": answer.tool_calls.unwrap_or_default(),
            "finish_reason": answer.finish_reason.map(|reason| reason.as_str()),
            "latency_ms": answer.latency.map(milliseconds), "first_token_ms": answer.first_token.map(milliseconds),
            "cost_usd": answer.cost_usd,
            "usage": {"input_tokens": answer.usage.input_tokens, "output_tokens": answer.usage.output_tokens},
        },
    });
    format!("{input}\n")
}

/// How much of an invalid output is shown.
const MAX_SHOWN_CHARS: usize = 60;

/// Expects `{"score": 0.8, "reason": "…"}`.
pub(super) fn parse_program_output(output: &str) -> Result<(f64, String), String> {
    let wrong = |why: &str| format!("the program must print {{\"score\": 0.8, \"reason\": \"…\"}}; {why}");
    let value: Value = serde_json::from_str(output.trim()).map_err(|_| match output.trim() {
        "" => wrong("it printed nothing"),
        text => {
            let shown: String = sanitize_message(text).chars().take(MAX_SHOWN_CHARS).collect();
            wrong(&format!("it printed `{shown}`"))
        }
    })?;
    let score = value.get("score").and_then(Value::as_f64);
    let score = score.filter(|score| (0.0..=1.0).contains(score));
    let score = score.ok_or_else(|| wrong("its `score` is missing or not between 0 and 1"))?;
    match value.get("reason") {
        None | Some(Value::Null) => Ok((score, String::new())),
        Some(Value::String(reason)) => Ok((score, truncate_reason(reason))),
        Some(_) => Err(wrong("its `reason` is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_program_output_cases() {
        assert_eq!(parse_program_output("{\"score\": 1}\n"), Ok((1.0, String::new())));
        assert_eq!(parse_program_output(r#"{"reason": "a\n b", "score": 0.25}"#), Ok((0.25, "a b".into())));
        for wrong in [
            "",
            "1",
            "{}",
            "{\"score\": 1.5}",
            "{\"score\": \"1\"}",
            "{\"score\": 1, \"reason\": 2}",
            "{\"score\": 1} x",
        ] {
            assert!(parse_program_output(wrong).is_err(), "{wrong}");
        }
    }
}
