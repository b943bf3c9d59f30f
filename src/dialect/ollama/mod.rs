//! Ollama's native chat.

mod client;
mod request;
mod server;
mod stream;
mod wire;

/// The dialect `ollama`.
pub(super) struct Ollama;
