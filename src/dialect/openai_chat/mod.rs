//! OpenAI Chat Completions, and the many who speak it with an accent of their own (see [`Quirks`](super::Quirks)).

mod client;
mod server;
mod stream;
mod wire;

/// The dialect `openai-chat`.
pub(super) struct OpenaiChat;
