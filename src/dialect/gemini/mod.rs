//! Gemini generateContent.

mod client;
mod partial;
mod request;
mod server;
mod stream;
mod turn;
mod wire;

/// The dialect `gemini`.
pub(super) struct Gemini;
