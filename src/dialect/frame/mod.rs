//! Framing: bytes, cut anywhere, into the frames that a dialect is made of.

mod lines;
mod sse;

pub use lines::LineDecoder;
pub use sse::{SseDecoder, SseFrame, TooLong};
