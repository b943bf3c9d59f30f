//! OpenAI Chat Completions, and the many who speak it with an accent of their own (see [`Quirks`](super::Quirks)).

mod client;
mod request;
mod server;
mod sources;
mod stream;
mod thoughts;
mod turn;
mod wire;

/// The dialect `openai-chat`.
pub(super) struct OpenaiChat;
