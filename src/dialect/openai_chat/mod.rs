//! OpenAI Chat Completions, and the many who speak it with an accent of their own (see [`Quirks`](super::Quirks)).

mod citations;
mod client;
mod decoder;
mod messages;
mod reasoning_details;
mod request;
mod server;
mod wire;

/// The dialect `openai-chat`.
pub(super) struct OpenaiChat;
