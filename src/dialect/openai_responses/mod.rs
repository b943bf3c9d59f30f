//! The dialect `openai-responses` (OpenAI Responses), used statelessly: nothing is stored at the provider. It
//! depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod encoder;
mod items;
mod request;
mod server;
mod wire;

use super::ServedPaths;

pub(super) struct OpenaiResponses;

pub(super) const SERVED_PATHS: ServedPaths =
    ServedPaths { chat: &["/responses"], embeddings: &[], model_list: None };
