//! OpenAI Responses, stateless: nothing is stored at the provider.

mod client;
mod encoder;
mod items;
mod request;
mod server;
mod stream;
mod wire;

/// The dialect `openai-responses`.
pub(super) struct OpenaiResponses;
