//! The dialect `ollama` (Ollama's native chat API). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod request;
mod server;
mod wire;

pub(super) struct Ollama;
