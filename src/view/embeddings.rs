//! Embeddings as text and as JSON.

use std::time::Duration;

use serde::Serialize;

use super::format::{format_cost, format_duration, pluralize, round_milliseconds};
use crate::catalog::Cost;
use crate::chat::{EmbeddingResponse, TokenCount};
use crate::provider::Target;

/// One embedding per line.
pub(crate) fn embeddings_lines(embeddings: &EmbeddingResponse) -> serde_json::Result<String> {
    // serde_json writes the shortest decimal that represents the `f32`.
    let line = |vector: &Vec<f32>| serde_json::to_string(vector).map(|line| line + "\n");
    embeddings.embeddings.iter().map(line).collect()
}

/// The object `slalom.embeddings/1`.
pub(crate) fn embeddings_json(
    target: &Target,
    embeddings: &EmbeddingResponse,
    cost: Cost,
    latency: Duration,
) -> serde_json::Result<String> {
    let object = EmbeddingsObject {
        schema: "slalom.embeddings/1",
        provider: &target.model_ref.provider,
        model: &target.model_ref.model,
        vectors: &embeddings.embeddings,
        input_tokens: embeddings.usage.input_tokens,
        cost_usd: cost.usd(),
        cost_source: cost.source.name(),
        latency_ms: round_milliseconds(latency),
        simulated: target.provider.simulated,
    };
    serde_json::to_string(&object)
}

#[derive(Serialize)]
struct EmbeddingsObject<'a> {
    schema: &'static str,
    provider: &'a str,
    model: &'a str,
    vectors: &'a [Vec<f32>],
    input_tokens: Option<TokenCount>,
    cost_usd: Option<f64>,
    cost_source: &'static str,
    latency_ms: u64,
    simulated: bool,
}

/// The summary line after the embeddings.
pub(crate) fn embeddings_summary_line(
    target: &Target,
    embeddings: &EmbeddingResponse,
    cost: Cost,
    latency: Duration,
) -> String {
    let length = embeddings.embeddings.first().map_or(0, Vec::len);
    let tokens = embeddings.usage.input_tokens.map_or_else(|| "?".to_owned(), |tokens| tokens.to_string());
    let simulated = if target.provider.simulated { " (simulated)" } else { "" };
    format!(
        "{}{simulated} · {} ({length} dimensions) · {tokens} in · {} · {}",
        target.model_ref,
        pluralize(embeddings.embeddings.len(), "embedding"),
        format_cost(cost),
        format_duration(latency)
    )
}
