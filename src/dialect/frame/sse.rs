//! Server-sent events, based on the WHATWG HTML standard (section 9.2, "Server-sent events").
//!
//! Deviations from the standard: an event that the end of the stream leaves unterminated is reported, because
//! some servers omit the last blank line and truncation must be distinguished from an end; invalid UTF-8 is
//! replaced; and lines are limited in length so that a server cannot exhaust memory. No byte is scanned
//! twice, so a line of many MiB takes linear time however it is split.

use std::borrow::Cow;

/// Maximum length of a line and of an event's data, in bytes.
const MAX_EVENT_BYTES: usize = 32 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseFrame {
    /// The `event:` field; empty if there is none.
    pub event: String,
    /// The `data:` lines, joined by newlines.
    pub data: String,
}

/// Splits a byte stream, received in chunks of any size, into events.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// Bytes of an incomplete line.
    buffer: Vec<u8>,
    /// The last byte was a carriage return, so a line feed right after it does not end another line.
    after_carriage_return: bool,
    /// False while a byte order mark may still follow.
    has_started: bool,
    event: String,
    data: String,
    has_data: bool,
}

impl SseDecoder {
    /// Passes every complete event to `sink`.
    ///
    /// # Errors
    /// If a line or an event exceeds 32 MiB.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(SseFrame)) -> Result<(), FrameTooLong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(at) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.buffer.extend_from_slice(bytes);
                return if self.buffer.len() > MAX_EVENT_BYTES { Err(FrameTooLong) } else { Ok(()) };
            };
            self.after_carriage_return = bytes[at] == b'\r';
            if self.buffer.is_empty() {
                self.process_line(&bytes[..at], sink);
            } else {
                let mut line = std::mem::take(&mut self.buffer);
                line.extend_from_slice(&bytes[..at]);
                self.process_line(&line, sink);
                line.clear();
                self.buffer = line;
            }
            if self.data.len() > MAX_EVENT_BYTES {
                return Err(FrameTooLong);
            }
            bytes = &bytes[at + 1..];
        }
        Ok(())
    }

    /// Returns the last event if the stream ended without a blank line.
    pub fn finish(&mut self) -> Option<SseFrame> {
        let line = std::mem::take(&mut self.buffer);
        let mut closed = None;
        if !line.is_empty() {
            self.process_line(&line, &mut |frame| closed = Some(frame));
        }
        closed.or_else(|| self.take_frame())
    }

    fn process_line(&mut self, line: &[u8], sink: &mut impl FnMut(SseFrame)) {
        let line = if self.has_started { line } else { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) };
        self.has_started = true;
        if line.is_empty() {
            if let Some(frame) = self.take_frame() {
                sink(frame);
            }
            return;
        }
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(&lossy_utf8(value));
            }
            b"event" => lossy_utf8(value).as_ref().clone_into(&mut self.event),
            // Comments have an empty name. `id` and `retry` are for reconnecting, which responses do not
            // support.
            _ => {}
        }
    }

    fn take_frame(&mut self) -> Option<SseFrame> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then(|| SseFrame { event, data: std::mem::take(&mut self.data) })
    }
}

/// A line or an event exceeds the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line or an event of the stream is longer than 32 MiB")]
pub struct FrameTooLong;

fn lossy_utf8(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_frames(pieces: &[&[u8]]) -> Vec<SseFrame> {
        let (mut decoder, mut out) = (SseDecoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut |f| out.push(f)).unwrap();
        }
        out.extend(decoder.finish());
        out
    }

    fn frame(event: &str, data: &str) -> SseFrame {
        SseFrame { event: event.into(), data: data.into() }
    }

    #[test]
    fn syntax_cases() {
        let raw = b"\xef\xbb\xbf: hello\r\nevent: a\r\ndata: 1\rdata:2\n\ndata\n\nid: 7\n\nevent: lost\n\ndata: last";
        assert_eq!(decode_frames(&[raw]), [frame("a", "1\n2"), frame("", ""), frame("", "last")]);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        assert_eq!(decode_frames(&[b"data: a\xffb\n\n"]), [frame("", "a\u{fffd}b")]);
    }

    #[test]
    fn line_over_limit_is_rejected() {
        let mut decoder = SseDecoder::default();
        let piece = vec![b'x'; MAX_EVENT_BYTES / 2 + 1];
        assert_eq!(decoder.feed(&piece, &mut |_| ()), Ok(()));
        assert_eq!(decoder.feed(&piece, &mut |_| ()), Err(FrameTooLong));
    }

    proptest! {
        #[test]
        fn split_input_decodes_identically(raw in "(data: ?[a-zä]{0,9}|event: [a-z]{0,4}|: note|\u{feff})?(\r\n|\n|\r)", more in
            prop::collection::vec("(data: ?[a-zä]{0,9}|event: [a-z]{0,4}|:x)?(\r\n|\n|\r)", 0..12),
            cuts in prop::collection::vec(1usize..7, 1..60)) {
            let input = format!("{raw}{}", more.concat()).into_bytes();
            let mut pieces = Vec::new();
            let mut rest = &input[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                pieces.push(head);
                rest = tail;
            }
            prop_assert_eq!(decode_frames(&pieces), decode_frames(&[&input]));
        }

        #[test]
        fn frames_match_sse_stream_crate(lines in prop::collection::vec("(data: ?[a-zä]{0,9}|event: [a-z]{1,4}|:x)?\n", 0..12)) {
            use futures_util::{FutureExt, StreamExt};
            let input = lines.concat() + "\n";
            let body = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(input.clone()))]);
            let theirs: Vec<SseFrame> = sse_stream::SseStream::from_bytes_stream(body)
                .filter_map(|e| async move { e.ok() })
                .filter_map(|e| async move { e.data.map(|data| SseFrame { event: e.event.unwrap_or_default(), data }) })
                .collect::<Vec<_>>().now_or_never().unwrap();
            prop_assert_eq!(decode_frames(&[input.as_bytes()]), theirs);
        }
    }
}
