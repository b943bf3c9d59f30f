//! Framing: bytes, cut anywhere, into the frames that a dialect is made of.

mod sse;

pub use sse::{SseDecoder, SseFrame, TooLong};
