//! Cohere Chat, version 2.

mod client;
mod decoder;
mod request;
mod server;
mod wire;

/// The dialect `cohere`.
pub(super) struct Cohere;
