//! The dialect `gemini` (Gemini generateContent). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod messages;
mod partial_call;
mod request;
mod server;
mod wire;

use super::{ListMarker, ServedModelList, ServedPaths};

pub(super) struct Gemini;

pub(super) const SERVED_PATHS: ServedPaths = ServedPaths {
    chat: &[":generateContent", ":streamGenerateContent"],
    embeddings: &[":batchEmbedContents"],
    model_list: Some(ServedModelList { path: "/v1beta/models", marker: ListMarker::None }),
};
