//! Anthropic Messages.

mod client;
mod request;
mod server;
mod stream;
mod turn;
mod wire;

/// The dialect `anthropic`.
pub(super) struct Anthropic;

/// The version that recorded traffic speaks; newer ones take sampling parameters away from older models.
const VERSION: &str = "2023-06-01";

/// Output bound sent for a model of unknown size: the dialect demands one, and every model takes this much.
const FALLBACK_MAX_TOKENS: u64 = 4096;
