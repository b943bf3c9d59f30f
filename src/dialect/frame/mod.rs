//! Framing: bytes, cut anywhere, into the frames that a dialect is made of.

mod aws_event_stream;
mod ndjson;
mod sse;

pub use aws_event_stream::{AwsDecoder, AwsFrame, AwsFrameError, encode_aws_frame};
pub use ndjson::NdjsonDecoder;
pub use sse::{FrameTooLong, SseDecoder, SseFrame};
