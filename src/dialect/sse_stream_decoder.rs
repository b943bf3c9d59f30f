//! Shared by all dialects that use server-sent events: framing, and bodies that are not a stream.

use super::frame::{SseDecoder, SseFrame};
use super::wire_json::empty_body_failure;
use super::{DecodeProgress, StreamDecoder};
use crate::chat::{Failure, FailureClass, FailurePhase, StreamEvent};

/// Decodes the events of one response, or a complete body received instead of a stream.
pub(super) trait SseResponseDecoder: Send {
    fn decode_frame(
        &mut self,
        frame: &SseFrame,
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure>;

    /// Decodes a complete body. Some servers ignore `stream`, and some send errors with status 200.
    fn decode_body(&mut self, body: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), Failure>;

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure>;

    /// Whether the terminal event arrived, so that later errors do not matter.
    fn is_finished(&self) -> bool;
}

/// A [`StreamDecoder`] for server-sent events.
pub(super) struct SseStreamDecoder<R> {
    response_decoder: R,
    body: DetectedBody,
    is_done: bool,
}

enum DetectedBody {
    /// Only whitespace so far.
    Undetermined,
    Sse(SseDecoder),
    Json(Vec<u8>),
}

/// Maximum size of a complete body received instead of a stream: 64 MiB.
pub(super) const MAX_BODY_BYTES: usize = 64 << 20;

impl<R: SseResponseDecoder> SseStreamDecoder<R> {
    pub(super) fn new(response_decoder: R) -> Self {
        Self { response_decoder, body: DetectedBody::Undetermined, is_done: false }
    }

    fn decode_frames(
        &mut self,
        frames: &[SseFrame],
        events: &mut Vec<StreamEvent>,
    ) -> Result<DecodeProgress, Failure> {
        for frame in frames {
            match self.response_decoder.decode_frame(frame, events) {
                Ok(DecodeProgress::More) => {}
                Ok(DecodeProgress::Done) => {
                    self.is_done = true;
                    return Ok(DecodeProgress::Done);
                }
                // After the terminal event the response is complete, so later errors do not matter.
                Err(_) if self.response_decoder.is_finished() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(DecodeProgress::More)
    }
}

impl<R: SseResponseDecoder> StreamDecoder for SseStreamDecoder<R> {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<DecodeProgress, Failure> {
        if self.is_done {
            return Ok(DecodeProgress::Done);
        }
        if matches!(self.body, DetectedBody::Undetermined) {
            match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
                None => return Ok(DecodeProgress::More),
                Some(b'{' | b'[') => self.body = DetectedBody::Json(Vec::new()),
                Some(b'<') => return Err(html_page_failure()),
                Some(_) => self.body = DetectedBody::Sse(SseDecoder::default()),
            }
        }
        match &mut self.body {
            DetectedBody::Undetermined => Ok(DecodeProgress::More),
            DetectedBody::Json(body) => {
                body.extend_from_slice(bytes);
                if body.len() > MAX_BODY_BYTES {
                    Err(oversized_event_failure())
                } else {
                    Ok(DecodeProgress::More)
                }
            }
            DetectedBody::Sse(decoder) => {
                let mut frames = Vec::new();
                let fed = decoder.feed(bytes, &mut |frame| frames.push(frame));
                let progress = self.decode_frames(&frames, events)?;
                fed.map_err(|_| oversized_event_failure())?;
                Ok(progress)
            }
        }
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), Failure> {
        match std::mem::replace(&mut self.body, DetectedBody::Undetermined) {
            DetectedBody::Undetermined if !self.is_done => Err(empty_body_failure()),
            DetectedBody::Json(body) => self.response_decoder.decode_body(&body, events),
            DetectedBody::Sse(mut decoder) if !self.is_done => {
                if let Some(last) = decoder.finish() {
                    // The end of the stream may have cut this event. If it cannot be parsed, the stream is
                    // truncated, not malformed.
                    match self.response_decoder.decode_frame(&last, events) {
                        Err(failure) if failure.class != FailureClass::Malformed => return Err(failure),
                        _ => {}
                    }
                }
                self.response_decoder.finish(events)
            }
            _ => self.response_decoder.finish(events),
        }
    }
}

/// Decodes a complete body with the stream decoder, so that both give the same result.
pub(super) fn decode_complete_body(
    mut response_decoder: impl SseResponseDecoder,
    body: &[u8],
    events: &mut Vec<StreamEvent>,
) -> Result<(), Failure> {
    if body.trim_ascii().is_empty() {
        return Err(empty_body_failure());
    }
    response_decoder.decode_body(body, events)
}

fn html_page_failure() -> Failure {
    Failure::new(
        FailureClass::Malformed,
        FailurePhase::Body,
        "the response is an HTML page, not an event stream",
    )
}

pub(super) fn oversized_event_failure() -> Failure {
    Failure::new(FailureClass::Malformed, FailurePhase::Body, "an event in the stream is too long")
}

pub(super) fn encode_sse_frame(event: Option<&str>, data: &impl serde::Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    if let Some(event) = event {
        out.extend_from_slice(format!("event: {event}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&super::wire_json::encode_json(data));
    out.extend_from_slice(b"\n\n");
    out
}

/// The failure of a stream that ended without its terminal event.
pub(super) fn truncated_failure(terminal: &str) -> Failure {
    let message = format!("the stream ended without {terminal}");
    Failure::new(FailureClass::Truncated, FailurePhase::Body, message)
}
