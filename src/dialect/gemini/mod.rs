//! Gemini generateContent.

mod client;
mod partial;
mod server;
mod stream;
mod wire;

/// The dialect `gemini`.
pub(super) struct Gemini;
