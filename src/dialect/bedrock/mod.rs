//! Amazon Bedrock Converse.

mod client;
mod decoder;
mod messages;
mod request;
mod server;
mod wire;

#[cfg(test)]
pub(super) use messages::EMPTY_RESULT_TEXT;

/// The dialect `bedrock`.
pub(super) struct Bedrock;
