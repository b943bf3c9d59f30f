//! Ollama's native chat.

mod client;
mod decoder;
mod request;
mod server;
mod wire;

/// The dialect `ollama`.
pub(super) struct Ollama;
