//! The dialect `bedrock` (Amazon Bedrock Converse). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod messages;
mod request;
mod server;
mod wire;

use super::ServedPaths;

#[cfg(test)]
pub(super) use messages::EMPTY_RESULT_TEXT;

pub(super) struct Bedrock;

pub(super) const SERVED_PATHS: ServedPaths =
    ServedPaths { chat: &["/converse", "/converse-stream"], embeddings: &["/invoke"], model_list: None };
