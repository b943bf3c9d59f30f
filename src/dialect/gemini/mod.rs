//! The dialect `gemini` (Gemini generateContent). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod messages;
mod partial_call;
mod request;
mod server;
mod wire;

pub(super) struct Gemini;
