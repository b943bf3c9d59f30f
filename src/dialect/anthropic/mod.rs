//! Anthropic Messages.

mod client;
mod decoder;
mod messages;
mod request;
mod server;
mod wire;

/// The dialect `anthropic`.
pub(super) struct Anthropic;

/// The version that recorded traffic speaks; newer ones take sampling parameters away from older models.
const API_VERSION: &str = "2023-06-01";

/// Output bound sent for a model of unknown size: the dialect demands one, and every model takes this much.
const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 4096;
