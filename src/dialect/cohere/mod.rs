//! Cohere Chat, version 2.

mod client;
mod request;
mod server;
mod stream;
mod wire;

/// The dialect `cohere`.
pub(super) struct Cohere;
