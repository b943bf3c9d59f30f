//! Answers to one prompt, side by side.

use serde_json::{Value, json};

use super::call_envelope::call_envelope;
use super::call_summary::call_summary_line;
use super::format::{format_duration, strip_control_chars};
use super::pairwise_table::{PairwiseView, pairwise_json, pairwise_lines};
use super::reasons::describe_stop;
use super::table::new_table;
use crate::eval::StructuredOutput;
use crate::route::CallRecord;

/// The narrowest column that is still readable.
const MIN_COLUMN_WIDTH: usize = 30;

/// Answers in columns, or in rows if the columns would be too narrow.
pub(crate) fn compare_table(
    records: &[(CallRecord, Option<StructuredOutput>)],
    judged: Option<&PairwiseView<'_>>,
    width: usize,
) -> String {
    let below = judged.map(|judged| pairwise_lines(judged, &requested_models(records))).unwrap_or_default();
    let answers: Vec<(String, String, String)> = records.iter().map(answer_cells).collect();
    if width / records.len().max(1) >= MIN_COLUMN_WIDTH {
        let names: Vec<&str> = answers.iter().map(|(name, _, _)| name.as_str()).collect();
        let mut table = new_table(width, &names, &[]);
        table.add_row(answers.iter().map(|(_, text, _)| text.as_str()));
        table.add_row(answers.iter().map(|(_, _, foot)| foot.as_str()));
        return format!("{table}\n{below}");
    }
    let mut table = new_table(width, &["model", "answer"], &[]);
    for (name, text, foot) in &answers {
        table.add_row([name.as_str(), &format!("{text}\n\n{foot}")]);
    }
    format!("{table}\n{below}")
}

fn requested_models(records: &[(CallRecord, Option<StructuredOutput>)]) -> Vec<&str> {
    records.iter().map(|(record, _)| record.requested_model.as_str()).collect()
}

fn answer_cells((record, structured): &(CallRecord, Option<StructuredOutput>)) -> (String, String, String) {
    let name = record.requested_model.clone();
    match &record.outcome {
        Ok(answer) => {
            let mut text = strip_control_chars(&answer.response.text);
            for call in &answer.response.tool_calls {
                text.push_str(&strip_control_chars(&format!("\n→ {} {}", call.name, call.arguments)));
            }
            if let Some(Err(why)) = structured {
                text.push_str(&format!("\n\n(does not match the schema: {})", strip_control_chars(why)));
            }
            (name, text.trim_start().to_owned(), call_summary_line(record, answer))
        }
        Err(no_answer) => {
            let why = no_answer
                .failure
                .as_ref()
                .map_or_else(|| describe_stop(no_answer.reason), ToString::to_string);
            (name, format!("no answer: {}", strip_control_chars(&why)), format_duration(record.latency))
        }
    }
}

/// The JSON objects of all answers and the judge's verdicts.
pub(crate) fn compare_json(
    records: &[(CallRecord, Option<StructuredOutput>)],
    judged: Option<&PairwiseView<'_>>,
    exit_code: u8,
) -> serde_json::Result<Value> {
    let answers = records
        .iter()
        .map(|(record, structured)| serde_json::to_value(call_envelope(record, structured.as_ref(), None)))
        .collect::<serde_json::Result<Vec<Value>>>()?;
    let judgement = judged.map(|judged| pairwise_json(judged, &requested_models(records)));
    Ok(
        json!({"schema": "slalom.compare/1", "answers": answers, "judgement": judgement, "exit_code": exit_code}),
    )
}
