//! The dialect `ollama` (Ollama's native chat API). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod request;
mod server;
mod wire;

use super::{ListMarker, ServedModelList, ServedPaths};

pub(super) struct Ollama;

pub(super) const SERVED_PATHS: ServedPaths = ServedPaths {
    chat: &["/api/chat"],
    embeddings: &["/api/embed"],
    model_list: Some(ServedModelList { path: "/api/tags", marker: ListMarker::None }),
};
