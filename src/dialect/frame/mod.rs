//! Framing: bytes, cut anywhere, into the frames that a dialect is made of.

mod aws;
mod lines;
mod sse;

pub use aws::{AwsDecoder, AwsFrame, NoEventStream, write_aws_frame};
pub use lines::LineDecoder;
pub use sse::{SseDecoder, SseFrame, TooLong};
