//! The bytes of an answer, streamed or whole, with the fault that belongs in them.

use serde_json::{Value, json};

use super::Fault;
use super::answer::{Answer, Outcome};
use crate::chat::{Event, FailureClass, FinishReason, Part};
use crate::dialect::{AwsDecoder, AwsFrame, Dialect, Serving, StreamEncoder, write_aws_frame};

/// What errors in the middle of an answer say.
const WORDS: &str = "Overloaded (simulated)";

/// The frames of a stream, with the fault that belongs there. About one token a frame.
pub(super) fn frames(dialect: Dialect, serving: &Serving, answer: &Answer) -> Vec<Vec<u8>> {
    let fault = match &answer.outcome {
        Outcome::Fault(fault) => Some(*fault),
        _ => None,
    };
    let mut encoder = dialect.server().stream_encoder(serving);
    let opening = encoder.open(&answer.response.usage);
    encoder.event(&Event::Usage(answer.response.usage));
    let mut frames = match fault {
        Some(Fault::DoneOnly | Fault::ErrorFirst) => Vec::new(),
        // Where nothing opens an answer, a token without text does.
        Some(Fault::RoleOnly) if opening.is_empty() => vec![encoder.event(&Event::Text(String::new()))],
        _ => vec![opening],
    };
    let events = events(&answer.response.parts);
    let (mut before, after) = events.split_at(events_before(fault, events.len()));
    let in_call = matches!(after.first(), Some(Event::ToolArguments { .. }));
    if fault == Some(Fault::SafetyStop) && dialect == Dialect::Gemini && in_call {
        // Here a call comes whole or not at all.
        let begun = before.iter().rposition(|event| matches!(event, Event::ToolCall { .. }));
        before = &before[..begun.unwrap_or(before.len())];
    }
    frames.extend(before.iter().map(|event| encoder.event(event)));
    match fault {
        Some(Fault::CutPolitely | Fault::RoleOnly | Fault::Cut | Fault::Stall) => {}
        Some(Fault::DoneOnly) => frames.push(b"data: [DONE]\n\n".to_vec()),
        Some(Fault::ErrorFirst | Fault::ErrorInStream) => frames.push(plain_error(dialect)),
        Some(Fault::VendorErrorFirst | Fault::VendorErrorInStream) => {
            frames.push(vendor_error(dialect, &mut *encoder));
        }
        Some(Fault::ErrorWithoutChoices) => frames.push(framed(dialect, &error_without_choices(dialect))),
        Some(Fault::Malformed) => {
            frames.push(unreadable(dialect, encoder.event(&Event::Text("oops".to_owned()))));
            frames.extend(after.iter().map(|event| encoder.event(event)));
            frames.extend(ending(dialect, &mut *encoder, answer, fault));
        }
        _ => frames.extend(ending(dialect, &mut *encoder, answer, fault)),
    }
    frames.retain(|frame| !frame.is_empty());
    match (&answer.outcome, fault) {
        (Outcome::Unexpected, _) => frames.iter().map(|frame| changed(frame)).collect(),
        // One comment stands alone, the other in the middle of an event.
        (_, Some(Fault::Comments)) => {
            frames.iter().map(|frame| [b": still here\n\n: and here\n", &frame[..]].concat()).collect()
        }
        _ => frames,
    }
}

/// How many of an answer's events come before its fault.
fn events_before(fault: Option<Fault>, all: usize) -> usize {
    match fault {
        Some(
            Fault::RoleOnly
            | Fault::DoneOnly
            | Fault::ErrorFirst
            | Fault::VendorErrorFirst
            | Fault::ErrorWithoutChoices,
        ) => 0,
        Some(Fault::ErrorInStream | Fault::VendorErrorInStream) => all.min(1),
        Some(Fault::CutPolitely | Fault::Cut | Fault::Stall | Fault::Malformed | Fault::SafetyStop) => {
            all.div_ceil(2)
        }
        _ => all,
    }
}

/// The frames that end a stream.
fn ending(
    dialect: Dialect,
    encoder: &mut dyn StreamEncoder,
    answer: &Answer,
    fault: Option<Fault>,
) -> [Vec<u8>; 2] {
    let finish = encoder.event(&Event::Finish(finish_reason(answer, fault)));
    let close = encoder.close();
    match fault {
        // Here alone the reason to end and the end are two events.
        Some(Fault::NoMessageStop) if dialect == Dialect::Anthropic => [finish, Vec::new()],
        Some(Fault::NoMessageStop | Fault::NoFinishReason) => [without_last(dialect, &finish), close],
        Some(Fault::NoDone) => [finish, without_last(dialect, &close)],
        _ => [finish, close],
    }
}

/// Why an answer with this fault ends.
fn finish_reason(answer: &Answer, fault: Option<Fault>) -> FinishReason {
    match fault {
        Some(Fault::FinishError) => FinishReason::Error,
        Some(Fault::SafetyStop) => FinishReason::ContentFilter,
        _ => answer.response.finish_reason,
    }
}

/// The body of a whole answer with a fault in it.
pub(super) fn faulty_body(fault: Fault, dialect: Dialect, answer: &Answer, serving: &Serving) -> Vec<u8> {
    let mut response = answer.response.clone();
    response.finish_reason = finish_reason(answer, Some(fault));
    let body = dialect.server().encode_response(&response, serving);
    match fault {
        Fault::Cut | Fault::CutPolitely => body[..body.len() / 2].to_vec(),
        Fault::ErrorFirst | Fault::ErrorInStream | Fault::VendorErrorFirst | Fault::VendorErrorInStream => {
            error_body(dialect)
        }
        Fault::ErrorWithoutChoices => error_without_choices(dialect),
        Fault::Malformed => [&body[..body.len() / 3], b"\"}oops"].concat(),
        _ => body,
    }
}

/// The parts of an answer as they would come, about one token an event.
fn events(parts: &[Part]) -> Vec<Event> {
    let tokens = |text: &str, event: fn(String) -> Event| -> Vec<Event> {
        text.split_inclusive(' ').map(|token| event(token.to_owned())).collect()
    };
    let (mut events, mut index) = (Vec::new(), 0);
    for part in parts {
        match part {
            Part::Text { text } => events.extend(tokens(text, Event::Text)),
            Part::Reasoning { text, state } => {
                events.extend(tokens(text, Event::Reasoning));
                events.extend(state.clone().map(Event::ReasoningState));
            }
            Part::ToolCall(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                events.push(Event::ToolCall { index, id, name });
                let arguments = call.arguments.to_string();
                let piece = |piece: &str| Event::ToolArguments { index, piece: piece.to_owned() };
                events.extend(arguments.split_inclusive(' ').map(piece));
                index += 1;
            }
            Part::Image(_) | Part::Document(_) | Part::ToolResult(_) | Part::Own { .. } => {}
        }
    }
    events
}

/// The body of the dialect's error.
fn error_body(dialect: Dialect) -> Vec<u8> {
    dialect.server().encode_failure(FailureClass::ServerError, WORDS).body
}

fn error_without_choices(dialect: Dialect) -> Vec<u8> {
    let mut error: Value = serde_json::from_slice(&error_body(dialect)).unwrap_or_default();
    error["choices"] = json!([]);
    error.to_string().into_bytes()
}

/// JSON as a frame without a name. In AWS' framing that is an error which no model describes.
fn plain_error(dialect: Dialect) -> Vec<u8> {
    match dialect {
        Dialect::Bedrock => write_aws_frame(&AwsFrame {
            message_type: "error".to_owned(),
            kind: "InternalServerException".to_owned(),
            error_message: WORDS.to_owned(),
            payload: Vec::new(),
        }),
        _ => framed(dialect, &error_body(dialect)),
    }
}

/// The vendor's own event for an error. Of OpenAI's dialects, the older has one with some vendors.
fn vendor_error(dialect: Dialect, encoder: &mut dyn StreamEncoder) -> Vec<u8> {
    let frame = encoder.error(FailureClass::ServerError, WORDS);
    if dialect == Dialect::OpenaiChat { [b"event: error\n", &frame[..]].concat() } else { frame }
}

/// JSON as a frame of a text stream, without a name.
fn framed(dialect: Dialect, json: &[u8]) -> Vec<u8> {
    match dialect {
        Dialect::Ollama => [json, b"\n"].concat(),
        _ => [b"data: ", json, b"\n\n"].concat(),
    }
}

/// A frame that does not parse: one with a wrong checksum, or, where there are none, with half its JSON.
fn unreadable(dialect: Dialect, mut frame: Vec<u8>) -> Vec<u8> {
    if dialect != Dialect::Bedrock {
        return framed(dialect, b"{\"oops");
    }
    if let Some(last) = frame.last_mut() {
        *last ^= 0xff;
    }
    frame
}

/// The frames without the last one of them.
fn without_last(dialect: Dialect, bytes: &[u8]) -> Vec<u8> {
    if dialect == Dialect::Bedrock {
        let frames = aws_frames(bytes);
        return frames.iter().take(frames.len().saturating_sub(1)).flat_map(write_aws_frame).collect();
    }
    let end = if dialect == Dialect::Ollama { "\n" } else { "\n\n" };
    let text = String::from_utf8_lossy(bytes);
    let mut frames: Vec<&str> = text.split_inclusive(end).collect();
    frames.pop();
    frames.concat().into_bytes()
}

/// The messages of an AWS event stream; none where the bytes are something else.
fn aws_frames(bytes: &[u8]) -> Vec<AwsFrame> {
    let mut frames = Vec::new();
    match AwsDecoder::default().feed(bytes, &mut |frame| frames.push(frame)) {
        Ok(()) => frames,
        Err(_) => Vec::new(),
    }
}

/// The same bytes with a field added to their JSON and another renamed, in binary frames too.
pub(super) fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut frames = aws_frames(bytes);
    if frames.is_empty() {
        // Several events of a stream may come in one piece.
        let text = String::from_utf8_lossy(bytes);
        return text.split_inclusive("\n\n").flat_map(|event| changed_json(event.as_bytes())).collect();
    }
    frames.iter_mut().for_each(|frame| frame.payload = changed_json(&frame.payload));
    frames.iter().flat_map(write_aws_frame).collect()
}

fn changed_json(json: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(json).replacen('{', "{\"sim_added\":true,", 1);
    text.replacen("\"id\":", "\"sim_renamed\":", 1)
        .replacen("\"responseId\":", "\"sim_renamed\":", 1)
        .into_bytes()
}
