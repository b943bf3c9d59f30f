//! Gemini generateContent.

mod client;
mod decoder;
mod messages;
mod partial_call;
mod request;
mod server;
mod wire;

/// The dialect `gemini`.
pub(super) struct Gemini;
