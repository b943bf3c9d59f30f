//! Encodes a response, streamed or complete, with its fault.

use serde_json::{Value, json};

use super::SimulatedFault;
use super::simulated_metadata::{SIMULATED_TIMING, failure_metadata, opening_usage};
use super::simulated_response::{SimulatedOutcome, SimulatedResponse};
use crate::chat::{FailureClass, FinishReason, Part, StreamEvent};
use crate::dialect::{
    AwsDecoder, AwsFrame, Dialect, ErrorEvent, ResponseIdentity, ResponseMetadata, ServerFailure,
    StreamEncoder, StreamEnding, StreamFraming, encode_aws_frame,
};

const MID_STREAM_ERROR_MESSAGE: &str = "Overloaded (simulated)";

/// The frames of a stream, about one token each, with the fault applied.
pub(super) fn encode_stream(
    dialect: Dialect,
    identity: &ResponseIdentity,
    answer: &SimulatedResponse,
) -> Vec<Vec<u8>> {
    let fault = match &answer.outcome {
        SimulatedOutcome::Fault(fault) => Some(*fault),
        _ => None,
    };
    let mut encoder = dialect.server_codec().stream_encoder(identity);
    let opening = encoder.encode_start(&opening_usage(&answer.response.usage));
    encoder.record_timing(SIMULATED_TIMING);
    encoder.encode_event(&StreamEvent::Usage(answer.response.usage));
    let mut frames = match fault {
        Some(SimulatedFault::DoneOnly | SimulatedFault::ErrorFirst) => Vec::new(),
        // In dialects without an opening frame, a delta without text opens the response.
        Some(SimulatedFault::RoleOnly) if opening.is_empty() => {
            vec![encoder.encode_event(&StreamEvent::TextDelta(String::new()))]
        }
        _ => vec![opening],
    };
    let events = split_into_events(&answer.response.parts);
    let (mut before, after) = events.split_at(events_before_fault(fault, events.len()));
    let in_call = matches!(after.first(), Some(StreamEvent::ToolCallDelta { .. }));
    if fault == Some(SimulatedFault::SafetyStop) && dialect.stream.sends_whole_tool_calls && in_call {
        let start = before.iter().rposition(|event| matches!(event, StreamEvent::ToolCallStart { .. }));
        before = &before[..start.unwrap_or(before.len())];
    }
    frames.extend(before.iter().map(|event| encoder.encode_event(event)));
    match fault {
        Some(
            SimulatedFault::CutPolitely
            | SimulatedFault::RoleOnly
            | SimulatedFault::Cut
            | SimulatedFault::Stall,
        ) => {}
        Some(SimulatedFault::DoneOnly) => frames.push(b"data: [DONE]\n\n".to_vec()),
        Some(SimulatedFault::ErrorFirst | SimulatedFault::ErrorInStream) => {
            frames.push(encode_plain_error(dialect));
        }
        Some(SimulatedFault::VendorErrorFirst | SimulatedFault::VendorErrorInStream) => {
            frames.push(encode_error_event(dialect, &mut *encoder));
        }
        Some(SimulatedFault::ErrorWithoutChoices) => {
            frames.push(frame_json(dialect, &encode_error_without_choices(dialect)));
        }
        Some(SimulatedFault::Malformed) => {
            frames.push(corrupt_frame(
                dialect,
                encoder.encode_event(&StreamEvent::TextDelta("oops".to_owned())),
            ));
            frames.extend(after.iter().map(|event| encoder.encode_event(event)));
            frames.extend(encode_stream_end(dialect, &mut *encoder, answer, fault));
        }
        _ => frames.extend(encode_stream_end(dialect, &mut *encoder, answer, fault)),
    }
    frames.retain(|frame| !frame.is_empty());
    match (&answer.outcome, fault) {
        (SimulatedOutcome::UnexpectedFields, _) => {
            frames.iter().map(|frame| inject_unexpected_fields(frame)).collect()
        }
        // One comment is on its own, the other is inside an event.
        (_, Some(SimulatedFault::Comments)) => {
            frames.iter().map(|frame| [b": still here\n\n: and here\n", &frame[..]].concat()).collect()
        }
        _ => frames,
    }
}

/// How many of a response's events precede its fault.
fn events_before_fault(fault: Option<SimulatedFault>, all: usize) -> usize {
    match fault {
        Some(
            SimulatedFault::RoleOnly
            | SimulatedFault::DoneOnly
            | SimulatedFault::ErrorFirst
            | SimulatedFault::VendorErrorFirst
            | SimulatedFault::ErrorWithoutChoices,
        ) => 0,
        Some(SimulatedFault::ErrorInStream | SimulatedFault::VendorErrorInStream) => all.min(1),
        Some(
            SimulatedFault::CutPolitely
            | SimulatedFault::Cut
            | SimulatedFault::Stall
            | SimulatedFault::Malformed
            | SimulatedFault::SafetyStop,
        ) => all.div_ceil(2),
        _ => all,
    }
}

fn encode_stream_end(
    dialect: Dialect,
    encoder: &mut dyn StreamEncoder,
    answer: &SimulatedResponse,
    fault: Option<SimulatedFault>,
) -> [Vec<u8>; 2] {
    let finish = encoder.encode_event(&StreamEvent::Finish(finish_reason_with_fault(answer, fault)));
    let close = encoder.encode_end();
    let has_own_end = dialect.stream.ending == StreamEnding::EventAfterFinishReason;
    match fault {
        Some(SimulatedFault::NoMessageStop) if has_own_end => [finish, Vec::new()],
        Some(SimulatedFault::NoMessageStop | SimulatedFault::NoFinishReason) => {
            [drop_last_frame(dialect, &finish), close]
        }
        Some(SimulatedFault::NoDone) => [finish, drop_last_frame(dialect, &close)],
        _ => [finish, close],
    }
}

fn finish_reason_with_fault(answer: &SimulatedResponse, fault: Option<SimulatedFault>) -> FinishReason {
    match fault {
        Some(SimulatedFault::FinishError) => FinishReason::Error,
        Some(SimulatedFault::SafetyStop) => FinishReason::ContentFilter,
        _ => answer.response.finish_reason,
    }
}

pub(super) fn encode_faulty_body(
    fault: SimulatedFault,
    dialect: Dialect,
    answer: &SimulatedResponse,
    identity: &ResponseIdentity,
) -> Vec<u8> {
    let mut response = answer.response.clone();
    response.finish_reason = finish_reason_with_fault(answer, Some(fault));
    let body = dialect.server_codec().encode_response(&response, identity, Some(SIMULATED_TIMING));
    match fault {
        SimulatedFault::Cut | SimulatedFault::CutPolitely => body[..body.len() / 2].to_vec(),
        SimulatedFault::ErrorFirst
        | SimulatedFault::ErrorInStream
        | SimulatedFault::VendorErrorFirst
        | SimulatedFault::VendorErrorInStream => encode_error_body(dialect),
        SimulatedFault::ErrorWithoutChoices => encode_error_without_choices(dialect),
        SimulatedFault::Malformed => [&body[..body.len() / 3], b"\"}oops"].concat(),
        _ => body,
    }
}

/// Splits parts into events of about one token each.
fn split_into_events(parts: &[Part]) -> Vec<StreamEvent> {
    let tokens = |text: &str, event: fn(String) -> StreamEvent| -> Vec<StreamEvent> {
        text.split_inclusive(' ').map(|token| event(token.to_owned())).collect()
    };
    let (mut events, mut index) = (Vec::new(), 0);
    for part in parts {
        match part {
            Part::Text { text } => events.extend(tokens(text, StreamEvent::TextDelta)),
            Part::Reasoning { text, state } => {
                events.extend(tokens(text, StreamEvent::ReasoningDelta));
                events.extend(state.clone().map(StreamEvent::ReasoningState));
            }
            Part::ToolCall(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                events.push(StreamEvent::ToolCallStart { index, id, name });
                let arguments = call.arguments.to_string();
                let piece =
                    |piece: &str| StreamEvent::ToolCallDelta { index, arguments_delta: piece.to_owned() };
                events.extend(arguments.split_inclusive(' ').map(piece));
                index += 1;
            }
            Part::Image(_) | Part::Document(_) | Part::ToolResult(_) | Part::ProviderSpecific { .. } => {}
        }
    }
    events
}

fn mid_stream_metadata() -> ResponseMetadata {
    failure_metadata(FailureClass::ServerError)
}

fn mid_stream_failure(metadata: &ResponseMetadata) -> ServerFailure<'_> {
    ServerFailure::new(FailureClass::ServerError, MID_STREAM_ERROR_MESSAGE, metadata)
}

fn encode_error_body(dialect: Dialect) -> Vec<u8> {
    let metadata = mid_stream_metadata();
    dialect.server_codec().encode_failure(&mid_stream_failure(&metadata)).body
}

fn encode_error_without_choices(dialect: Dialect) -> Vec<u8> {
    let body = encode_error_body(dialect);
    match serde_json::from_slice::<Value>(&body) {
        Ok(mut error) => {
            error["choices"] = json!([]);
            error.to_string().into_bytes()
        }
        Err(_) => body,
    }
}

/// JSON as an unnamed frame. In AWS event streams this is an error without a modeled exception type.
fn encode_plain_error(dialect: Dialect) -> Vec<u8> {
    match dialect.stream.framing {
        StreamFraming::AwsEventStream => encode_aws_frame(&AwsFrame {
            message_type: "error".to_owned(),
            event_type: "InternalServerException".to_owned(),
            error_message: MID_STREAM_ERROR_MESSAGE.to_owned(),
            payload: Vec::new(),
        }),
        StreamFraming::Sse | StreamFraming::Ndjson => frame_json(dialect, &encode_error_body(dialect)),
    }
}

/// The provider's error event.
fn encode_error_event(dialect: Dialect, encoder: &mut dyn StreamEncoder) -> Vec<u8> {
    let frame = encoder.encode_error(&mid_stream_failure(&mid_stream_metadata()));
    match dialect.stream.error_event {
        ErrorEvent::NamedBySomeServers => [b"event: error\n", &frame[..]].concat(),
        ErrorEvent::Own | ErrorEvent::None => frame,
    }
}

/// JSON as an unnamed frame of a text stream.
fn frame_json(dialect: Dialect, json: &[u8]) -> Vec<u8> {
    match dialect.stream.framing {
        StreamFraming::Ndjson => [json, b"\n"].concat(),
        StreamFraming::Sse | StreamFraming::AwsEventStream => [b"data: ", json, b"\n\n"].concat(),
    }
}

/// A frame that cannot be parsed: its checksum is wrong or, in text streams, half of its JSON is missing.
fn corrupt_frame(dialect: Dialect, mut frame: Vec<u8>) -> Vec<u8> {
    if dialect.stream.framing != StreamFraming::AwsEventStream {
        return frame_json(dialect, b"{\"oops");
    }
    if let Some(last) = frame.last_mut() {
        *last ^= 0xff;
    }
    frame
}

fn drop_last_frame(dialect: Dialect, bytes: &[u8]) -> Vec<u8> {
    let framing = dialect.stream.framing;
    if framing == StreamFraming::AwsEventStream {
        let frames = decode_aws_frames(bytes);
        return frames.iter().take(frames.len().saturating_sub(1)).flat_map(encode_aws_frame).collect();
    }
    let end = if framing == StreamFraming::Ndjson { "\n" } else { "\n\n" };
    let text = String::from_utf8_lossy(bytes);
    let mut frames: Vec<&str> = text.split_inclusive(end).collect();
    frames.pop();
    frames.concat().into_bytes()
}

/// The messages of an AWS event stream; none for other bytes.
fn decode_aws_frames(bytes: &[u8]) -> Vec<AwsFrame> {
    let mut frames = Vec::new();
    match AwsDecoder::default().feed(bytes, &mut |frame| frames.push(frame)) {
        Ok(()) => frames,
        Err(_) => Vec::new(),
    }
}

/// Adds a field to the JSON and renames another, in binary frames too.
pub(super) fn inject_unexpected_fields(bytes: &[u8]) -> Vec<u8> {
    let mut frames = decode_aws_frames(bytes);
    if frames.is_empty() {
        // One chunk may hold several events of a stream.
        let text = String::from_utf8_lossy(bytes);
        return text
            .split_inclusive("\n\n")
            .flat_map(|event| inject_unexpected_fields_json(event.as_bytes()))
            .collect();
    }
    frames.iter_mut().for_each(|frame| frame.payload = inject_unexpected_fields_json(&frame.payload));
    frames.iter().flat_map(encode_aws_frame).collect()
}

fn inject_unexpected_fields_json(json: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(json).replacen('{', "{\"sim_added\":true,", 1);
    text.replacen("\"id\":", "\"sim_renamed\":", 1)
        .replacen("\"responseId\":", "\"sim_renamed\":", 1)
        .into_bytes()
}
