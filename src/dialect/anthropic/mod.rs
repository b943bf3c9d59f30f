//! The dialect `anthropic` (Anthropic Messages). It depends on `chat` and on the shared code of `dialect`.

mod client;
mod decoder;
mod messages;
mod request;
mod server;
mod wire;

use super::{ListMarker, ServedModelList, ServedPaths};

pub(super) struct Anthropic;

/// The version used in recorded traffic. Newer versions reject sampling parameters for older models.
const API_VERSION: &str = "2023-06-01";

/// Sent for models of unknown size: the dialect requires a limit, and every model accepts this one.
const DEFAULT_MAX_OUTPUT_TOKENS: u64 = 4096;

pub(super) const SERVED_PATHS: ServedPaths = ServedPaths {
    chat: &["/messages"],
    embeddings: &[],
    model_list: Some(ServedModelList { path: "/models", marker: ListMarker::Header("anthropic-version") }),
};
