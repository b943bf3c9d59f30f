//! Amazon Bedrock Converse.

mod client;
mod request;
mod server;
mod stream;
mod turn;
mod wire;

/// The dialect `bedrock`.
pub(super) struct Bedrock;
