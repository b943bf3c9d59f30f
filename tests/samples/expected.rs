//! Reads recorded answers from their JSON with code that is independent of the decoders. For each dialect,
//! `fold` turns the objects of a stream into the equivalent complete body, and `read` interprets that body.

use serde_json::{Value, json};
use slalom::chat::{FailureClass, FinishReason};
use slalom::dialect::Dialect;

use super::errors::classes_in_band;
use super::frames::Frames;

mod anthropic;
mod bedrock;
mod cohere_ollama;
mod gemini;
mod openai_chat;
mod openai_responses;

/// A tool call: ID, name, and arguments.
pub(super) type Call = (String, String, Value);

pub(super) enum Expected {
    Answer(Answer),
    /// A failure with one of these classes.
    Failure(Vec<FailureClass>),
}

#[derive(Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<Call>,
    pub(super) finish: Option<FinishReason>,
    /// Input, output, cached, cache write, and reasoning tokens.
    pub(super) usage: [Option<u64>; 5],
}

/// The allowed failure classes.
type ExpectedFailure = Vec<FailureClass>;

pub(super) fn expected_of_body(dialect: Dialect, body: &Value) -> Expected {
    into_expected(read(dialect, body))
}

pub(super) fn expected_of_stream(dialect: Dialect, frames: &Frames) -> Expected {
    if frames.objects.is_empty() && frames.malformed == 0 {
        return Expected::Failure(vec![FailureClass::Empty]);
    }
    // A malformed frame may have contained text.
    if frames.malformed > 0 {
        return Expected::Failure(vec![FailureClass::Malformed, FailureClass::Truncated]);
    }
    let folded = match dialect.as_str() {
        "openai-chat" => openai_chat::fold(frames),
        "openai-responses" => openai_responses::fold(&frames.objects),
        "anthropic" => anthropic::fold(&frames.objects),
        "gemini" => gemini::fold(&frames.objects),
        "cohere" => cohere_ollama::fold_cohere(&frames.objects),
        "ollama" => cohere_ollama::fold_ollama(&frames.objects),
        "bedrock" => bedrock::fold(&frames.objects),
        other => panic!("no expectations for {other}"),
    };
    into_expected(folded.and_then(|body| read(dialect, &body)))
}

fn read(dialect: Dialect, body: &Value) -> Result<Answer, ExpectedFailure> {
    match dialect.as_str() {
        "openai-chat" => openai_chat::read(body),
        "openai-responses" => openai_responses::read(body),
        "anthropic" => anthropic::read(body),
        "gemini" => gemini::read(body),
        "cohere" => cohere_ollama::read_cohere(body),
        "ollama" => cohere_ollama::read_ollama(body),
        "bedrock" => bedrock::read(body),
        other => panic!("no expectations for {other}"),
    }
}

/// An empty answer counts as a failure unless its finish reason explains it.
fn into_expected(read: Result<Answer, ExpectedFailure>) -> Expected {
    let answer = match read {
        Ok(answer) => answer,
        Err(classes) => return Expected::Failure(classes),
    };
    let unexplained =
        matches!(answer.finish, Some(FinishReason::Stop | FinishReason::Other | FinishReason::ToolCalls));
    if unexplained && answer.text.trim().is_empty() && answer.calls.is_empty() {
        return Expected::Failure(vec![FailureClass::Empty]);
    }
    Expected::Answer(answer)
}

/// The allowed failure classes of an error inside a response with status 200.
fn in_band_failure(body: &Value) -> ExpectedFailure {
    classes_in_band(body)
}

fn truncated() -> ExpectedFailure {
    vec![FailureClass::Truncated]
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The concatenated `field` texts of the items for which `pass` holds.
fn texts(items: &Value, field: &str, pass: impl Fn(&Value) -> bool) -> String {
    list(items).filter(|item| pass(item)).map(|item| text(&item[field])).collect()
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number.max(0.0) as u64))
}

fn sum(counts: &[Option<u64>]) -> Option<u64> {
    counts.iter().flatten().copied().reduce(|a, b| a + b)
}

/// Empty text and `null` mean `{}`; text that is not JSON stays a string.
fn arguments(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::String(text) if matches!(text.trim(), "" | "null") => json!({}),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        parsed => parsed.clone(),
    }
}

/// A normal stop with tool calls counts as `ToolCalls`.
fn finish_with_calls(finish: FinishReason, calls: &[Call]) -> Option<FinishReason> {
    Some(if finish == FinishReason::Stop && !calls.is_empty() { FinishReason::ToolCalls } else { finish })
}

/// Appends to a text field of an object.
fn append_text(object: &mut Value, field: &str, more: &Value) {
    if let Some(more) = more.as_str() {
        object[field] = json!(text(&object[field]) + more);
    }
}
