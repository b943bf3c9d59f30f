//! Framing: splits byte chunks of any size into SSE events, NDJSON lines, or AWS event-stream messages.
//! Depends on no other module.

mod aws_event_stream;
mod ndjson;
mod sse;

pub(crate) use aws_event_stream::AwsDecoder;
pub use aws_event_stream::{AwsFrame, encode_aws_frame};
pub(crate) use ndjson::NdjsonDecoder;
pub use sse::SseDecoder;
pub(crate) use sse::{FrameTooLong, SseFrame};
