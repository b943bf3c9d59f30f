//! OpenAI Responses, stateless: nothing is stored at the provider.

mod client;
mod decoder;
mod encoder;
mod items;
mod request;
mod server;
mod wire;

/// The dialect `openai-responses`.
pub(super) struct OpenaiResponses;
