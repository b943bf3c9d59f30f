//! The part that all dialects over server-sent events share: framing, and bodies that are no stream at all.

use super::frame::{SseDecoder, SseFrame};
use super::wire::empty;
use super::{Progress, StreamDecoder};
use crate::chat::{Event, Failure, FailureClass, Phase};

/// What a dialect does with one event of a stream, or with a whole body in its place.
pub(super) trait FrameReader: Send {
    /// One event.
    fn frame(&mut self, frame: &SseFrame, events: &mut Vec<Event>) -> Result<Progress, Failure>;

    /// A whole body where a stream was asked for: some servers ignore the wish, some answer errors with 200.
    fn whole(&mut self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Failure>;

    /// The stream is over.
    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure>;

    /// Whether the terminal event came, so that a broken rest harms nothing.
    fn is_finished(&self) -> bool;
}

/// A [`StreamDecoder`] over server-sent events.
pub(super) struct SseStream<R> {
    reader: R,
    body: Body,
    done: bool,
}

enum Body {
    /// Only white space so far.
    Blank,
    Events(SseDecoder),
    Json(Vec<u8>),
}

/// A whole body in place of a stream may be this long, in bytes.
pub(super) const WHOLE_LIMIT: usize = 64 << 20;

impl<R: FrameReader> SseStream<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, body: Body::Blank, done: false }
    }

    fn read(&mut self, frames: &[SseFrame], events: &mut Vec<Event>) -> Result<Progress, Failure> {
        for frame in frames {
            match self.reader.frame(frame, events) {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => {
                    self.done = true;
                    return Ok(Progress::Done);
                }
                // After the terminal event the answer is whole; noise behind it does not undo it.
                Err(_) if self.reader.is_finished() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(Progress::More)
    }
}

impl<R: FrameReader> StreamDecoder for SseStream<R> {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<Progress, Failure> {
        if self.done {
            return Ok(Progress::Done);
        }
        if matches!(self.body, Body::Blank) {
            match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
                None => return Ok(Progress::More),
                Some(b'{' | b'[') => self.body = Body::Json(Vec::new()),
                Some(b'<') => return Err(not_a_stream()),
                Some(_) => self.body = Body::Events(SseDecoder::default()),
            }
        }
        match &mut self.body {
            Body::Blank => Ok(Progress::More),
            Body::Json(body) => {
                body.extend_from_slice(bytes);
                if body.len() > WHOLE_LIMIT { Err(too_long()) } else { Ok(Progress::More) }
            }
            Body::Events(decoder) => {
                let mut frames = Vec::new();
                let fed = decoder.feed(bytes, &mut |frame| frames.push(frame));
                let progress = self.read(&frames, events)?;
                fed.map_err(|_| too_long())?;
                Ok(progress)
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        match std::mem::replace(&mut self.body, Body::Blank) {
            Body::Blank if !self.done => Err(empty()),
            Body::Json(body) => self.reader.whole(&body, events),
            Body::Events(mut decoder) if !self.done => {
                if let Some(last) = decoder.end() {
                    // The end may have cut this one: when it does not read, the stream was cut, not malformed.
                    match self.reader.frame(&last, events) {
                        Err(failure) if failure.class != FailureClass::Malformed => return Err(failure),
                        _ => {}
                    }
                }
                self.reader.end(events)
            }
            _ => self.reader.end(events),
        }
    }
}

/// Reads a whole answer through the code that reads streams, so that both mean the same.
pub(super) fn read_whole(
    mut reader: impl FrameReader,
    body: &[u8],
    events: &mut Vec<Event>,
) -> Result<(), Failure> {
    if body.trim_ascii().is_empty() {
        return Err(empty());
    }
    reader.whole(body, events)
}

fn not_a_stream() -> Failure {
    Failure::new(FailureClass::Malformed, Phase::Body, "the answer is an HTML page, not a stream of events")
}

pub(super) fn too_long() -> Failure {
    Failure::new(
        FailureClass::Malformed,
        Phase::Body,
        "one event of the stream is longer than any answer can be",
    )
}

/// One frame with an event name and a JSON body, as servers write it.
pub(super) fn write_frame(event: Option<&str>, data: &impl serde::Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    if let Some(event) = event {
        out.extend_from_slice(format!("event: {event}\n").as_bytes());
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&super::wire::write(data));
    out.extend_from_slice(b"\n\n");
    out
}

/// The failure of a stream that ended early.
pub(super) fn truncated(terminal: &str) -> Failure {
    let message = format!("the stream ended without {terminal}");
    Failure::new(FailureClass::Truncated, Phase::Body, message)
}
