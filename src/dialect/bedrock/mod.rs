//! Amazon Bedrock Converse.

mod client;
mod request;
mod server;
mod stream;
mod turn;
mod wire;

#[cfg(test)]
pub(super) use turn::NO_OUTPUT;

/// The dialect `bedrock`.
pub(super) struct Bedrock;
