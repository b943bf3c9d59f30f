//! Amazon Bedrock Converse.

mod client;
mod server;
mod stream;
mod wire;

/// The dialect `bedrock`.
pub(super) struct Bedrock;
