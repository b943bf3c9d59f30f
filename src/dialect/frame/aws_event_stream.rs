//! AWS event-stream framing (`application/vnd.amazon.eventstream`): binary messages with headers and
//! checksums.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::BytesMut;

/// 32 MiB, more than any message that the service sends.
const MAX_MESSAGE_BYTES: usize = 32 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsFrame {
    /// `event`, `exception`, or `error`.
    pub message_type: String,
    /// The type of the event, exception, or error.
    pub event_type: String,
    /// The message of an `error`, which has no payload.
    pub error_message: String,
    /// JSON.
    pub payload: Vec<u8>,
}

/// Splits a byte stream, received in chunks of any size, into messages.
#[derive(Debug, Default)]
pub(crate) struct AwsDecoder {
    decoder: MessageFrameDecoder,
    buffer: BytesMut,
}

/// The bytes are not a valid event stream. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response is not an event stream: {0}")]
pub(crate) struct AwsFrameError(String);

impl AwsDecoder {
    /// Passes every complete message to `sink`.
    ///
    /// # Errors
    /// If a checksum is wrong or a message is too long. Later messages cannot be located then.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(AwsFrame),
    ) -> Result<(), AwsFrameError> {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.decoder.decode_frame(&mut self.buffer) {
                Ok(DecodedFrame::Complete(message)) => sink(to_aws_frame(&message)),
                Ok(DecodedFrame::Incomplete) if self.buffer.len() > MAX_MESSAGE_BYTES => {
                    return Err(AwsFrameError("a message is longer than 32 MiB".to_owned()));
                }
                Ok(DecodedFrame::Incomplete) => return Ok(()),
                Err(error) => return Err(AwsFrameError(error.to_string())),
            }
        }
    }
}

fn to_aws_frame(message: &Message) -> AwsFrame {
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name);
        found.and_then(|header| header.value().as_string().ok()).map(|s| s.as_str().to_owned())
    };
    let kind = [":event-type", ":exception-type", ":error-code"].into_iter().find_map(header);
    AwsFrame {
        message_type: header(":message-type").unwrap_or_default(),
        event_type: kind.unwrap_or_default(),
        error_message: header(":error-message").unwrap_or_default(),
        payload: message.payload().to_vec(),
    }
}

pub fn encode_aws_frame(frame: &AwsFrame) -> Vec<u8> {
    let kind = match frame.message_type.as_str() {
        "exception" => ":exception-type",
        "error" => ":error-code",
        _ => ":event-type",
    };
    let mut message = Message::new(frame.payload.clone());
    let headers = [
        (":message-type", &frame.message_type),
        (kind, &frame.event_type),
        (":error-message", &frame.error_message),
    ];
    for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
        message = message.add_header(Header::new(name, HeaderValue::String(value.clone().into())));
    }
    let mut bytes = Vec::new();
    // Cannot fail: the format's limits are far above what slalom writes.
    let _ = write_message_to(&message, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_frames_are_decoded() {
        let event = |kind: &str, payload: &str| AwsFrame {
            message_type: "event".into(),
            event_type: kind.into(),
            payload: payload.into(),
            ..AwsFrame::default()
        };
        let sent = [event("messageStart", "{\"role\":\"assistant\"}"), event("messageStop", "{}")];
        let bytes: Vec<u8> = sent.iter().flat_map(encode_aws_frame).collect();
        for size in [1, 5, 64, bytes.len()] {
            let (mut decoder, mut read) = (AwsDecoder::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| decoder.feed(piece, &mut |frame| read.push(frame)).unwrap());
            assert_eq!(read, sent, "{size}");
        }
        let mut broken = bytes;
        broken[20] ^= 1;
        assert!(AwsDecoder::default().feed(&broken, &mut |_| ()).is_err());
    }
}
