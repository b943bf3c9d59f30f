//! Several answers to one prompt, side by side.

use serde_json::{Value, json};

use super::envelope::envelope;
use super::footer::footer;
use super::format::{harmless, seconds};
use super::judged::{Judged, judged_json, judged_lines};
use super::table::table;
use crate::eval::Structured;
use crate::route::CallRecord;

/// A column needs this much to be read.
const LEAST_COLUMN: usize = 30;

/// Answers in columns where there is room, one below the other where there is not.
pub fn compare_table(
    records: &[(CallRecord, Option<Structured>)],
    judged: Option<&Judged<'_>>,
    width: usize,
) -> String {
    let below = judged.map(|judged| judged_lines(judged, &names(records))).unwrap_or_default();
    let answers: Vec<(String, String, String)> = records.iter().map(parts).collect();
    if width / records.len().max(1) >= LEAST_COLUMN {
        let names: Vec<&str> = answers.iter().map(|(name, _, _)| name.as_str()).collect();
        let mut table = table(width, &names, &[]);
        table.add_row(answers.iter().map(|(_, text, _)| text.as_str()));
        table.add_row(answers.iter().map(|(_, _, foot)| foot.as_str()));
        return format!("{table}\n{below}");
    }
    let mut table = table(width, &["model", "answer"], &[]);
    for (name, text, foot) in &answers {
        table.add_row([name.as_str(), &format!("{text}\n\n{foot}")]);
    }
    format!("{table}\n{below}")
}

fn names(records: &[(CallRecord, Option<Structured>)]) -> Vec<&str> {
    records.iter().map(|(record, _)| record.requested_model.as_str()).collect()
}

fn parts((record, structured): &(CallRecord, Option<Structured>)) -> (String, String, String) {
    let name = record.requested_model.clone();
    match &record.outcome {
        Ok(answer) => {
            let mut text = harmless(&answer.response.text);
            for call in &answer.response.tool_calls {
                text.push_str(&harmless(&format!("\n→ {} {}", call.name, call.arguments)));
            }
            if let Some(Err(why)) = structured {
                text.push_str(&format!("\n\n(breaks the schema: {})", harmless(why)));
            }
            (name, text.trim_start().to_owned(), footer(record, answer))
        }
        Err(none) => {
            let why = none.failure.as_ref().map_or_else(|| none.why.words(), ToString::to_string);
            (name, format!("no answer: {}", harmless(&why)), seconds(record.latency))
        }
    }
}

/// The envelopes of all answers, and what a judge says of them.
pub fn compare_json(
    records: &[(CallRecord, Option<Structured>)],
    judged: Option<&Judged<'_>>,
    exit_code: u8,
) -> Value {
    let answers: Vec<Value> = records
        .iter()
        .map(|(record, structured)| {
            serde_json::to_value(envelope(record, structured.as_ref(), None)).unwrap_or_default()
        })
        .collect();
    let judgement = judged.map(|judged| judged_json(judged, &names(records)));
    json!({"schema": "slalom.compare/1", "answers": answers, "judgement": judgement, "exit_code": exit_code})
}
