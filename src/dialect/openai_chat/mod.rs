//! The dialect `openai-chat`: OpenAI Chat Completions and compatible APIs, whose deviations are
//! [`Quirks`](super::Quirks). It depends on `chat` and on the shared code of `dialect`.

mod citations;
mod client;
mod decoder;
mod messages;
mod reasoning_details;
mod request;
mod server;
mod wire;

use super::{ListMarker, ServedModelList, ServedPaths};

pub(super) struct OpenaiChat;

pub(super) const SERVED_PATHS: ServedPaths = ServedPaths {
    chat: &["/chat/completions"],
    embeddings: &["/embeddings"],
    model_list: Some(ServedModelList { path: "/models", marker: ListMarker::None }),
};
